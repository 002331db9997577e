import { closeSync, existsSync, openSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { closeAtSignal } from './harness/at-signal.ts'
import { readMachine } from './harness/machine.ts'
import { findings, soakLines } from './soak/observations.ts'
import { soak } from './soak/run.ts'

const USAGE = 'usage: npm run soak -- [--minutes N] [--no-reloads] [--json FILE]'
const HELP = `${USAGE}

Lets a server of its own, on loopback, do everything that clients ask for, all at once, for N minutes (20), and says at the end whether
memory, descriptors, catalogue, log and answers are as they should be. Meanwhile its configuration is changed and SIGHUP sent, where this
server takes that up (docs/reload.md); not with --no-reloads. Exit status: 0 they are, 1 something is wrong, 2 usage.
`

const MOST_MINUTES = 24 * 60
/** A server that does not reload ends at SIGHUP. */
const RELOADS = existsSync(new URL('../docs/reload.md', import.meta.url))

process.exitCode = await runSoak(process.argv.slice(2))

async function runSoak(args: readonly string[]): Promise<number> {
  const options = parseOptions(args)
  if (typeof options === 'string') {
    console.error(`soak: ${options}\n${USAGE}`)
    return 2
  }
  if (options.help) {
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
  const { minutes } = options
  const seen = await soak(bench, { minutes, sampleMs: Math.min(5000, minutes * 2000), reloads: RELOADS && options.reloads, say: (text) => console.error(`  ${text}`) })
  console.log(soakLines(seen).join('\n'))
  const wrong = findings(seen)
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify({ machine, ...seen, findings: wrong }, undefined, 2)}\n`)
  return wrong.length === 0 ? 0 : 1
}

type Options = Readonly<{ minutes: number; reloads: boolean; json: string | undefined; help: boolean }>

/** Returns the options, or what is wrong with them. A place for the results that cannot be written is told now, and not in twenty minutes. */
function parseOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({ args: [...args], options: { minutes: { type: 'string', default: '20' }, 'no-reloads': { type: 'boolean', default: false }, json: { type: 'string' }, help: { type: 'boolean', default: false } } })
    const minutes = Number(values.minutes)
    if (!(minutes > 0 && minutes <= MOST_MINUTES)) return `--minutes needs a number above 0, and at most ${MOST_MINUTES}`
    const json = values.json === undefined ? undefined : resolve(process.env['INIT_CWD'] ?? '.', values.json)
    if (json !== undefined) closeSync(openSync(json, 'a'))
    return { minutes, reloads: !values['no-reloads'], json, help: values.help }
  } catch (error) {
    return (error as Error).message
  }
}
