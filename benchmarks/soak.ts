import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closeAtSignal } from './harness/at-signal.ts'
import { readMachine } from './harness/machine.ts'
import { findings, soakLines } from './soak/observations.ts'
import { parseSoakFlags } from './soak/flags.ts'
import { soak } from './soak/run.ts'

const USAGE = 'usage: npm run soak -- [--minutes N] [--no-reloads] [--json FILE]'
const HELP = `${USAGE}

Lets a server of its own, on loopback, do everything that clients ask for, all at once, for N minutes (20), and says at the end whether
memory, descriptors, catalogue, log and answers are as they should be. Meanwhile its configuration is changed and SIGHUP sent, where this
server takes that up (docs/reload.md); not with --no-reloads. Exit status: 0 they are, 1 something is wrong, 2 usage.
`

/** A server that does not reload ends at SIGHUP. */
const RELOADS = existsSync(new URL('../docs/reload.md', import.meta.url))

process.exitCode = await runSoak(process.argv.slice(2))

async function runSoak(args: readonly string[]): Promise<number> {
  const flags = parseSoakFlags(args, process.env['INIT_CWD'] ?? '.')
  if (typeof flags === 'string') {
    console.error(`soak: ${flags}\n${USAGE}`)
    return 2
  }
  if (flags.help) {
    console.log(HELP)
    return 0
  }
  const machine = readMachine()
  const folder = await mkdtemp(join(tmpdir(), 'signing-server-soak-'))
  await chmod(folder, 0o711)
  const opened = new AsyncDisposableStack()
  // The last to be closed.
  opened.defer(async () => await rm(folder, { recursive: true, force: true }))
  await using _open = closeAtSignal(async () => await opened.disposeAsync())
  const bench = { folder, store: 'sqlite', rounds: { warmUp: 0, rounds: 1 }, size: (full: number) => full, opened } as const
  const { minutes } = flags
  const seen = await soak(bench, { minutes, sampleMs: Math.min(5000, minutes * 2000), reloads: RELOADS && flags.reloads, say: (text) => console.error(`  ${text}`) })
  console.log(soakLines(seen).join('\n'))
  const wrong = findings(seen)
  if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify({ machine, ...seen, findings: wrong }, undefined, 2)}\n`)
  return wrong.length === 0 ? 0 : 1
}
