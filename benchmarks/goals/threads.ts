import type { Bench, Benchmark } from '../harness/benchmark.ts'
import type { Measurement } from '../harness/measurement.ts'
import { writePackages } from '../harness/packages.ts'
import { prepare } from '../harness/prepare.ts'
import { summarise } from '../harness/statistics.ts'
import { cpuByThread } from '../harness/thread-times.ts'

/** Where the processor's time goes: per package or digest, by thread of the server. Processor time says the same on a busy machine, near enough. */
export const threads: Benchmark = { name: 'threads', number: '-', title: 'Processor time per signature, by thread', run }

/** Threads of the server by the name that the system shows, and what they do. */
const ROLES: readonly (readonly [string, RegExp])[] = [
  ['event loop', /^node-MainThread$/], ['workers (read, hash, sign)', /^signing-worker/], ['store', /^signing-store/], ['V8 (garbage collection, compiler)', /^node-V8Worker/], ['libuv (files)', /^libuv-worker/],
]

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load, anew } = await prepare(bench)
  const small = writePackages(place.root, 'small', { count: bench.size(1000, 100), sizeBytes: 6 * 1024 })
  const large = writePackages(place.root, 'large', { count: bench.size(1000, 100), sizeBytes: 100 * 1024 })
  const extent = { requests: bench.size(6000, 200) }
  const ways: readonly (readonly [string, () => Promise<number>])[] = [
    ['a directory of 6 KiB', async () => (await load.directory({ port: server.port, path: small.directory, fresh: false, members: anew })).signed],
    ['a directory of 100 KiB', async () => (await load.directory({ port: server.port, path: large.directory, fresh: false, members: anew })).signed],
    ['one 100 KiB path per request, 64 connections', async () => (await load.requests({ port: server.port, connections: 64, source: { kind: 'sign-paths', paths: large.paths, members: anew }, extent })).answered],
    ['one digest per request, 64 connections', async () => (await load.requests({ port: server.port, connections: 64, source: { kind: 'sign-digests' }, extent })).answered],
  ]
  const measured: Measurement[] = []
  for (const [name, sign] of ways) measured.push(...(await measureWay(bench, server.pid, { name, sign })))
  return measured
}

async function measureWay({ rounds: { warmUp, rounds } }: Bench, pid: number, { name, sign }: Readonly<{ name: string; sign: () => Promise<number> }>): Promise<Measurement[]> {
  const kept: ReadonlyMap<string, number>[] = []
  for (let round = 0; round < warmUp + rounds; round += 1) {
    const before = cpuByThread(pid)
    const signed = await sign()
    const after = cpuByThread(pid)
    const each = [...after].map(([thread, { name: comm, cpuMs }]) => ({ comm, us: ((cpuMs - (before.get(thread)?.cpuMs ?? 0)) * 1000) / signed }))
    if (round >= warmUp) kept.push(new Map(ROLES.map(([role, pattern]) => [role, each.filter(({ comm }) => pattern.test(comm)).reduce((sum, { us }) => sum + us, 0)])))
  }
  const figure = (role: string, of: (times: ReadonlyMap<string, number>) => number): Measurement => ({ name: `${name}: ${role}`, unit: 'µs', summary: summarise(kept.map(of)) })
  return [
    figure('all threads', (times) => [...times.values()].reduce((sum, us) => sum + us, 0)),
    ...ROLES.map(([role]) => figure(role, (times) => times.get(role) as number)),
  ]
}
