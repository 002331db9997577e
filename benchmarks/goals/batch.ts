import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import type { Measurement } from '../harness/measurement.ts'
import { prepare } from '../harness/prepare.ts'
import { startLoop2 } from '../rivals/loop2.ts'

/** Goal 19: many digests in one request, beside nothing but `crypto.sign` in two threads. */
export const batch: Benchmark = { name: 'batch', number: '19', title: 'A batch of 1,000 digests, beside crypto.sign on two threads', run }

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load } = await prepare(bench)
  const loop2 = await startLoop2(place.privateKey, bench.opened)
  const items = bench.size(1000, 200)
  return [
    await interleave({
      name: `${items.toLocaleString('en-US')} digests, RSA-2048`,
      figure: 'rate',
      unit: 'signatures/s',
      goal: { kind: 'at-least', value: 0.85 },
      ours: { label: 'one batch', measure: async () => {
        const { elapsedMs } = await load.requests({ port: server.port, connections: 1, source: { kind: 'sign-batches', items }, extent: { requests: 1 } })
        return (items / elapsedMs) * 1000
      } },
      theirs: { label: 'crypto.sign on two threads', measure: async () => (items / (await loop2.messages(items))) * 1000 },
    }, bench.rounds),
  ]
}
