import { access, chmod, constants, mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { closeAtSignal } from './harness/at-signal.ts'
import { STORES, type Bench, type Benchmark, type StoreKind } from './harness/benchmark.ts'
import { readMachine } from './harness/machine.ts'
import { Unavailable, verdictOf, type Measurement, type Result } from './harness/measurement.ts'
import { publish } from './harness/publish.ts'
import { resultLines, type Report } from './harness/table.ts'

/** What the command needs of the process. `results` is the folder that `--publish` writes to. */
export type CommandIo = Readonly<{ print: (text: string) => void; complain: (text: string) => void; cwd: string; results: string; readme: string }>

const USAGE = 'usage: npm run bench -- [NAME…] [--list] [--quick] [--rounds N] [--store sqlite|postgres] [--json FILE] [--profile DIR] [--publish]'
const HELP = `${USAGE}

Measures the server beside something it can be compared with, both in one run, and says whether each goal is met.

  NAME            only these benchmarks; --list names them
  --quick         small sizes, one round and no warm-up: shows that everything runs; its figures mean little
  --rounds N      how many rounds are kept of each measurement (7; with --quick 1)
  --store KIND    where the catalogue lies: sqlite (a file) or postgres (a cluster of our own, made for the run)
  --json FILE     write the results to FILE
  --profile DIR   write CPU profiles into DIR: of the server's event loop, or of the store where a benchmark has no server
  --publish       put the results into benchmarks/results and the table of benchmarks/README.md

Exit status: 0 everything was measured, whatever the verdicts; 1 a benchmark failed; 2 usage, or a place that cannot be written.
`

type Options = Readonly<{ names: readonly string[]; list: boolean; quick: boolean; rounds: number; store: StoreKind; json?: string; profile?: string; publish: boolean; help: boolean }>

/** Runs the command `bench` over these benchmarks; returns the exit status: 0 measured, whatever the verdicts, 1 a benchmark failed, 2 usage, or a place that cannot be written. */
export async function runBench(args: readonly string[], benchmarks: readonly Benchmark[], io: CommandIo): Promise<number> {
  const options = parseOptions(args, benchmarks)
  if (typeof options === 'string') {
    io.complain(`bench: ${options}\n${USAGE}\n`)
    return 2
  }
  if (options.help) io.print(HELP)
  if (options.list) for (const { name, number, title } of benchmarks) io.print(`${name.padEnd(20)} ${number.padEnd(5)} ${title}\n`)
  if (options.help || options.list) return 0
  const fault = await unwritable(options, io)
  if (fault !== undefined) {
    io.complain(`bench: the results could not be written: ${fault}\n`)
    return 2
  }
  const chosen = options.names.length === 0 ? benchmarks : benchmarks.filter(({ name }) => options.names.includes(name))
  const results = await runAll(chosen, options, io)
  // First of all, for what is written after it may fail.
  io.print(summaryText(results))
  const report: Report = { results }
  if (options.json !== undefined) await writeFile(resolve(io.cwd, options.json), `${JSON.stringify(report, undefined, 2)}\n`)
  if (options.publish) await publish(report, { names: benchmarks.map(({ name }) => name), ...io })
  return results.some(({ kind }) => kind === 'failed') ? 1 : 0
}

function parseOptions(args: readonly string[], benchmarks: readonly Benchmark[]): Options | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        list: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false }, rounds: { type: 'string' }, store: { type: 'string', default: 'sqlite' },
        json: { type: 'string' }, profile: { type: 'string' }, publish: { type: 'boolean', default: false }, help: { type: 'boolean', default: false },
      },
    })
    const unknown = positionals.find((name) => !benchmarks.some((benchmark) => benchmark.name === name))
    if (unknown !== undefined) return `there is no benchmark ${unknown}; --list names them`
    const rounds = Number(values.rounds ?? (values.quick ? 1 : 7))
    if (!Number.isInteger(rounds) || rounds < 1) return '--rounds needs a whole number from 1'
    const store = STORES.find((kind) => kind === values.store)
    if (store === undefined) return `--store is one of ${STORES.join(', ')}`
    if (values.publish && values.quick) return 'figures of a quick run are not for publication'
    const { list, quick, json, profile, publish: published, help } = values
    return { names: positionals, list, quick, rounds, store, publish: published, help, ...(json === undefined ? {} : { json }), ...(profile === undefined ? {} : { profile }) }
  } catch (error) {
    return (error as Error).message
  }
}

/** Returns why something cannot be written that is to be written at the end: nobody measures for half an hour to be told then. */
async function unwritable({ json, profile, publish: published }: Options, { cwd, results, readme }: CommandIo): Promise<string | undefined> {
  try {
    if (json !== undefined) await (await open(resolve(cwd, json), 'a')).close()
    if (profile !== undefined) await mkdir(resolve(cwd, profile), { recursive: true })
    if (!published) return undefined
    await mkdir(results, { recursive: true })
    for (const path of [results, readme]) await access(path, constants.W_OK)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

async function runAll(benchmarks: readonly Benchmark[], options: Options, io: CommandIo): Promise<Report['results']> {
  const results: Report['results'][number][] = []
  for (const benchmark of benchmarks) {
    const machine = readMachine()
    const result = await runOne(benchmark, options, io)
    io.print(`${resultLines(result).join('\n')}\n\n`)
    results.push({ ...result, machine, quick: options.quick, store: options.store })
  }
  return results
}

/** Runs one benchmark in a folder of its own; whatever it throws becomes its result, so that the others still run. */
async function runOne({ name, number, title, run }: Benchmark, options: Options, { complain, cwd }: CommandIo): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'signing-server-bench-'))
  // PostgreSQL runs as another user and must get through.
  await chmod(folder, 0o711)
  const opened = new AsyncDisposableStack()
  const bench: Bench = {
    folder,
    store: options.store,
    rounds: { warmUp: options.quick ? 0 : 1, rounds: options.rounds, say: (text) => complain(`  ${text}\n`) },
    size: (full, quick) => (options.quick ? quick : full),
    opened,
    ...(options.profile === undefined ? {} : { profileFolder: resolve(cwd, options.profile) }),
  }
  await using _open = closeAtSignal(async () => await closeAll({ name, opened, folder }, complain))
  const started = performance.now()
  const outcome = await outcomeOf(run, bench)
  const seconds = Math.round((performance.now() - started) / 100) / 10
  return { benchmark: name, number, title, seconds, ...outcome }
}

type Opened = Readonly<{ name: string; opened: AsyncDisposableStack; folder: string }>

async function closeAll({ name, opened, folder }: Opened, complain: CommandIo['complain']): Promise<void> {
  await opened.disposeAsync().catch((error: unknown) => complain(`  ${name} did not close everything: ${String(error)}\n`))
  await rm(folder, { recursive: true, force: true })
}

type Outcome = Readonly<{ kind: 'measured'; measurements: readonly Measurement[] } | { kind: 'failed' | 'unavailable'; reason: string }>

async function outcomeOf(run: Benchmark['run'], bench: Bench): Promise<Outcome> {
  try {
    return { kind: 'measured', measurements: await run(bench) }
  } catch (error) {
    return { kind: error instanceof Unavailable ? 'unavailable' : 'failed', reason: error instanceof Error ? error.message : String(error) }
  }
}

function summaryText(results: readonly Result[]): string {
  const verdicts = results.flatMap((result) => (result.kind === 'measured' ? result.measurements.map(verdictOf) : []))
  const count = (verdict: string) => verdicts.filter((found) => found === verdict).length
  const kinds = (kind: Result['kind']) => results.filter((result) => result.kind === kind).length
  return `${count('meets')} goals met, ${count('misses')} missed; ${kinds('failed')} benchmarks failed, ${kinds('unavailable')} not available here\n`
}
