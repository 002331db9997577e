import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import { rateOf } from '../harness/load.ts'
import type { Measurement, Side } from '../harness/measurement.ts'
import { prepare } from '../harness/prepare.ts'
import { keyInSoftHsm } from '../harness/softhsm.ts'
import { opensslSpeed } from '../rivals/openssl-speed.ts'

/** Goal 18: digests signed by a key in a token, one per request, beside what the processor can sign at all. The goal is the rate itself. */
export const pkcs11: Benchmark = { name: 'pkcs11', number: '18', title: 'Durable signature of one digest per request, by a key in SoftHSM2', run }

const GOALS = [[16, 1000], [1, 600]] as const

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { server, load } = await prepare(bench, async (place) => ({ config: { keys: [await keyInSoftHsm(place)] } }))
  const seconds = bench.size(2, 1)
  const extent = { durationMs: seconds * 1000 }
  const measured: Measurement[] = []
  for (const [connections, atLeast] of GOALS) {
    const { name, sides } = await interleave({
      name: connections === 1 ? '1 connection' : `${connections} connections`,
      figure: 'rate',
      unit: 'signatures/s',
      ours: { label: 'server, one digest per request', measure: async () => rateOf(await load.requests({ port: server.port, connections, source: { kind: 'sign-digests' }, extent })) },
      theirs: { label: 'openssl speed -multi 2 rsa2048', measure: async () => await opensslSpeed(seconds) },
    }, bench.rounds)
    const { ours, theirs } = sides as Readonly<{ ours: Side; theirs: Side }>
    measured.push({ name, unit: '/s', summary: ours.summary, goal: { kind: 'at-least', value: atLeast }, sides: { ours, theirs } })
  }
  return measured
}
