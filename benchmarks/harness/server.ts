import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Bench } from './benchmark.ts'
import { cleanEnvironment, endChild } from './child.ts'
import { Unavailable } from './measurement.ts'
import { writeConfig, type ConfigMembers, type Place } from './place.ts'
import { startPostgres } from './postgres.ts'
import { portsIn } from './server-log.ts'

/** The server under test: its process, its service port, and its log so far. */
export type BenchServer = Readonly<{ pid: number; port: number; adminPort: number; log: () => string; close: () => Promise<void> }>

export type ServerOptions = Readonly<{ config?: ConfigMembers; name?: string; module?: URL; execArgv?: readonly string[] }>

const MAIN = new URL('../../server/main.ts', import.meta.url)
const START_MS = 20_000

/**
 * Starts the server as `npm start` does, as a process of its own, with its defaults: log at `info` into a file, catalogue durable, in a
 * file of its own (or in a PostgreSQL of its own). It is stopped behind the benchmark, if not before.
 * @throws Error with the end of its log when it does not start; Unavailable when there is no PostgreSQL to use
 */
export async function startServer(bench: Bench, place: Place, { config = {}, name = 'server', module = MAIN, execArgv = [] }: ServerOptions = {}): Promise<BenchServer> {
  const store = 'store' in config ? {} : { store: { url: await storeUrl(bench, place, name) } }
  const file = await writeConfig(place, name, { ...store, ...config })
  const log = join(place.folder, `${name}.log`)
  const fd = openSync(log, 'w')
  const profile = bench.profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${bench.profileFolder}`]
  const child = spawn(process.execPath, [...profile, ...execArgv, fileURLToPath(module), 'start', '--config', file], { env: cleanEnvironment(), stdio: ['ignore', 'ignore', fd] })
  closeSync(fd)
  const close = async () => await endChild(child)
  bench.opened.defer(close)
  const read = () => readFileSync(log, 'utf8')
  return { pid: child.pid as number, ...(await listening(child, read)), log: read, close }
}

async function storeUrl(bench: Bench, place: Place, name: string): Promise<string> {
  if (bench.store === 'sqlite') return `sqlite:${join(place.folder, `${name}.db`)}`
  return await (await startPostgres(bench)).createDatabase(name)
}

async function listening(child: ChildProcess, read: () => string): Promise<Readonly<{ port: number; adminPort: number }>> {
  for (const start = performance.now(); performance.now() - start < START_MS; await delay(10)) {
    const ports = portsIn(read())
    if (ports.has('service') && ports.has('admin')) return { port: ports.get('service') as number, adminPort: ports.get('admin') as number }
    if (child.exitCode !== null || child.signalCode !== null) break
  }
  const end = read().slice(-1000)
  if (end.includes('store.url') || end.includes('/store/url')) throw new Unavailable(`the server does not take this store: ${end.trim()}`)
  throw new Error(`the server did not start:\n${end}`)
}
