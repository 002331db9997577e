import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import type { Measurement } from '../harness/measurement.ts'
import { MIB, packageSource } from '../harness/packages.ts'
import { prepare } from '../harness/prepare.ts'
import { startBareHttps } from '../rivals/bare-https.ts'

/** Goal 13: a large upload hashed, inspected, signed and recorded, beside the same bytes merely received. */
export const upload: Benchmark = { name: 'upload', number: '13', title: 'Upload a package, beside merely receiving it', run }

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load } = await prepare(bench)
  const barePort = await startBareHttps({ tls: place.tls, body: '', headers: {} }, bench.opened)
  const mib = bench.size(500, 20)
  let uploads = 0
  // Another package each time, that the catalogue has no answer for.
  const measure = (port: number) => async () => {
    uploads += 1
    const name = `Upload${uploads}`
    const elapsedMs = await load.upload({ port, source: packageSource(name, mib * MIB), filename: `${name}.bff` })
    return mib / (elapsedMs / 1000)
  }
  return [
    await interleave({
      name: `${mib} MiB`,
      figure: 'rate',
      unit: 'MiB/s',
      goal: { kind: 'at-least', value: 0.5 },
      ours: { label: 'upload signed', measure: measure(server.port) },
      theirs: { label: 'upload received by node:https', measure: measure(barePort) },
    }, bench.rounds),
  ]
}
