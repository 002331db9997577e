import { chown, mkdir, readdir } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Bench } from './benchmark.ts'
import { run } from './child.ts'
import { Unavailable } from './measurement.ts'

/** A PostgreSQL of our own: a cluster in a temporary folder that listens on a free loopback port, durable as it comes. */
export type Postgres = Readonly<{ createDatabase: (name: string) => Promise<string> }>

const started = new WeakMap<Bench, Promise<Postgres>>()

/**
 * Returns the cluster of a benchmark, started when it is first asked for and removed behind it.
 * @throws Unavailable when PostgreSQL is not installed
 */
export async function startPostgres(bench: Bench): Promise<Postgres> {
  const known = started.get(bench) ?? start(bench)
  started.set(bench, known)
  return await known
}

async function start({ folder, opened }: Bench): Promise<Postgres> {
  const programs = await findPrograms()
  const user = await databaseUser()
  const data = join(folder, 'postgres')
  await mkdir(data, { mode: 0o700 })
  if (user.uid !== undefined) await chown(data, user.uid, user.gid as number)
  const port = await freePort()
  const identity = { cwd: '/', ...user }
  await run(join(programs, 'initdb'), ['--pgdata', data, '--auth=trust', '--username=signing', '--encoding=UTF8', '--locale=C'], identity)
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${data}`
  // Its standard streams go to the log: pg_ctl would otherwise not end as long as the server holds ours.
  await run(join(programs, 'pg_ctl'), ['start', '--wait', '--pgdata', data, '--log', join(data, 'log'), '--options', options], identity)
  opened.defer(async () => void (await run(join(programs, 'pg_ctl'), ['stop', '--pgdata', data, '--mode=fast'], identity)))
  return {
    createDatabase: async (name) => {
      const database = name.replaceAll(/[^a-z0-9]/g, '_')
      await run(join(programs, 'createdb'), ['--host=127.0.0.1', `--port=${port}`, '--username=signing', database], identity)
      return `postgres://signing@127.0.0.1:${port}/${database}?sslmode=disable`
    },
  }
}

/** The folder of PostgreSQL's own programs: Debian keeps them out of PATH, a folder per version. */
async function findPrograms(): Promise<string> {
  const versions = await readdir('/usr/lib/postgresql').catch(() => [])
  const newest = versions.map(Number).filter((version) => version > 0).sort((a, b) => b - a)[0]
  if (newest === undefined) throw new Unavailable('PostgreSQL is not installed: apt-get install postgresql')
  return `/usr/lib/postgresql/${newest}/bin`
}

/** PostgreSQL refuses root; as root it runs as the user of Debian's package. */
async function databaseUser(): Promise<Readonly<{ uid?: number; gid?: number }>> {
  if (process.getuid?.() !== 0) return {}
  const id = async (flag: string) => Number((await run('id', [flag, 'postgres'])).stdout)
  return { uid: await id('-u'), gid: await id('-g') }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
