import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { cleanEnvironment, run as runProgram } from '../harness/child.ts'
import { interleave, repeat } from '../harness/interleave.ts'
import type { Measurement } from '../harness/measurement.ts'
import { writePackages } from '../harness/packages.ts'
import type { Place } from '../harness/place.ts'
import { prepare, type Prepared } from '../harness/prepare.ts'

/** How long a person waits for the command itself, and what it adds to the work of the SDK it stands on: from its start to its end, as it is installed. */
export const commandLine: Benchmark = { name: 'command-line', number: '-', title: 'The sign command from start to end', run }

const ROOT = new URL('../../', import.meta.url)
const SDK_PROGRAM = fileURLToPath(new URL('../rivals/sdk-program.ts', import.meta.url))

async function run(bench: Bench): Promise<readonly Measurement[]> {
  await build()
  const prepared = await prepare(bench)
  const timed = async (name: string, atMost: number | undefined, args: readonly string[]) => await repeat({
    name,
    unit: 'ms',
    ...(atMost === undefined ? {} : { goal: { kind: 'at-most', value: atMost } as const }),
    measure: async () => (await runNode(args)).elapsedMs,
  }, bench.rounds)
  const sign = signWith(prepared)
  return [
    // For who compares machines: it is part of every other line.
    await timed('node --eval 0', undefined, ['--eval', '0']),
    await timed('sign --help', 80, sign('--help')),
    await timed('sign whoami', 150, sign('whoami')),
    ...(await besideSdk(bench, prepared, sign)),
  ]
}

/** Builds the command as it is published, into `dist` as `npm run build` does. */
async function build(): Promise<void> {
  await runProgram(process.execPath, [built('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], { cwd: fileURLToPath(ROOT) })
}

function built(file: string): string {
  return fileURLToPath(new URL(file, ROOT))
}

/** Runs Node to its end, and says how long that took. What TypeScript there is, is stripped once. */
async function runNode(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Readonly<{ elapsedMs: number; stdout: string }>> {
  const started = performance.now()
  const { stdout } = await runProgram(process.execPath, args, { env: { ...cleanEnvironment(), ...env } })
  return { elapsedMs: performance.now() - started, stdout }
}

/** Returns what makes the arguments of Node for a run of `sign` as the client of the place. */
function signWith({ place, server }: Prepared): (...args: readonly string[]) => readonly string[] {
  const client = credentialsOf(place)
  const options = ['--host', 'localhost', '--port', String(server.port), '--cert', join(client, 'client.pem'), '--key', join(client, 'client.key'), '--ca', join(client, 'ca.pem')]
  return (...args) => [built('dist/cli/main.js'), ...options, ...args]
}

function credentialsOf({ folder }: Place): string {
  return join(folder, 'certs', 'clients', 'release-bot')
}

async function besideSdk(bench: Bench, { place, server }: Prepared, sign: (...args: readonly string[]) => readonly string[]): Promise<readonly Measurement[]> {
  const count = bench.size(1000, 100)
  const { directory, paths } = writePackages(place.root, 'hundred', { count, sizeBytes: 100 * 1024 })
  const program = [SDK_PROGRAM, built('dist/sdk/index.js'), String(server.port), credentialsOf(place)]
  const env = { NODE_COMPILE_CACHE: join(bench.folder, 'compiled') }
  const compare = async (name: string, atLeast: number, args: Readonly<{ ours: readonly string[]; theirs: readonly string[] }>) => await interleave({
    name: `${count.toLocaleString('en-US')} × 100 KiB ${name}`,
    figure: 'rate',
    unit: 'packages/s',
    goal: { kind: 'at-least', value: atLeast },
    ours: { label: 'sign', measure: async () => await rateOf(count, args.ours) },
    theirs: { label: 'a program with the SDK', measure: async () => await rateOf(count, [...program, ...args.theirs], env) },
  }, bench.rounds)
  return [
    await compare('by digest', 0.8, { ours: sign('--digest', '--force', ...paths), theirs: ['digests', ...paths] }),
    await compare('by server path', 0.9, { ours: sign('--force', directory), theirs: ['directory', directory] }),
  ]
}

/** Returns the packages per second of a process from its start to its end. Both print a line for each signature, or their number. */
async function rateOf(count: number, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<number> {
  const { elapsedMs, stdout } = await runNode(args, env)
  const signed = env === undefined ? stdout.split('"signature"').length - 1 : Number(stdout)
  if (signed !== count) throw new Error(`${signed} of ${count} packages were signed`)
  return (count / elapsedMs) * 1000
}
