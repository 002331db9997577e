import { basename } from 'node:path'
import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import { startLoad, type Load } from '../harness/load.ts'
import type { Measurement } from '../harness/measurement.ts'
import { MIB, writePackages, type Packages } from '../harness/packages.ts'
import { prepare, type Prepared } from '../harness/prepare.ts'
import { startServer } from '../harness/server.ts'
import { startOriginal } from '../rivals/original.ts'

/** Goals 7 and 8: beside the original server's way, one connection and a shell command per file. */
export const original: Benchmark = { name: 'original', number: '7, 8', title: 'Beside the original server\'s way of working', run }

const COLD = [[10, '6 KiB', 6 * 1024, 8], [10, '50 MiB', 50 * MIB, 2], [5, '500 MiB', 500 * MIB, 1.6]] as const

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const prepared = await prepare(bench)
  const count = bench.size(1000, 30)
  const measured = [await warm(bench, prepared, writePackages(prepared.place.root, 'warm', { count, sizeBytes: 100 * 1024 }))]
  await prepared.server.close()
  for (const [files, size, fullBytes, atLeast] of COLD) {
    const sizeBytes = bench.size(fullBytes, Math.min(fullBytes, 10 * MIB))
    const packages = writePackages(prepared.place.root, `cold${fullBytes}`, { count: files, sizeBytes })
    measured.push(await cold(bench, prepared, { packages, name: `${files} × ${sizeBytes === fullBytes ? size : '10 MiB'}, cold`, atLeast }))
  }
  return measured
}

/** Ours on a connection that stands, theirs on a new one each time: theirs ends each connection with its answer. */
async function warm(bench: Bench, { place, server, load, anew }: Prepared, { directory, count }: Packages): Promise<Measurement> {
  const rival = await startOriginal(place, bench.opened)
  return await interleave({
    name: `${count.toLocaleString('en-US')} × 100 KiB`,
    figure: 'time',
    unit: 'ms',
    goal: { kind: 'at-least', value: 25 },
    ours: { label: 'server, one request', measure: async () => (await load.directory({ port: server.port, path: directory, fresh: false, members: anew })).elapsedMs },
    theirs: { label: 'the original\'s way', measure: async () => await rival.sign(directory, count) },
  }, bench.rounds)
}

type Cold = Readonly<{ packages: Packages; name: string; atLeast: number }>

/** Cold: a server that was just started and has never been asked, a new connection, the first request. Both sides alike. */
async function cold(bench: Bench, { place }: Prepared, { packages: { directory, count }, name, atLeast }: Cold): Promise<Measurement> {
  let started = 0
  return await interleave({
    name,
    figure: 'time',
    unit: 'ms',
    goal: { kind: 'at-least', value: atLeast },
    ours: { label: 'server just started', measure: async () => {
      started += 1
      const server = await startServer(bench, place, { name: `${basename(directory)}-${started}` })
      const client: Load = await startLoad(place.credentials, bench.opened)
      try {
        return (await client.directory({ port: server.port, path: directory, fresh: true, members: {} })).elapsedMs
      } finally {
        await client.close()
        await server.close()
      }
    } },
    theirs: { label: 'the original\'s way, just started', measure: async () => {
      const rival = await startOriginal(place, bench.opened)
      try {
        return await rival.sign(directory, count)
      } finally {
        await rival.close()
      }
    } },
  }, bench.rounds)
}
