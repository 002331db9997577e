import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { repeat } from '../harness/interleave.ts'
import type { Measurement } from '../harness/measurement.ts'
import { MIB, packageSource, writePackages } from '../harness/packages.ts'
import { prepare } from '../harness/prepare.ts'
import { memoryGrowth } from '../harness/process-memory.ts'

/** Goal 16: by how much the server grows, at its highest, while it does its largest work. The warm-up has grown it to its usual size. */
export const memory: Benchmark = { name: 'memory', number: '16', title: 'Growth of resident memory', run }

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load, anew } = await prepare(bench)
  const mib = bench.size(500, 30)
  const { paths } = writePackages(place.root, 'large', { count: 1, sizeBytes: mib * MIB })
  const count = bench.size(10_000, 500)
  const { directory } = writePackages(place.root, 'many', { count, sizeBytes: 6 * 1024 })
  let uploads = 0
  const growth = async (name: string, atMost: number, work: () => Promise<unknown>) =>
    await repeat({ name, unit: 'MiB', goal: { kind: 'at-most', value: atMost }, measure: async () => (await memoryGrowth(server.pid, work)) / MIB }, bench.rounds)
  return [
    await growth(`${mib} MiB by path`, 32, async () => await load.requests({ port: server.port, connections: 1, source: { kind: 'sign-paths', paths, members: anew }, extent: { requests: 1 } })),
    await growth(`${mib} MiB upload`, 128, async () => {
      uploads += 1
      await load.upload({ port: server.port, source: packageSource(`Upload${uploads}`, mib * MIB), filename: `Upload${uploads}.bff` })
    }),
    await growth(`directory of ${count.toLocaleString('en-US')}`, 64, async () => await load.directory({ port: server.port, path: directory, fresh: false, members: anew })),
  ]
}
