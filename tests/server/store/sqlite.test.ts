import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { Kysely } from 'kysely'
import t from 'tap'
import { readPast } from '../../../server/store/guard.ts'
import { sqliteDialect } from '../../../server/store/sqlite-dialect.ts'
import { createSqliteEngine, openDatabase } from '../../../server/store/sqlite.ts'
import { createStore } from '../../../server/store/grouped-store.ts'
import type { Store } from '../../../server/store/store.ts'
import type { StoreTables } from '../../../server/store/tables.ts'
import { openLocal } from '../../helpers/engines.ts'
import { count } from '../../helpers/full-size.ts'
import { openTestStore, recording, TEST_LOG } from '../../helpers/store.ts'

const RECORD_PROCESS = join(import.meta.dirname, 'record-process.ts')

type Tap = Pick<typeof t, 'testdir' | 'teardown'>

/** A store over a database that the test can also reach, to put faults into it. */
async function reachableStore(t: Tap): Promise<Readonly<{ path: string; database: DatabaseSync; store: Store }>> {
  const path = join(t.testdir(), 'signing.db')
  const database = openDatabase(path)
  const store = createStore(await openLocal(await createSqliteEngine(database)))
  t.teardown(async () => await store.close())
  return { path, database, store }
}

const record = async (store: Store, relativePath = 'a.bff') => {
  const { subject, signature } = recording({ relativePath })
  return await store.record(subject, signature)
}

function rows(path: string, table = 'signatures'): number {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return Number(database.prepare(`select count(*) as rows from ${table}`).get()?.['rows'])
  } finally {
    database.close()
  }
}

void t.test('a database of its own is made: folder 0700, files 0600, WAL, a flush at each commit, foreign keys', async (t) => {
  const folder = join(t.testdir(), 'var', 'lib')
  const path = join(folder, 'signing.db')
  const database = openDatabase(path)
  const store = createStore(await openLocal(await createSqliteEngine(database)))
  await record(store)
  t.equal(statSync(folder).mode & 0o777, 0o700)
  for (const file of [path, `${path}-wal`, `${path}-shm`]) t.equal(statSync(file).mode & 0o777, 0o600, file)
  t.equal(database.prepare('pragma journal_mode').get()?.['journal_mode'], 'wal')
  t.equal(database.prepare('pragma synchronous').get()?.['synchronous'], 2, 'FULL')
  t.equal(database.prepare('pragma foreign_keys').get()?.['foreign_keys'], 1)
  t.equal(database.prepare('pragma busy_timeout').get()?.['timeout'], 5000)
  await store.ask({ client: 'c', key: 'k', fingerprint: 'f', requestId: 'r' })
  t.equal(database.prepare('pragma synchronous').get()?.['synchronous'], 1, 'NORMAL for what is asked again anyway')
  await Promise.all([store.ask({ client: 'c', key: 'l', fingerprint: 'f', requestId: 's' }), record(store)])
  t.equal(database.prepare('pragma synchronous').get()?.['synchronous'], 2, 'FULL where anything of the group needs it')
  await store.close()
  t.notOk(existsSync(`${path}-wal`), 'closed clean')
})

void t.test('a path is a path: nothing in it is taken for a URI or for memory', async (t) => {
  const folder = t.testdir()
  const before = process.cwd()
  process.chdir(folder)
  t.teardown(() => process.chdir(before))
  for (const path of [':memory:', 'file:x?mode=memory']) {
    const store = await openTestStore(path)
    await record(store)
    await store.close()
    t.equal(rows(join(folder, path)), 1)
  }
})

void t.test('probe resolves when a row could be written, and leaves none', async (t) => {
  const { path, database, store } = await reachableStore(t)
  await Promise.all([store.probe(), record(store), store.probe()])
  t.strictSame([rows(path), rows(path, 'handed')], [1, 0])
  database.exec('pragma query_only = on')
  await t.rejects(store.probe(), { code: 'STORE_FAILED', message: 'the store does not accept writes' })
  database.exec('pragma query_only = off')
  await store.probe()
  t.match(await store.audit(), { intact: true })
})

void t.test('a database without room answers STORAGE_FULL, keeps nothing of the group, and goes on when there is room', async (t) => {
  const { path, database, store } = await reachableStore(t)
  const pages = database.prepare('pragma page_count').get()?.['page_count'] as number
  database.exec(`pragma max_page_count = ${pages + 2}`)
  const results = await Promise.allSettled(Array.from({ length: 100 }, async (_, index) => await record(store, `${index}`)))
  for (const result of results) t.match(result, { status: 'rejected', reason: { code: 'STORAGE_FULL', message: 'the server has no room left to keep signatures' } })
  t.strictSame([rows(path), rows(path, 'log_leaves')], [0, 0])
  t.match(await store.audit(), { intact: true })
  database.exec('pragma max_page_count = 1000000')
  await Promise.all(Array.from({ length: 100 }, async (_, index) => await record(store, `${index}`)))
  t.equal(rows(path), 100)
  t.match(await store.audit(), { intact: true })
})

void t.test('a database that another process has locked answers STORE_FAILED, once for the whole group', async (t) => {
  const path = join(t.testdir(), 'signing.db')
  const store = await openTestStore(path)
  const impatient = createStore(await openLocal(await createSqliteEngine(new DatabaseSync(path, { timeout: 1 }))))
  t.teardown(async () => await Promise.all([store.close(), impatient.close()]))
  const other = new DatabaseSync(path)
  other.exec('begin immediate')
  const results = await Promise.allSettled([record(impatient), record(impatient), impatient.probe()])
  for (const result of results) t.match(result, { status: 'rejected', reason: { code: 'STORE_FAILED' } })
  other.exec('rollback')
  other.close()
  await record(impatient)
})

void t.test('an audit reads one state while others write, and keeps no writer out', async (t) => {
  const { store } = await reachableStore(t)
  await Promise.all(Array.from({ length: 1100 }, async (_, index) => await record(store, `${index}`)))
  const auditing = store.audit()
  for (let index = 0; index < 20; index++) await record(store, `beside ${index}`)
  t.match(await auditing, { intact: true, findings: [] })
})

void t.test('a new database that somebody is just reading is waited for, but not for ever', async (t) => {
  const path = join(t.testdir(), 'signing.db')
  const reader = new DatabaseSync(path)
  const [database, impatient] = [new DatabaseSync(path, { timeout: 1 }), new DatabaseSync(path, { timeout: 1 })]
  reader.exec('begin; select * from sqlite_schema')
  await t.rejects(createSqliteEngine(impatient, 0), { message: 'database is locked' })
  const opening = createSqliteEngine(database)
  await setTimeout(50)
  reader.exec('rollback')
  const engine = await opening
  t.equal(engine.isRowFault(new Error('any')), false)
  impatient.close()
  reader.close()
  await engine.close()
})

void t.test('a database that is damaged while it is open answers STORE_FAILED, and nothing internal', async (t) => {
  const { database, store } = await reachableStore(t)
  database.exec('pragma foreign_keys = off; drop table latest_signatures; drop table signature_records; drop table signatures; drop table handed; drop table answers')
  const file = { relativePath: 'a', sizeBytes: 1, modifiedAtMs: 1 }
  const asked = { client: 'c', key: 'k', fingerprint: 'f', requestId: 'r' }
  const calls = [
    async () => await record(store), async () => await store.lookUp(recording().subject), async () => await store.get('1'), async () => await store.findByDigest('0f'.repeat(32)),
    async () => await store.find({ limit: 1 }), async () => await store.signedAmong('nim', [file]), async () => await store.probe(), async () => await store.ask(asked), async () => await store.audit(), async () => await store.proof('1'),
  ]
  for (const call of calls) {
    const fault = await call().then(() => undefined, (cause: Error) => cause)
    t.match(fault, { code: 'STORE_FAILED', cause: { message: /no such table/ } })
    t.notMatch(fault?.message, /table|sql|signing\.db/i, 'the message is safe')
  }
  const results = await Promise.allSettled([1, 2].map(async () => await store.lookUp(recording().subject)))
  for (const result of results) t.match(result, { status: 'rejected', reason: { code: 'STORE_FAILED' } }, 'each of those that were asked together')
})

void t.test('a database that cannot be trusted is refused at the start, in a sentence for the operator', async (t) => {
  const folder = t.testdir()
  const table: [string, (path: string) => Promise<void> | void, RegExp][] = [
    ['garbage', (path) => writeFileSync(path, 'no database '.repeat(1000)), /is not an SQLite database/],
    ['a damaged page', async (path) => await filled(path).then(() => damage(path)), /^the catalogue is damaged/],
    ['a cut file', async (path) => await filled(path).then(() => truncateSync(path, statSync(path).size / 2)), /^the catalogue is damaged/],
    ['another program', (path) => execute(path, 'create table moz_places (id integer)'), /belongs to another program$/],
    ['a newer schema', async (path) => await filled(path).then(() => execute(path, NEWER)), /written by a newer version/],
    ['a schema half there', async (path) => await filled(path).then(() => execute(path, 'delete from kysely_migration')), /could not be brought up to date$/],
    ['a folder', (path) => void mkdirSync(path), /it is no file, or the server has no access/],
  ]
  for (const [name, make, message] of table) {
    const path = join(folder, name)
    await make(path)
    const before = contents(path)
    await t.rejects(openTestStore(path), { code: 'STORE_FAILED', message, facts: { path } }, name)
    t.strictSame(contents(path), before, `${name}: nothing was changed`)
  }
  for (const path of [join(folder, 'garbage', 'signing.db'), join(folder, 'x'.repeat(300))]) {
    await t.rejects(openTestStore(path), { code: 'STORE_FAILED', message: /could not be opened$/, facts: { path } }, 'a place where no file can be')
  }
})

void t.test('a database that may only be read is refused at the start', async (t) => {
  if (process.getuid?.() === 0) return void t.comment('root may write everywhere')
  const path = join(t.testdir(), 'signing.db')
  await filled(path)
  chmodSync(path, 0o400)
  await t.rejects(openTestStore(path), { code: 'STORE_FAILED', message: /may only be read/ })
})

const NEWER = "insert into kysely_migration values ('0999-future', '2030-01-01T00:00:00Z')"

const contents = (path: string) => (statSync(path).isFile() ? readFileSync(path, 'latin1') : undefined)

async function filled(path: string): Promise<void> {
  const store = await openTestStore(path)
  await Promise.all(Array.from({ length: 100 }, async (_, index) => await record(store, `${index}`)))
  await store.close()
}

function damage(path: string): void {
  const bytes = readFileSync(path)
  bytes.fill(0xa5, 8 * 4096, 12 * 4096)
  writeFileSync(path, bytes)
}

function execute(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

/** Starts a process that records. `ids` fills as promises resolve over there; `done` resolves when all have. */
function recordProcess(folder: string, signatures: number) {
  const key = join(folder, 'log.key')
  if (!existsSync(key)) writeFileSync(key, TEST_LOG.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(`${key}.pub`, TEST_LOG.verifierKey)
  const child = spawn(process.execPath, [RECORD_PROCESS, `sqlite:${join(folder, 'signing.db')}`, key, `${signatures}`], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ids: string[] = []
  const done = Promise.withResolvers<void>()
  const first = Promise.withResolvers<void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line === 'done') return done.resolve()
    ids.push(line)
    first.resolve()
  })
  const exited = once(child, 'exit').then(([code, signal]: unknown[]) => {
    done.reject(new Error(`exited: ${String(code ?? signal)}`))
    return code ?? signal
  })
  done.promise.catch(() => undefined)
  return { child, ids, first: first.promise, done: done.promise, exited }
}

void t.test('what was recorded is there after the process was killed, and the log is whole', async (t) => {
  const folder = t.testdir()
  for (let round = 0; round < count(1, 10); round++) {
    const { child, ids, first, exited } = recordProcess(folder, 100_000)
    await first
    await setTimeout(round * 7)
    child.kill('SIGKILL')
    t.equal(await exited, 'SIGKILL')
    const store = await openTestStore(join(folder, 'signing.db'))
    t.ok(ids.length > 0)
    for (const id of ids) t.match(await store.get(id), { signature: { id, records: { length: 1 } }, client: 'release-bot' })
    t.match(await store.audit(), { intact: true })
    await store.close()
  }
})

void t.test('processes that make and fill the same database at the same time lose nothing and make one log', async (t) => {
  const folder = t.testdir()
  const path = join(folder, 'signing.db')
  const each = count(400, 4000)
  const processes = [1, 2, 3].map(() => recordProcess(folder, each))
  await Promise.all(processes.map(async ({ done }) => await done))
  for (const { child } of processes) child.stdin.end()
  t.same(await Promise.all(processes.map(async ({ exited }) => await exited)), [0, 0, 0])
  t.equal(new Set(processes.flatMap(({ ids }) => ids)).size, 3 * each)
  t.strictSame([rows(path), rows(path, 'log_leaves')], [3 * each, 3 * each])
  const store = await openTestStore(path)
  t.match(await store.audit(), { intact: true })
  await store.close()
})

void t.test('what is signed by force reads none of the signatures that it has, of which there may be any number', async (t) => {
  const { database, store } = await reachableStore(t)
  await record(store)
  const asked: string[] = []
  const db = new Kysely<StoreTables>({ dialect: sqliteDialect(database), log: ({ query }) => void asked.push(query.sql) })
  const readsSignatures = async (force: boolean): Promise<boolean> => {
    asked.length = 0
    await readPast(db, [recording({ relativePath: 'a.bff', force }).subject])
    return asked.some((text) => text.includes('from "signatures"'))
  }
  t.strictSame([await readsSignatures(false), await readsSignatures(true)], [true, false])
})
