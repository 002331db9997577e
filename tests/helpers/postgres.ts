import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { FULL } from './full-size.ts'
import type { Test } from 'tap'
import { freePort, startDaemon, type Daemon } from './daemon.ts'
import { testPki } from './pki.ts'

/** The folder of `initdb` and `postgres`, where the system has them: Debian keeps one for each version and none in PATH. */
const BIN = globSync('/usr/lib/postgresql/*/bin/initdb').map((path) => dirname(path)).sort().at(-1)

/** Why a test of PostgreSQL cannot run here, or false; for the `skip` of a test. */
export const NO_POSTGRES: string | false = BIN === undefined ? 'skipped: postgresql is not installed' : FULL ? false : 'skipped: PostgreSQL is part of npm run test:full'

/** A database of its own, owned by a role that is nothing else. */
export type Database = Readonly<{
  name: string
  /** `postgres://signing@localhost:PORT/NAME`, without a password. */
  url: string
  /** The file with the password, 0600. */
  passwordFile: string
  /** The certificate authority of the cluster, PEM. */
  ca: string
  /** What stands in a configuration as `store`. */
  store: Readonly<{ url: string; passwordFile: string; ca: string }>
  /** Runs statements in it as the superuser; resolves with the rows of the last one. */
  query(sql: string, parameters?: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>
}>

/** A PostgreSQL of the test's own, with the settings of examples/postgresql; fsync is on. */
export type Cluster = Readonly<{
  port: number
  folder: string
  /** Makes a database for one test; `options` stand after `create database NAME owner signing`. */
  createDatabase(options?: string): Promise<Database>
  /** Ends it, with SIGINT (sessions end at once) or SIGQUIT (as a crash), and resolves when it is gone. */
  stop(signal?: 'SIGINT' | 'SIGQUIT'): Promise<void>
  /** Starts it again on the same port; `settings` such as `['fsync=off']` are for this time. */
  start(settings?: readonly string[]): Promise<void>
  /** What it logged so far, since it was started last. */
  log(): string
}>

const EXAMPLES = fileURLToPath(new URL('../../examples/postgresql/', import.meta.url))

/** Starts a cluster that ends with the test, whatever happens. A test file makes one, and in it one database for each test. */
export async function startPostgres(t: Test): Promise<Cluster> {
  // Not t.testdir(): the user `postgres` may not get into the checkout. And short, because of the socket in it.
  const folder = mkdtempSync(join(tmpdir(), 'signing-server-pg-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const user = postgresUser()
  const superPassword = randomBytes(16).toString('hex')
  const port = await freePort()
  await initialise(folder, user, superPassword)
  let daemon: Daemon | undefined
  const start: Cluster['start'] = async (settings = []) => {
    daemon = startDaemon(t, [program('postgres'), '-D', join(folder, 'data'), '-p', String(port), '-k', folder, ...settings.flatMap((setting) => ['-c', setting])], { folder, ...user })
    await daemon.said(/database system is ready to accept (?:read-only )?connections/)
  }
  const admin = { host: '127.0.0.1', port, user: 'postgres', password: superPassword, ssl: { rejectUnauthorized: false } }
  await start()
  const passwordFile = join(folder, 'password')
  const password = randomBytes(16).toString('hex')
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
  await queryOnce({ ...admin, database: 'postgres' }, `create role signing login password '${password}'`)
  let made = 0
  const createDatabase: Cluster['createDatabase'] = async (options = `template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'`) => {
    const name = `signing${++made}`
    await queryOnce({ ...admin, database: 'postgres' }, `create database ${name} owner signing ${options}`)
    const [url, ca] = [`postgres://signing@localhost:${port}/${name}`, join(folder, 'ca.pem')]
    return { name, url, passwordFile, ca, store: { url, passwordFile, ca }, query: async (sql, parameters) => await queryOnce({ ...admin, database: name }, sql, parameters) }
  }
  return { port, folder, createDatabase, start, stop: async (signal = 'SIGINT') => await (daemon as Daemon).end(signal), log: () => (daemon as Daemon).printed() }
}

type User = Readonly<{ uid: number; gid: number }> | Readonly<Record<string, never>>

/** PostgreSQL refuses root, so as root it runs as the user of Debian's package. */
function postgresUser(): User {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

function program(name: string): string {
  return join(BIN as string, name)
}

async function initialise(folder: string, user: User, superPassword: string): Promise<void> {
  const data = join(folder, 'data')
  const give = (path: string): void => void (user.uid !== undefined && chownSync(path, user.uid, user.gid))
  chmodSync(folder, 0o711)
  give(folder)
  mkdirSync(data, { mode: 0o700 })
  give(data)
  const secret = join(folder, 'superuser')
  writeFileSync(secret, superPassword, { mode: 0o600 })
  give(secret)
  // --no-sync is about these files alone, which are made for minutes; what the tests commit is synced.
  execFileSync(program('initdb'), ['-D', data, '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${secret}`, '--no-sync', '--encoding=UTF8', '--locale=C'], { ...user, cwd: folder, stdio: 'pipe' })
  const { server, caPath } = await testPki()
  copyFileSync(caPath, join(folder, 'ca.pem'))
  for (const [source, name] of [[server.certPath, 'server.crt'], [server.keyPath, 'server.key'], [join(EXAMPLES, 'signing-server.conf'), 'signing-server.conf'], [join(EXAMPLES, 'pg_hba.conf'), 'pg_hba.conf']] as const) {
    writeFileSync(join(data, name), readFileSync(source), { mode: 0o600 })
    give(join(data, name))
  }
  writeFileSync(join(data, 'postgresql.conf'), `include 'signing-server.conf'\nshared_buffers = 32MB\n`)
}

async function queryOnce(connection: ConstructorParameters<typeof Client>[0], sql: string, parameters: readonly unknown[] = []): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new Client(connection)
  await client.connect()
  try {
    const result: unknown = await client.query(sql, [...parameters])
    const last = (Array.isArray(result) ? result.at(-1) : result) as { rows: Record<string, unknown>[] }
    return last.rows
  } finally {
    await client.end()
  }
}
