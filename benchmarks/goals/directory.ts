import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { prepare } from '../harness/prepare.ts'
import { interleave } from '../harness/interleave.ts'
import { writePackages } from '../harness/packages.ts'
import type { Measurement } from '../harness/measurement.ts'
import { startLoop2 } from '../rivals/loop2.ts'

/** Goals 1 and 2: a directory of small packages in one request, beside loop2 over the same files. */
export const directory: Benchmark = { name: 'directory', number: '1, 2', title: 'Sign a directory of 1,000 packages', run }

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load, anew } = await prepare(bench)
  const loop2 = await startLoop2(place.privateKey, bench.opened)
  const count = bench.size(1000, 200)
  const compare = async (name: string, sizeBytes: number, atLeast: number): Promise<Measurement> => {
    const { directory: path, paths } = writePackages(place.root, name.replaceAll(' ', ''), { count, sizeBytes })
    return await interleave({
      name: `${count.toLocaleString('en-US')} × ${name}`,
      figure: 'rate',
      unit: 'packages/s',
      goal: { kind: 'at-least', value: atLeast },
      ours: { label: 'server, one request', measure: async () => {
        const { elapsedMs, signed } = await load.directory({ port: server.port, path, fresh: false, members: anew })
        if (signed !== count) throw new Error(`${signed} of ${count} packages were signed`)
        return (count / elapsedMs) * 1000
      } },
      theirs: { label: 'loop2', measure: async () => (count / (await loop2.files(paths))) * 1000 },
    }, bench.rounds)
  }
  return [await compare('100 KiB', 100 * 1024, 0.88), await compare('6 KiB', 6 * 1024, 0.8)]
}
