import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { repeat } from '../harness/interleave.ts'
import { startLoad, type Load } from '../harness/load.ts'
import type { Measurement } from '../harness/measurement.ts'
import { MIB, packageSource, writePackages } from '../harness/packages.ts'
import { makePlace, type Place } from '../harness/place.ts'
import { memoryGrowth } from '../harness/process-memory.ts'
import { startServer, type BenchServer } from '../harness/server.ts'

/** Goal 16: by how much a server that was just started, and asked nothing yet, grows at its highest while it does its largest work. */
export const memory: Benchmark = { name: 'memory', number: '16', title: 'Growth of resident memory', run }

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const place = await makePlace(bench.folder)
  const mib = bench.size(500, 30)
  const { paths } = writePackages(place.root, 'large', { count: 1, sizeBytes: mib * MIB })
  const { directory, count } = writePackages(place.root, 'many', { count: bench.size(10_000, 500), sizeBytes: 6 * 1024 })
  const upload = { source: packageSource('Upload', mib * MIB), filename: 'Upload.bff' }
  const growth = async (name: string, atMost: number, work: Work) =>
    await repeat({ name, unit: 'MiB', goal: { kind: 'at-most', value: atMost }, measure: async () => (await growthOfFresh(bench, place, work)) / MIB }, { ...bench.rounds, warmUp: 0 })
  return [
    await growth(`${mib} MiB by path`, 32, async ({ port }, load) => await load.requests({ port, connections: 1, source: { kind: 'sign-paths', paths, members: {} }, extent: { requests: 1 } })),
    await growth(`${mib} MiB upload`, 128, async ({ port }, load) => await load.upload({ port, ...upload })),
    await growth(`directory of ${count.toLocaleString('en-US')}`, 64, async ({ port }, load) => await load.directory({ port, path: directory, fresh: false, members: {} })),
  ]
}

type Work = (server: BenchServer, load: Load) => Promise<unknown>

let servers = 0

async function growthOfFresh(bench: Bench, place: Place, work: Work): Promise<number> {
  servers += 1
  const server = await startServer(bench, place, { name: `memory-${servers}` })
  const load = await startLoad(place.credentials, bench.opened)
  try {
    return await memoryGrowth(server.pid, async () => await work(server, load))
  } finally {
    await load.close()
    await server.close()
  }
}
