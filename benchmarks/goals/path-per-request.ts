import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import { rateOf } from '../harness/load.ts'
import type { Measurement } from '../harness/measurement.ts'
import { writePackages } from '../harness/packages.ts'
import { prepare } from '../harness/prepare.ts'
import { startLoop2 } from '../rivals/loop2.ts'

/** Goal 4: one package of 100 KiB by path per request. */
export const pathPerRequest: Benchmark = { name: 'path-per-request', number: '4', title: 'Sign one 100 KiB path per request', run }

const GOALS = [[64, 0.65], [16, 0.52], [1, 0.16]] as const

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load, anew } = await prepare(bench)
  const loop2 = await startLoop2(place.privateKey, bench.opened)
  const { paths } = writePackages(place.root, 'hundred', { count: bench.size(1000, 200), sizeBytes: 100 * 1024 })
  const source = { kind: 'sign-paths', paths, members: anew } as const
  const measured: Measurement[] = []
  for (const [connections, atLeast] of GOALS) {
    // As many as take about half a second each: one connection has a fraction of the rate.
    const requests = bench.size(connections === 1 ? 500 : 2000, 200)
    measured.push(await interleave({
      name: `${connections} connections`.replace(/^1 connections/, '1 connection'),
      figure: 'rate',
      unit: 'packages/s',
      goal: { kind: 'at-least', value: atLeast },
      ours: { label: 'server, one path per request', measure: async () => rateOf(await load.requests({ port: server.port, connections, source, extent: { requests } })) },
      theirs: { label: 'loop2', measure: async () => (paths.length / (await loop2.files(paths))) * 1000 },
    }, bench.rounds))
  }
  return measured
}
