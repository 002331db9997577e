import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import type { Measurement } from '../harness/measurement.ts'
import { writePackages } from '../harness/packages.ts'
import { prepare } from '../harness/prepare.ts'

/** Goal 15: what a package costs in a directory ten times as long. */
export const directoryGrowth: Benchmark = { name: 'directory-growth', number: '15', title: 'Microseconds per package, a long directory beside a shorter one', run }

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load, anew } = await prepare(bench)
  const [long, short] = [bench.size(10_000, 1000), bench.size(1000, 100)]
  const of = (count: number) => {
    const { directory } = writePackages(place.root, `of${count}`, { count, sizeBytes: 6 * 1024 })
    return async () => ((await load.directory({ port: server.port, path: directory, fresh: false, members: anew })).elapsedMs / count) * 1000
  }
  return [
    await interleave({
      name: `${long.toLocaleString('en-US')} to ${short.toLocaleString('en-US')} × 6 KiB`,
      figure: 'cost',
      unit: 'µs/package',
      goal: { kind: 'at-most', value: 1.15 },
      ours: { label: `directory of ${long.toLocaleString('en-US')}`, measure: of(long) },
      theirs: { label: `directory of ${short.toLocaleString('en-US')}`, measure: of(short) },
    }, bench.rounds),
  ]
}
