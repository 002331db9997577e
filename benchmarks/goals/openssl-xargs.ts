import { cp } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import type { Measurement } from '../harness/measurement.ts'
import { MIB, writePackages } from '../harness/packages.ts'
import { prepare } from '../harness/prepare.ts'
import { opensslUnderXargs } from '../rivals/xargs.ts'

/** Goal 9: beside a release script on the same host that runs `openssl dgst -sign` for each file, two at a time. */
export const opensslXargs: Benchmark = { name: 'openssl-xargs', number: '9', title: 'Beside openssl dgst -sign under xargs -P2', run }

const GOALS = [[1000, '100 KiB', 100 * 1024, 9], [10, '6 KiB', 6 * 1024, 3.5], [10, '50 MiB', 50 * MIB, 1.05]] as const

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load, anew } = await prepare(bench)
  const measured: Measurement[] = []
  for (const [fullCount, size, fullBytes, atLeast] of GOALS) {
    const count = bench.size(fullCount, Math.min(fullCount, 50))
    const sizeBytes = bench.size(fullBytes, Math.min(fullBytes, 10 * MIB))
    const { directory, paths } = writePackages(place.root, `files${fullBytes}`, { count, sizeBytes })
    // Its signatures would stand among our packages.
    const copies = join(place.folder, `copies${fullBytes}`)
    await cp(directory, copies, { recursive: true })
    const theirs = paths.map((path) => join(copies, basename(path)))
    measured.push(await interleave({
      name: `${count.toLocaleString('en-US')} × ${sizeBytes === fullBytes ? size : '10 MiB'}`,
      figure: 'time',
      unit: 'ms',
      goal: { kind: 'at-least', value: atLeast },
      ours: { label: 'server, new connection, one request', measure: async () => (await load.directory({ port: server.port, path: directory, fresh: true, members: anew })).elapsedMs },
      theirs: { label: 'xargs -P2 openssl dgst -sign', measure: async () => await opensslUnderXargs(place, theirs) },
    }, bench.rounds))
  }
  return measured
}
