import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { openDatabase } from '../../server/store/open-database.ts'
import { openStore } from '../../server/store/open.ts'
import type { Store } from '../../server/store/store.ts'
import { NO_POSTGRES, startPostgres, type Cluster } from './postgres.ts'
import { KEEP_MS, TEST_LOG } from './store.ts'

/** Rows as plain objects. */
export type Rows = readonly Readonly<Record<string, unknown>>[]

/** An empty database of one test. */
export type TestDatabase = Readonly<{
  /** Opens a store over it, as another replica would a second time; closed with the test. It works in the thread of the test. */
  open(more?: Readonly<{ signatureFile?: string; keepMs?: number }>): Promise<Store>
  /** Runs one SQL statement behind the back of the store, with what `open` has in other hands: the superuser, another connection. */
  query(sql: string): Promise<Rows>
}>

/** An engine that every test of the store runs on. `skip` says why it cannot run here, or is false. */
export type TestEngine = Readonly<{ name: 'SQLite' | 'PostgreSQL'; skip: string | false; makeDatabase(test: Test): Promise<TestDatabase> }>

let cluster: Promise<Cluster> | undefined

/** The engines. PostgreSQL is started by the first test that needs it, once for a test file. */
export const ENGINES: readonly TestEngine[] = [
  {
    name: 'SQLite',
    skip: false,
    makeDatabase: async (test) => {
      const path = join(test.testdir(), 'signing.db')
      return databaseOf(test, { url: `sqlite:${path}` }, async (sql) => {
        const database = new DatabaseSync(path, { timeout: 5_000 })
        try {
          // Without the null prototype of node:sqlite, which no comparison expects.
          return database.prepare(sql).all().map((row) => ({ ...row }))
        } finally {
          database.close()
        }
      })
    },
  },
  {
    name: 'PostgreSQL',
    skip: NO_POSTGRES,
    makeDatabase: async (test) => {
      cluster ??= startPostgres(t)
      const { store, query } = await (await cluster).createDatabase()
      return databaseOf(test, store, query)
    },
  },
]

function databaseOf(test: Test, where: Readonly<{ url: string }>, query: TestDatabase['query']): TestDatabase {
  const open: TestDatabase['open'] = async (more = {}) => {
    const store = await openStore({ ...where, identity: TEST_LOG, keepMs: KEEP_MS, ...more }, openDatabase)
    test.teardown(async () => await store.close())
    return store
  }
  return { open, query }
}
