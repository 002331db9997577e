import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import * as fc from 'fast-check'
import { Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import t from 'tap'
import { MIGRATIONS } from '../../../server/store/migrations/index.ts'
import { sqliteDialect } from '../../../server/store/sqlite-dialect.ts'
import { openCatalogue, openDatabase, openSqliteStore } from '../../../server/store/sqlite.ts'
import type { CatalogueEntry, Store } from '../../../server/store/store.ts'
import { catalogueEntry } from '../../helpers/catalogue-entry.ts'

const FACTOR = Number(process.env.TEST_FULL_FACTOR ?? 1)
const RECORD_PROCESS = join(import.meta.dirname, 'record-process.ts')

async function freshStore(t: Tap): Promise<{ path: string; store: Store }> {
  const path = join(t.testdir(), 'signing.db')
  const store = await openSqliteStore(path)
  t.teardown(() => store.close())
  return { path, store }
}

/** A store over a database that the test can also reach, to put faults into it. */
async function reachableStore(t: Tap): Promise<{ path: string; database: DatabaseSync; store: Store }> {
  const path = join(t.testdir(), 'signing.db')
  const database = openDatabase(path)
  const store = await openCatalogue(database)
  t.teardown(() => store.close())
  return { path, database, store }
}

type Tap = Pick<typeof t, 'testdir' | 'teardown'>

function count(path: string, table = 'signatures'): number {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return Number(database.prepare(`select count(*) as rows from ${table}`).get()?.['rows'])
  } finally {
    database.close()
  }
}

const get = async (store: Store, { signature }: CatalogueEntry) => (await store.get(signature.id))?.signature

void t.test('get returns a recorded signature whole, with its records in order', async (t) => {
  const { store } = await freshStore(t)
  const entry = catalogueEntry({ filesets: ['PkgA.rte', 'PkgA.adt', 'PkgA.man.en_US'] })
  const detached = catalogueEntry({ filesets: [] })
  await Promise.all([store.record(entry), store.record(detached)])
  t.strictSame(await get(store, entry), entry.signature)
  t.strictSame(await get(store, detached), detached.signature)
})

void t.test('get returns undefined for an unknown id, and with a signature the client it was made for', async (t) => {
  const { store } = await freshStore(t)
  const entry = catalogueEntry()
  await store.record(entry)
  t.equal(await store.get(randomUUID()), undefined)
  t.equal((await store.get(entry.signature.id))?.client, entry.client)
  t.equal(await store.get(`${entry.signature.id}' or '1' = '1`), undefined)
})

void t.test('findByDigest returns the signatures over the same bytes, newest first, of every client, a hundred at the most', async (t) => {
  const { store } = await freshStore(t)
  const at = (second: number) => new Date(Date.UTC(2026, 10, 24, 0, 0, second)).toISOString()
  const made = (second: number, client: string, sha256 = 'ab'.repeat(32)) => {
    const entry = catalogueEntry({ client, relativePath: `${second}` })
    return { ...entry, signature: { ...entry.signature, sha256, signedAt: at(second) } }
  }
  const [first, second, other] = [made(1, 'release-bot'), made(2, 'auditor'), made(3, 'release-bot', 'cd'.repeat(32))]
  await Promise.all([second, first, other].map(async (entry) => await store.record(entry)))
  t.strictSame(await store.findByDigest('ab'.repeat(32)), [second, first].map(({ signature, client }) => ({ signature, client })))
  t.strictSame(await store.findByDigest('AB'.repeat(32)), [])
  await Promise.all(Array.from({ length: 120 }, async (_, index) => await store.record(made(10 + index, 'release-bot'))))
  const found = await store.findByDigest('ab'.repeat(32))
  t.strictSame([found.length, found[0]?.signature.signedAt, found[99]?.signature.signedAt], [100, at(129), at(30)])
})

void t.test('what the server could not read itself is recorded without a place: uploads, digests, other formats', async (t) => {
  const { path, store } = await freshStore(t)
  const { file: _file, ...entry } = catalogueEntry({ filesets: [] })
  const sent = { ...entry, signature: { ...entry.signature, format: 'rpm', source: 'upload' } } as const
  const digest = { ...entry, signature: { ...entry.signature, id: randomUUID(), format: 'other', source: 'digest' } } as const
  await Promise.all([store.record(sent), store.record(digest)])
  t.strictSame([await get(store, sent), await get(store, digest)], [sent.signature, digest.signature])
  t.strictSame([count(path), count(path, 'latest_signatures')], [2, 0])
})

void t.test('a catalogue of the first version is brought up to date: what it has was a package by path', async (t) => {
  const path = join(t.testdir(), 'signing.db')
  const old = openDatabase(path)
  const db = new Kysely<unknown>({ dialect: sqliteDialect(old) })
  const first = { '0001-signatures': MIGRATIONS['0001-signatures'] as Migration }
  t.equal((await new Migrator({ db, provider: { getMigrations: async () => first } }).migrateToLatest()).error, undefined)
  const { signature } = catalogueEntry()
  old.prepare(`insert into signatures values (?, ?, 'release-bot', 'ab', 'nim', 'a.bff', 'a.bff', 1, 1, ?, '1001', 'rsa-2048-sha256', 'file', ?)`)
    .run(signature.id, signature.signedAt, signature.sha256, signature.signature)
  await db.destroy()
  const store = await openSqliteStore(path)
  t.teardown(() => store.close())
  t.match(await store.get(signature.id), { signature: { id: signature.id, format: 'installp', source: 'path', records: [] }, client: 'release-bot' })
  t.equal((await store.findByDigest(signature.sha256)).length, 1)
})

void t.test('get returns whatever text was recorded, unchanged', async (t) => {
  const { store } = await freshStore(t)
  const text = fc.string({ unit: 'grapheme', maxLength: 40 })
  await fc.assert(fc.asyncProperty(text, text, fc.array(text, { maxLength: 4 }), fc.maxSafeNat(), async (client, relativePath, filesets, sizeBytes) => {
    const entry = catalogueEntry({ client, relativePath, filesets, sizeBytes })
    await store.record(entry)
    t.strictSame(await get(store, entry), entry.signature)
  }), { numRuns: 100 * FACTOR })
})

void t.test('a signature with thousands of filesets is recorded whole', async (t) => {
  const { store } = await freshStore(t)
  const entry = catalogueEntry({ filesets: Array.from({ length: 2500 }, (_, index) => `PkgA.part${index}`) })
  await store.record(entry)
  t.strictSame(await get(store, entry), entry.signature)
})

void t.test('a database of its own is made: folder 0700, files 0600, WAL, a flush at each commit, foreign keys', async (t) => {
  const folder = join(t.testdir(), 'var', 'lib')
  const path = join(folder, 'signing.db')
  const database = openDatabase(path)
  const store = await openCatalogue(database)
  await store.record(catalogueEntry())
  t.equal(statSync(folder).mode & 0o777, 0o700)
  for (const file of [path, `${path}-wal`, `${path}-shm`]) t.equal(statSync(file).mode & 0o777, 0o600, file)
  t.equal(database.prepare('pragma journal_mode').get()?.['journal_mode'], 'wal')
  t.equal(database.prepare('pragma synchronous').get()?.['synchronous'], 2, 'FULL')
  t.equal(database.prepare('pragma foreign_keys').get()?.['foreign_keys'], 1)
  t.equal(database.prepare('pragma busy_timeout').get()?.['timeout'], 5000)
  await store.close()
  t.notOk(existsSync(`${path}-wal`), 'closed clean')
})

void t.test('a path is a path: nothing in it is taken for a URI or for memory', async (t) => {
  const folder = t.testdir()
  const before = process.cwd()
  process.chdir(folder)
  t.teardown(() => process.chdir(before))
  for (const path of [':memory:', 'file:x?mode=memory']) {
    const store = await openSqliteStore(path)
    await store.record(catalogueEntry())
    await store.close()
    t.equal(count(join(folder, path)), 1)
  }
})

void t.test('a catalogue that is opened again has what was recorded', async (t) => {
  const { path, store } = await freshStore(t)
  const entry = catalogueEntry()
  await store.record(entry)
  await store.close()
  const again = await openSqliteStore(path)
  t.teardown(() => again.close())
  t.strictSame(await get(again, entry), entry.signature)
  t.equal(count(path, 'kysely_migration'), Object.keys(MIGRATIONS).length)
})

void t.test('an entry that cannot be recorded does not spoil the others of its group', async (t) => {
  const { path, store } = await freshStore(t)
  const twice = catalogueEntry({ relativePath: 'a' })
  const lacking = catalogueEntry({ relativePath: 'c' })
  const entries = [twice, { ...twice, client: 'other' }, catalogueEntry({ relativePath: 'b' }),
    { ...lacking, signature: { ...lacking.signature, sha256: undefined as unknown as string } }, catalogueEntry({ relativePath: 'd' })]
  const results = await Promise.allSettled(entries.map((entry) => store.record(entry)))
  t.same(results.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'])
  for (const result of results) {
    if (result.status === 'rejected') t.match(result.reason, { code: 'STORE_FAILED', message: /^the signature could not be recorded$/ })
  }
  t.equal(count(path), 3)
  t.equal(count(path, 'signature_records'), 3, 'a refused entry leaves no records behind')
  t.strictSame(await get(store, twice), twice.signature, 'a second signature of the same id changes nothing')
})

void t.test('signedAmong returns the files whose latest signature was made at this size and modification time', async (t) => {
  const { store } = await freshStore(t)
  const at = (relativePath: string, sizeBytes = 10, modifiedAtMs = 1000) => ({ relativePath, sizeBytes, modifiedAtMs })
  for (const file of [at('same'), at('longer'), at('touched'), at('changed back'), at('fraction', 10, 1000.75)]) await store.record(catalogueEntry(file))
  await store.record(catalogueEntry(at('changed back', 20)))
  await Promise.all([at('raced', 1), at('raced', 2)].map((file) => store.record(catalogueEntry(file))))
  const signed = await store.signedAmong('nim', [at('same'), at('longer', 11), at('touched', 10, 1001), at('changed back'), at('fraction', 10, 1000.75),
    at('raced', 2), at('never'), at("' or 1 = 1 --")])
  t.same([...signed], ['same', 'fraction', 'raced'])
  t.same([...await store.signedAmong('other root', [at('same')])], [])
  t.same([...await store.signedAmong('nim', [])], [])
})

void t.test('signedAmong answers for a directory of thousands, and lets others have their turn', async (t) => {
  const { store } = await freshStore(t)
  const files = Array.from({ length: 1201 }, (_, index) => ({ relativePath: `ppc/${index}`, sizeBytes: index, modifiedAtMs: index }))
  await Promise.all(files.map((file) => store.record(catalogueEntry(file))))
  let turns = 0
  const timer = setInterval(() => turns++, 0)
  const signed = await store.signedAmong('nim', files)
  clearInterval(timer)
  t.equal(signed.size, 1201)
  t.ok(turns > 0)
})

void t.test('probe resolves when a row could be written, and leaves none', async (t) => {
  const { path, database, store } = await reachableStore(t)
  await Promise.all([store.probe(), store.record(catalogueEntry()), store.probe()])
  t.equal(count(path), 1)
  database.exec('pragma query_only = on')
  await t.rejects(store.probe(), { code: 'STORE_FAILED', message: 'the catalogue does not accept writes' })
  database.exec('pragma query_only = off')
  await store.probe()
})

void t.test('a catalogue without room answers STORAGE_FULL, keeps nothing of the group, and goes on when there is room', async (t) => {
  const { path, database, store } = await reachableStore(t)
  database.exec('pragma max_page_count = 20')
  const entries = Array.from({ length: 100 }, (_, index) => catalogueEntry({ relativePath: `${index}` }))
  const results = await Promise.allSettled(entries.map((entry) => store.record(entry)))
  for (const result of results) t.match(result, { status: 'rejected', reason: { code: 'STORAGE_FULL', message: 'the server has no room left to keep signatures' } })
  t.equal(count(path), 0)
  database.exec('pragma max_page_count = 1000000')
  await Promise.all(entries.map((entry) => store.record(entry)))
  t.equal(count(path), 100)
})

void t.test('a catalogue that another process has locked answers STORE_FAILED, once for the whole group', async (t) => {
  const path = join(t.testdir(), 'signing.db')
  const store = await openSqliteStore(path)
  const impatient = await openCatalogue(new DatabaseSync(path, { timeout: 1 }))
  t.teardown(() => Promise.all([store.close(), impatient.close()]))
  const other = new DatabaseSync(path)
  other.exec('begin immediate')
  const results = await Promise.allSettled([impatient.record(catalogueEntry()), impatient.record(catalogueEntry()), impatient.probe()])
  for (const result of results) t.match(result, { status: 'rejected', reason: { code: 'STORE_FAILED' } })
  other.exec('rollback')
  other.close()
  await impatient.record(catalogueEntry())
})

void t.test('a new database that somebody is just reading is waited for, but not for ever', async (t) => {
  const path = join(t.testdir(), 'signing.db')
  const reader = new DatabaseSync(path)
  const [database, impatient] = [new DatabaseSync(path, { timeout: 1 }), new DatabaseSync(path, { timeout: 1 })]
  reader.exec('begin; select * from sqlite_schema')
  await t.rejects(openCatalogue(impatient, 0), { message: 'database is locked' })
  const opening = openCatalogue(database)
  await setTimeout(50)
  reader.exec('rollback')
  const store = await opening
  await store.record(catalogueEntry())
  impatient.close()
  reader.close()
  await store.close()
})

void t.test('close writes what is waiting; afterwards every call answers STORE_FAILED', async (t) => {
  const { path, store } = await freshStore(t)
  const recording = Promise.all(Array.from({ length: 300 }, (_, index) => store.record(catalogueEntry({ relativePath: `${index}` }))))
  await store.close()
  await recording
  t.equal(count(path), 300)
  const closed = { code: 'STORE_FAILED', message: 'the catalogue is closed' }
  await t.rejects(store.record(catalogueEntry()), closed)
  await t.rejects(store.get(randomUUID()), closed)
  await t.rejects(store.findByDigest('0f'.repeat(32)), closed)
  await t.rejects(store.signedAmong('nim', []), closed)
  await t.rejects(store.probe(), closed)
  await store.close()
})

void t.test('a database that is damaged while it is open answers STORE_FAILED, and nothing internal', async (t) => {
  const { database, store } = await reachableStore(t)
  database.exec('drop table latest_signatures; drop table signature_records; drop table signatures')
  const file = { relativePath: 'a', sizeBytes: 1, modifiedAtMs: 1 }
  const calls = [() => store.record(catalogueEntry()), () => store.get('1'), () => store.findByDigest('0f'.repeat(32)), () => store.signedAmong('nim', [file]), () => store.probe()]
  for (const call of calls) {
    const fault = await call().then(() => undefined, (cause: Error) => cause)
    t.match(fault, { code: 'STORE_FAILED', cause: { message: /no such table/ } })
    t.notMatch(fault?.message, /table|sql|signing\.db/i, 'the message is safe')
  }
})

void t.test('a catalogue that cannot be trusted is refused at the start, in a sentence for the operator', async (t) => {
  const folder = t.testdir()
  const table: [string, (path: string) => Promise<void> | void, RegExp][] = [
    ['garbage', (path) => writeFileSync(path, 'no database '.repeat(1000)), /is not an SQLite database/],
    ['a damaged page', (path) => filled(path).then(() => damage(path)), /^the catalogue is damaged/],
    ['a cut file', (path) => filled(path).then(() => truncateSync(path, statSync(path).size / 2)), /^the catalogue is damaged/],
    ['another program', (path) => execute(path, 'create table moz_places (id integer)'), /belongs to another program$/],
    ['a newer schema', (path) => filled(path).then(() => execute(path, NEWER)), /written by a newer version/],
    ['a schema half there', (path) => filled(path).then(() => execute(path, 'delete from kysely_migration')), /could not be brought up to date$/],
    ['a folder', (path) => mkdirSync(path), /it is no file, or the server has no access/],
  ]
  for (const [name, make, message] of table) {
    const path = join(folder, name)
    await make(path)
    const before = contents(path)
    await t.rejects(openSqliteStore(path), { code: 'STORE_FAILED', message, facts: { path } }, name)
    t.strictSame(contents(path), before, `${name}: nothing was changed`)
  }
  for (const path of [join(folder, 'garbage', 'signing.db'), join(folder, 'x'.repeat(300))]) {
    await t.rejects(openSqliteStore(path), { code: 'STORE_FAILED', message: /could not be opened$/, facts: { path } }, 'a place where no file can be')
  }
})

const NEWER = "insert into kysely_migration values ('0999-future', '2030-01-01T00:00:00Z')"

const contents = (path: string) => (statSync(path).isFile() ? readFileSync(path, 'latin1') : undefined)

async function filled(path: string): Promise<void> {
  const store = await openSqliteStore(path)
  await Promise.all(Array.from({ length: 100 }, (_, index) => store.record(catalogueEntry({ relativePath: `${index}` }))))
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
function recordProcess(path: string, entries: number) {
  const child = spawn(process.execPath, [RECORD_PROCESS, `sqlite:${path}`, `${entries}`], { stdio: ['pipe', 'pipe', 'inherit'] })
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

void t.test('what was recorded is there after the process was killed', async (t) => {
  const path = join(t.testdir(), 'signing.db')
  const { child, ids, first, exited } = recordProcess(path, 100_000)
  await first
  child.kill('SIGKILL')
  t.equal(await exited, 'SIGKILL')
  const store = await openSqliteStore(path)
  t.teardown(() => store.close())
  t.ok(ids.length > 0)
  for (const id of ids) t.match(await store.get(id), { signature: { id, records: { length: 1 } }, client: 'release-bot' })
})

void t.test('processes that make and fill the same catalogue at the same time lose nothing', async (t) => {
  const path = join(t.testdir(), 'signing.db')
  const processes = [1, 2, 3].map(() => recordProcess(path, 400 * FACTOR))
  await Promise.all(processes.map(({ done }) => done))
  for (const { child } of processes) child.stdin.end()
  t.same(await Promise.all(processes.map(({ exited }) => exited)), [0, 0, 0])
  t.equal(new Set(processes.flatMap(({ ids }) => ids)).size, 1200 * FACTOR)
  t.equal(count(path), 1200 * FACTOR)
})
