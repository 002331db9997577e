import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { Client } from 'pg'
import root, { type Test } from 'tap'
import { parseStoreUrl, type PostgresUrl } from '../../server/config/store-url.ts'
import type { Database } from '../../server/store/database.ts'
import type { Engine } from '../../server/store/engine.ts'
import { foundLog } from '../../server/store/found.ts'
import { createLocalDatabase } from '../../server/store/local-database.ts'
import { openStore } from '../../server/store/open.ts'
import type { PostgresLocation } from '../../server/store/postgres-pool.ts'
import { openPostgres } from '../../server/store/postgres.ts'
import { deriveSealKey } from '../../server/store/seal.ts'
import { openSqliteEngine } from '../../server/store/sqlite.ts'
import type { Store } from '../../server/store/store.ts'
import { KEYS, type StoreTables } from '../../server/store/tables.ts'
import { NO_POSTGRES, startPostgres, type Cluster } from './postgres.ts'
import { KEEP_MS, TEST_LOG } from './store.ts'

/** What a test may choose when it opens a store. `now` is the clock by which leases and expiry are judged, milliseconds since 1970. */
export type Opening = Readonly<{ keepMs?: number; now?: () => number; signatureFile?: string }>

export type Value = string | number | Uint8Array
export type Row = Readonly<Record<string, Value>>
export type TableName = keyof StoreTables

/** A database of one test. */
export type TestDatabase = Readonly<{
  /** What stands in a configuration as `store`. */
  location: Readonly<{ url: string; passwordFile?: string; ca?: string }>
  /** Opens the engine over it, with the schema up to date and nothing else: the caller closes it. */
  engine(): Promise<Engine>
  /** Opens a store over it, in the thread of the test, which is closed with the test. Every call is another replica. */
  open(opening?: Opening): Promise<Store>
  /** Runs a statement past the server, with `?` for each parameter, constraints between tables not minded, and returns the rows. */
  execute(statement: string, parameters?: readonly Value[]): Promise<readonly Row[]>
}>

type Execute = (statement: string, parameters: readonly Value[]) => Promise<readonly Row[]>

/** A database engine that the same tests run on. */
export type TestEngine = Readonly<{ name: string; skip: false | string; fresh(t: Test): Promise<TestDatabase> }>

const SQLITE: TestEngine = {
  name: 'SQLite',
  skip: false,
  fresh: async (t) => {
    // Not t.testdir(), of which a test has one: it may want several databases.
    const folder = mkdtempSync(join(tmpdir(), 'signing-server-store-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, 'signing.db')
    const execute: Execute = async (statement, parameters) => {
      const database = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: false })
      try {
        return database.prepare(statement).all(...(parameters as readonly SQLInputValue[])).map((row) => ({ ...row })) as Row[]
      } finally {
        database.close()
      }
    }
    return testDatabase(t, { location: { url: `sqlite:${path}` }, engine: async () => await openSqliteEngine(path), execute })
  },
}

/** What PostgreSQL gives as text, because it may be beyond the numbers of JavaScript. */
const BIGINTS: ReadonlySet<string> = new Set(['size_bytes', 'modified_at_ms', 'leaf_index', 'receipt_size', 'node_index', 'size', 'lease_until_ms', 'expires_at_ms'])

/** One cluster for all tests of a file, started by the first. */
let cluster: Promise<Cluster> | undefined

const POSTGRES: TestEngine = {
  name: 'PostgreSQL',
  skip: NO_POSTGRES,
  fresh: async (t) => {
    cluster ??= startPostgres(root)
    const { url, passwordFile, ca } = await (await cluster).createDatabase()
    const location = { ...(parseStoreUrl(url) as PostgresUrl), passwordFile, ca }
    let raw: Promise<Client> | undefined
    t.teardown(async () => await (await raw)?.end())
    const execute: Execute = async (statement, parameters) => {
      raw ??= connectRaw(location)
      let count = 0
      const { rows } = await (await raw).query<Record<string, unknown>>(statement.replaceAll('?', () => `$${++count}`), [...parameters])
      return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, BIGINTS.has(name) ? Number(value) : value]))) as Row[]
    }
    return testDatabase(t, { location: { url, passwordFile, ca }, engine: async () => await openPostgres(location), execute })
  },
}

/** A connection past the server. A foreign key that somebody could drop is no protection. */
async function connectRaw({ host, port, user, database, passwordFile, ca }: PostgresLocation): Promise<Client> {
  const client = new Client({ host, port, user, database, password: readFileSync(passwordFile as string, 'utf8').trim(), ssl: { ca: readFileSync(ca as string, 'utf8') } })
  await client.connect()
  for (const table of ['signature_records', 'latest_signatures']) await client.query(`alter table ${table} drop constraint if exists ${table}_signature_id_fkey`)
  return client
}

/** The engines that the same tests run on. */
export const ENGINES: readonly TestEngine[] = [SQLITE, POSTGRES]

function testDatabase(t: Test, { location, engine, execute }: Pick<TestDatabase, 'location' | 'engine'> & Readonly<{ execute: Execute }>): TestDatabase {
  return {
    location,
    engine,
    open: async (opening) => {
      const store = await openOver(await engine(), opening)
      t.teardown(async () => await store.close())
      return store
    },
    execute: async (statement, parameters = []) => await execute(statement, parameters),
  }
}

/** Opens the database over an engine, as a server does; closing it closes the engine. */
export async function openLocal(engine: Engine, { keepMs = KEEP_MS, now }: Opening = {}): Promise<Database> {
  const sealKey = deriveSealKey(TEST_LOG.privateKey)
  await foundLog(engine, { identity: TEST_LOG, sealKey }).catch(async (error: unknown) => {
    await engine.close()
    throw error
  })
  return createLocalDatabase({ engine: now === undefined ? engine : { ...engine, now: async () => now() }, identity: TEST_LOG, sealKey, keepMs })
}

async function openOver(engine: Engine, opening: Opening = {}): Promise<Store> {
  const { keepMs = KEEP_MS, signatureFile } = opening
  return await openStore({ url: 'sqlite:none', identity: TEST_LOG, keepMs, signatureFile }, async () => await openLocal(engine, opening))
}

/** All rows of a table, in the order of its key. */
export async function rowsOf(database: TestDatabase, table: TableName): Promise<readonly Row[]> {
  return await database.execute(`select * from ${table} order by ${keyOf(table).join(', ')}`)
}

/** Deletes a row past the server. */
export async function deleteRow(database: TestDatabase, table: TableName, row: Row): Promise<void> {
  await database.execute(`delete from ${table} where ${where(table)}`, identify(table, row))
}

/** Inserts a row past the server. */
export async function insertRow(database: TestDatabase, table: TableName, row: Row): Promise<void> {
  const columns = Object.keys(row)
  await database.execute(`insert into ${table} (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})`, Object.values(row))
}

/** Sets columns of a row past the server. */
export async function changeRow(database: TestDatabase, table: TableName, row: Row, changes: Row): Promise<void> {
  const sets = Object.keys(changes).map((column) => `${column} = ?`)
  await database.execute(`update ${table} set ${sets.join(', ')} where ${where(table)}`, [...Object.values(changes), ...identify(table, row)])
}

/** The columns of the primary key. */
export function keyOf(table: TableName): readonly string[] {
  return table === 'log_head' ? ['id'] : KEYS[table]
}

function where(table: TableName): string {
  return keyOf(table).map((column) => `${column} = ?`).join(' and ')
}

function identify(table: TableName, row: Row): Value[] {
  return keyOf(table).map((column) => row[column] as Value)
}
