import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { repeat } from '../harness/interleave.ts'
import { startLoad } from '../harness/load.ts'
import type { Measurement } from '../harness/measurement.ts'
import { meanwhile } from '../harness/meanwhile.ts'
import { MIB, writePackages } from '../harness/packages.ts'
import { prepare } from '../harness/prepare.ts'
import { percentile } from '../harness/statistics.ts'

/** Goal 17: how long others wait while the largest packages are signed. */
export const responsiveness: Benchmark = { name: 'responsiveness', number: '17', title: 'GET /files while 5 × 500 MiB is signed', run }

const PACE_MS = 2

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load, anew } = await prepare(bench)
  const { directory } = writePackages(place.root, 'large', { count: 5, sizeBytes: bench.size(500, 50) * MIB })
  writePackages(place.root, 'small', { count: 10, sizeBytes: 6 * 1024 })
  // A process of its own: the answer of the directory is not to wait in front of the one that is timed.
  const other = await startLoad(place.credentials, bench.opened)
  const path = `/files?path=${encodeURIComponent(`${place.root}/small`)}`
  return [
    await repeat({
      name: 'p99',
      unit: 'ms',
      goal: { kind: 'at-most', value: 15 },
      measure: async () => {
        const signed = load.directory({ port: server.port, path: directory, fresh: false, members: anew })
        const latencies = await meanwhile(signed, async () => {
          const asked = await other.requests({ port: server.port, connections: 1, source: { kind: 'get', path }, extent: { requests: 20 }, paceMs: PACE_MS })
          return asked.latenciesMs
        })
        return percentile(latencies, 99)
      },
    }, bench.rounds),
  ]
}
