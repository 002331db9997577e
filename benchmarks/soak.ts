import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readMachine } from './harness/machine.ts'
import { findings, soakLines } from './soak/observations.ts'
import { soak } from './soak/run.ts'

const HELP = `usage: npm run soak -- [--minutes N] [--no-reloads] [--json FILE]

Lets a server of its own, on loopback, do everything that clients ask for, all at once, for N minutes (20), and says at the end whether
memory, descriptors, catalogue, log and answers are as they should be. Meanwhile its configuration is changed and SIGHUP sent, where this
server takes that up (docs/reload.md); not with --no-reloads. Exit status: 0 they are, 1 something is wrong, 2 usage.
`

/** A server that does not reload ends at SIGHUP. */
const RELOADS = existsSync(new URL('../docs/reload.md', import.meta.url))

process.exitCode = await runSoak(process.argv.slice(2))

async function runSoak(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { minutes: { type: 'string', default: '20' }, 'no-reloads': { type: 'boolean', default: false }, json: { type: 'string' }, help: { type: 'boolean', default: false } } })
  const minutes = Number(values.minutes)
  if (values.help || !(minutes > 0 && minutes <= 24 * 60)) {
    console.log(HELP)
    return values.help ? 0 : 2
  }
  const machine = readMachine()
  const folder = await mkdtemp(join(tmpdir(), 'signing-server-soak-'))
  await chmod(folder, 0o711)
  const opened = new AsyncDisposableStack()
  try {
    const bench = { folder, store: 'sqlite', rounds: { warmUp: 0, rounds: 1 }, size: (full: number) => full, opened } as const
    const reloads = RELOADS && !values['no-reloads']
    const seen = await soak(bench, { minutes, sampleMs: Math.min(5000, minutes * 2000), reloads, say: (text) => console.error(`  ${text}`) })
    console.log(soakLines(seen).join('\n'))
    const wrong = findings(seen)
    if (values.json !== undefined) await writeFile(resolve(process.env['INIT_CWD'] ?? '.', values.json), `${JSON.stringify({ machine, ...seen, findings: wrong }, undefined, 2)}\n`)
    return wrong.length === 0 ? 0 : 1
  } finally {
    await opened.disposeAsync()
    await rm(folder, { recursive: true, force: true })
  }
}
