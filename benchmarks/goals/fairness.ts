import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { repeat } from '../harness/interleave.ts'
import { startLoad } from '../harness/load.ts'
import type { Measurement } from '../harness/measurement.ts'
import { meanwhile } from '../harness/meanwhile.ts'
import { writePackages } from '../harness/packages.ts'
import { prepare } from '../harness/prepare.ts'
import { percentile } from '../harness/statistics.ts'

/** How long a client with one package waits while another has a long directory signed. */
export const fairness: Benchmark = { name: 'fairness', number: '-', title: 'One package of one client, while another has a directory of 10,000', run }

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load, anew } = await prepare(bench)
  const many = writePackages(place.root, 'many', { count: bench.size(10_000, 500), sizeBytes: 6 * 1024 })
  const { paths } = writePackages(place.root, 'few', { count: 20, sizeBytes: 100 * 1024 })
  const other = await startLoad(place.credentials, bench.opened)
  const wait = async () => (await other.requests({ port: server.port, connections: 1, source: { kind: 'sign-paths', paths, members: anew }, extent: { requests: 20 } })).latenciesMs
  const during = async () => percentile(await meanwhile(load.directory({ port: server.port, path: many.directory, fresh: false, members: anew }), wait), 99)
  return [
    await repeat({ name: 'p99 of the wait, server otherwise idle', unit: 'ms', measure: async () => percentile(await wait(), 99) }, bench.rounds),
    await repeat({ name: `p99 of the wait, beside a directory of ${many.count.toLocaleString('en-US')}`, unit: 'ms', measure: during }, bench.rounds),
  ]
}
