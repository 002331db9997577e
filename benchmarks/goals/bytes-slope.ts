import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import type { Measurement } from '../harness/measurement.ts'
import { MIB, writePackages } from '../harness/packages.ts'
import { prepare } from '../harness/prepare.ts'
import { startLoop2 } from '../rivals/loop2.ts'

/** Goal 14: what each further byte of a package costs, by path over HTTPS and in a loop that only reads and hashes, both in one thread. */
export const bytesSlope: Benchmark = { name: 'bytes-slope', number: '14', title: 'Nanoseconds per byte, beside hashing alone', run }

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load, anew } = await prepare(bench)
  const loop2 = await startLoop2(place.privateKey, bench.opened)
  const [small, large] = [bench.size(50, 10) * MIB, bench.size(500, 60) * MIB]
  const one = (sizeBytes: number) => writePackages(place.root, `one${sizeBytes}`, { count: 1, sizeBytes }).paths
  const [smallPaths, largePaths] = [one(small), one(large)]
  const signMs = async (paths: readonly string[]) =>
    (await load.requests({ port: server.port, connections: 1, source: { kind: 'sign-paths', paths, members: anew }, extent: { requests: 1 } })).elapsedMs
  const nsPerByte = async (time: (paths: readonly string[]) => Promise<number>) => ((await time(largePaths)) - (await time(smallPaths))) * (1e6 / (large - small))
  return [
    await interleave({
      name: `${small / MIB} to ${large / MIB} MiB`,
      figure: 'cost',
      unit: 'ns/byte',
      goal: { kind: 'at-most', value: 1.1 },
      ours: { label: 'by path over HTTPS', measure: async () => await nsPerByte(signMs) },
      theirs: { label: 'read and hashed', measure: async () => await nsPerByte(loop2.hash) },
    }, bench.rounds),
  ]
}
