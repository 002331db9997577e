import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { run as runProgram } from '../harness/child.ts'
import { repeat } from '../harness/interleave.ts'
import type { Measurement } from '../harness/measurement.ts'
import { prepare } from '../harness/prepare.ts'

/** How long a person waits for the command itself: from its start to its end, with as little asked of the server as there is. */
export const commandLine: Benchmark = { name: 'command-line', number: '-', title: 'The sign command from start to end', run }

const SIGN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server } = await prepare(bench)
  const client = join(place.folder, 'certs', 'clients', 'release-bot')
  const options = ['--host', 'localhost', '--port', String(server.port), '--cert', join(client, 'client.pem'), '--key', join(client, 'client.key'), '--ca', join(client, 'ca.pem')]
  const timed = (name: string, atMost: number, args: readonly string[]) => repeat({
    name,
    unit: 'ms',
    goal: { kind: 'at-most', value: atMost },
    measure: async () => {
      const started = performance.now()
      await runProgram(process.execPath, [SIGN, ...args])
      return performance.now() - started
    },
  }, bench.rounds)
  return [await timed('sign --help', 80, ['--help']), await timed('sign whoami', 150, [...options, 'whoami'])]
}
