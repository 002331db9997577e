import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave, type Comparison } from '../harness/interleave.ts'
import { startLoad } from '../harness/load.ts'
import type { Measurement } from '../harness/measurement.ts'
import { MIB, writePackages, type Packages } from '../harness/packages.ts'
import { prepare, type Prepared } from '../harness/prepare.ts'
import { startServer } from '../harness/server.ts'
import { startOriginal, type Original } from '../rivals/original.ts'

/** Goals 7 and 8: beside the original server's way, one connection and a shell command per file. */
export const original: Benchmark = { name: 'original', number: '7, 8', title: 'Beside the original server\'s way of working', run }

const COLD = [[10, '6 KiB', 6 * 1024, 8], [10, '50 MiB', 50 * MIB, 2], [5, '500 MiB', 500 * MIB, 1.6]] as const

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const prepared = await prepare(bench)
  const rival = await startOriginal(prepared.place, bench.opened)
  const hundred = writePackages(prepared.place.root, 'hundred', { count: bench.size(1000, 30), sizeBytes: 100 * 1024 })
  const measured = [await interleave(warm({ prepared, rival, packages: hundred }), bench.rounds)]
  for (const [count, size, fullBytes, atLeast] of COLD) {
    const sizeBytes = bench.size(fullBytes, Math.min(fullBytes, 10 * MIB))
    const packages = writePackages(prepared.place.root, `cold${fullBytes}`, { count, sizeBytes })
    const name = `${count} × ${sizeBytes === fullBytes ? size : '10 MiB'}`
    measured.push(await interleave(cold({ prepared, rival, packages }, { name: `${name}, cold`, atLeast }), bench.rounds))
    if (fullBytes < MIB) measured.push(await interleave(justStarted(bench, { prepared, rival, packages }, `${name}, server just started`), bench.rounds))
  }
  return measured
}

type Sides = Readonly<{ prepared: Prepared; rival: Original; packages: Packages }>

const theirs = ({ rival, packages: { directory, count } }: Sides): Comparison['theirs'] => ({ label: 'the original\'s way', measure: async () => await rival.sign(directory, count) })

/** Ours on a connection that stands, theirs on a new one each time: theirs ends each connection with its answer. */
function warm(sides: Sides): Comparison {
  const { prepared: { server, load, anew }, packages: { directory, count } } = sides
  return {
    name: `${count.toLocaleString('en-US')} × 100 KiB`,
    figure: 'time',
    unit: 'ms',
    goal: { kind: 'at-least', value: 25 },
    ours: { label: 'server, one request', measure: async () => (await load.directory({ port: server.port, path: directory, fresh: false, members: anew })).elapsedMs },
    theirs: theirs(sides),
  }
}

/** Cold: a client that comes for the first time. New connection, full handshake, one request, on both sides. */
function cold(sides: Sides, { name, atLeast }: Readonly<{ name: string; atLeast: number }>): Comparison {
  const { prepared: { server, load, anew }, packages: { directory } } = sides
  return {
    name,
    figure: 'time',
    unit: 'ms',
    goal: { kind: 'at-least', value: atLeast },
    ours: { label: 'server, new connection', measure: async () => (await load.directory({ port: server.port, path: directory, fresh: true, members: anew })).elapsedMs },
    theirs: theirs(sides),
  }
}

/** Colder than that: a server process that was never asked anything, with nothing compiled and no thread started. */
function justStarted(bench: Bench, sides: Sides, name: string): Comparison {
  const { prepared: { place }, packages: { directory } } = sides
  let started = 0
  const measure = async (): Promise<number> => {
    started += 1
    const server = await startServer(bench, place, { name: `cold-${started}` })
    const client = await startLoad(place.credentials, bench.opened)
    try {
      return (await client.directory({ port: server.port, path: directory, fresh: true, members: {} })).elapsedMs
    } finally {
      await client.close()
      await server.close()
    }
  }
  return { name, figure: 'time', unit: 'ms', ours: { label: 'server just started', measure }, theirs: theirs(sides) }
}
