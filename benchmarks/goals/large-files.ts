import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import type { Measurement } from '../harness/measurement.ts'
import { MIB, writePackages } from '../harness/packages.ts'
import { prepare } from '../harness/prepare.ts'
import { startLoop2 } from '../rivals/loop2.ts'

/** Goal 3: directories of larger packages, beside loop2. */
export const largeFiles: Benchmark = { name: 'large-files', number: '3', title: 'Sign a directory of large packages', run }

const GOALS = [[100, 10, 0.88], [10, 50, 0.85], [5, 500, 0.93]] as const

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load, anew } = await prepare(bench)
  const loop2 = await startLoop2(place.privateKey, bench.opened)
  const measured: Measurement[] = []
  for (const [fullCount, fullMib, atLeast] of GOALS) {
    const count = bench.size(fullCount, Math.min(fullCount, 10))
    const sizeBytes = bench.size(fullMib, Math.min(fullMib, 20)) * MIB
    const mib = sizeBytes / MIB
    const { directory, paths } = writePackages(place.root, `${count}x${mib}`, { count, sizeBytes })
    const perSecond = (elapsedMs: number) => (count * mib) / (elapsedMs / 1000)
    measured.push(await interleave({
      name: `${count} × ${mib} MiB`,
      figure: 'rate',
      unit: 'MiB/s',
      goal: { kind: 'at-least', value: atLeast },
      ours: { label: 'server, one request', measure: async () => perSecond((await load.directory({ port: server.port, path: directory, fresh: false, members: anew })).elapsedMs) },
      theirs: { label: 'loop2', measure: async () => perSecond(await loop2.files(paths)) },
    }, bench.rounds))
  }
  return measured
}
