import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import { rateOf } from '../harness/load.ts'
import type { Measurement } from '../harness/measurement.ts'
import { prepare } from '../harness/prepare.ts'
import { opensslSpeed } from '../rivals/openssl-speed.ts'

/** Goal 5: one digest per request, recorded durably, beside what the processor can sign at all. */
export const digestPerRequest: Benchmark = { name: 'digest-per-request', number: '5', title: 'Durable signature of one digest per request', run }

const GOALS = [[64, 0.55], [16, 0.43], [256, 0.58]] as const

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { server, load } = await prepare(bench)
  const seconds = bench.size(2, 1)
  const extent = { durationMs: seconds * 1000 }
  const measured: Measurement[] = []
  for (const [connections, atLeast] of GOALS) {
    measured.push(await interleave({
      name: `${connections} connections`,
      figure: 'rate',
      unit: 'signatures/s',
      goal: { kind: 'at-least', value: atLeast },
      ours: { label: 'server, one digest per request', measure: async () => rateOf(await load.requests({ port: server.port, connections, source: { kind: 'sign-digests' }, extent })) },
      theirs: { label: 'openssl speed -multi 2 rsa2048', measure: async () => await opensslSpeed(seconds) },
    }, bench.rounds))
  }
  return measured
}
