import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import { rateOf } from '../harness/load.ts'
import type { Measurement } from '../harness/measurement.ts'
import { prepare } from '../harness/prepare.ts'
import { startServer } from '../harness/server.ts'

/**
 * Goal 6, and the signatures per second with the durable catalogue at 1, 16 and 64 clients on the engine of `--store`: each beside the
 * same server whose store forgets everything at once.
 */
export const durable: Benchmark = { name: 'durable', number: '6', title: 'With the durable store, beside the same server without one', run }

const STORELESS = new URL('../rivals/storeless-server-process.ts', import.meta.url)

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load } = await prepare(bench)
  const storeless = await startServer(bench, place, { name: 'storeless', module: STORELESS, config: {} })
  const extent = { durationMs: bench.size(2000, 500) }
  const rate = async (port: number, connections: number) => rateOf(await load.requests({ port, connections, source: { kind: 'sign-digests' }, extent }))
  const measured: Measurement[] = []
  for (const connections of [64, 16, 1]) {
    measured.push(await interleave({
      name: `${bench.store}, ${connections} ${connections === 1 ? 'connection' : 'connections'}`,
      figure: 'rate',
      unit: 'signatures/s',
      ...(connections === 64 ? { goal: { kind: 'at-least', value: 0.78 } } : {}),
      ours: { label: `durable (${bench.store})`, measure: async () => await rate(server.port, connections) },
      theirs: { label: 'without a store', measure: async () => await rate(storeless.port, connections) },
    }, bench.rounds))
  }
  return measured
}
