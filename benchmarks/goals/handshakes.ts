import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import type { Measurement } from '../harness/measurement.ts'
import { prepare } from '../harness/prepare.ts'

/** Goal 12: what a session ticket saves a client that comes again. */
export const handshakes: Benchmark = { name: 'handshakes', number: '12', title: 'Resumed beside full mutual handshakes', run }

const AT_ONCE = 16

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { server, load } = await prepare(bench)
  const count = bench.size(1000, 100)
  const rate = async (resumed: boolean) => (count / (await load.handshakes({ port: server.port, connections: AT_ONCE, count, resumed }))) * 1000
  return [
    await interleave({
      name: `${AT_ONCE} at once`,
      figure: 'rate',
      unit: 'handshakes/s',
      goal: { kind: 'at-least', value: 1.7 },
      ours: { label: 'resumed', measure: async () => await rate(true) },
      theirs: { label: 'full', measure: async () => await rate(false) },
    }, bench.rounds),
  ]
}
