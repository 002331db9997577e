import { Buffer } from 'node:buffer'
import { hash, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import t from 'tap'
import { hashLeaf, openCheckpoint, parseEntry, parseProof, parseVerifierKey, verifyInclusion, verifyProof, type CheckpointTrust } from '../../../formats/index.ts'
import { MIGRATIONS } from '../../../server/store/migrations/index.ts'
import { sqliteDialect } from '../../../server/store/sqlite-dialect.ts'
import { openDatabase } from '../../../server/store/sqlite.ts'
import { openTestStore, recording, TEST_LOG } from '../../helpers/store.ts'

const TRUST: CheckpointTrust = { keys: [parseVerifierKey(TEST_LOG.verifierKey)] }

type Old = Readonly<{ id: string; signedAt: string; client: string; relativePath: string; sizeBytes: number; content: string; filesets: readonly string[]; source: 'path' | 'upload' | 'digest' }>

const at = (second: number) => new Date(Date.UTC(2026, 10, 24, 0, 0, second)).toISOString()
const base64 = (text: string) => Buffer.alloc(256, text).toString('base64')

function old(change: Partial<Old>): Old {
  const id = change.id ?? randomUUID()
  return { id, signedAt: at(0), client: 'release-bot', relativePath: `ppc/${id}.bff`, sizeBytes: 51_200, content: id, filesets: ['PkgA.rte'], source: 'path', ...change }
}

/** A database as 0.2.0 left it; the signatures in the order in which they were committed. */
async function makeOld(path: string, steps: readonly string[], signatures: readonly Old[]): Promise<void> {
  const database = openDatabase(path)
  const db = new Kysely<unknown>({ dialect: sqliteDialect(database) })
  const some = Object.fromEntries(steps.map((step) => [step, MIGRATIONS[step] as Migration]))
  const { error } = await new Migrator({ db, provider: { getMigrations: async () => some } }).migrateToLatest()
  if (error !== undefined) throw error
  database.exec('begin')
  const columns = 'id, signed_at, client, spki_sha256, root, relative_path, filename, size_bytes, modified_at_ms, sha256, keyid, algorithm, covers, signature'
  const isFirst = steps.length === 1
  const insert = database.prepare(`insert into signatures (${columns}${isFirst ? '' : ', format, source'}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '1001', 'rsa-2048-sha256', 'file', ?${isFirst ? '' : ', ?, ?'})`)
  for (const { id, signedAt, client, relativePath, sizeBytes, content, filesets, source } of signatures) {
    const root = source === 'path' ? 'nim' : ''
    const common = [id, signedAt, client, 'ab'.repeat(32), root, root === '' ? '' : relativePath, relativePath.slice(relativePath.lastIndexOf('/') + 1), sizeBytes, 1_375_425_475_000, hash('sha256', content), base64(content)]
    insert.run(...common, ...(isFirst ? [] : [filesets.length === 0 ? 'rpm' : 'installp', source]))
    for (const [position, fileset] of filesets.entries()) {
      database.prepare('insert into signature_records values (?, ?, ?, ?, ?, ?, ?, ?, ?)').run(id, position, '1001', 'PkgA', '1375425475', fileset, 'I', '1.0.0.0', position === 2 ? base64('own') : base64(content))
    }
    if (root !== '') database.prepare('insert into latest_signatures (root, relative_path, signature_id) values (?, ?, ?) on conflict (root, relative_path) do update set signature_id = excluded.signature_id').run(root, relativePath, id)
  }
  database.exec('commit')
  await db.destroy()
}

void t.test('a database of 0.2.0 is brought up to date: each signature is a leaf with a receipt that verifies, and the audit finds nothing', async (t) => {
  const path = join(t.testdir(), 'signing.db')
  const signatures = [
    old({ signedAt: at(3), content: 'a', filesets: ['PkgA.rte', 'PkgA.adt', 'PkgA.man'] }),
    old({ signedAt: at(1), content: 'b', filesets: [], source: 'upload', sizeBytes: 0 }),
    old({ signedAt: at(2), content: 'c', filesets: [], source: 'digest', client: 'auditor' }),
    ...Array.from({ length: 600 }, (_, index) => old({ signedAt: at(10 + index % 50), filesets: [`PkgA.f${index}`] })),
  ]
  await makeOld(path, ['0001-signatures', '0002-sources'], signatures)
  const store = await openTestStore(path)
  const { size } = openCheckpoint(await store.checkpoint(), TRUST)
  t.equal(size, signatures.length)
  const order = [...signatures].sort((one, other) => (one.signedAt + one.id < other.signedAt + other.id ? -1 : 1))
  for (const [index, { id, client, content, filesets, source, signedAt, sizeBytes }] of order.entries()) {
    const found = await store.get(id)
    const receipt = found?.signature.receipt as NonNullable<typeof found>['signature']['receipt']
    const want = { id, signedAt, source, sizeBytes, format: filesets.length === 0 ? 'rpm' : 'installp', sha256: hash('sha256', content), signature: base64(content), replayed: false }
    if (index % 50 < 3) t.match(found, { client, signature: want })
    t.equal(found?.signature.records.length, filesets.length)
    const checkpoint = openCheckpoint(receipt.checkpoint, TRUST)
    t.strictSame([receipt.index, checkpoint.size], [index, index + 1])
    verifyInclusion({ index, size: index + 1, leafHash: hashLeaf(Buffer.from(receipt.entry)), path: receipt.path.map((one) => Buffer.from(one, 'base64')), root: checkpoint.root })
    t.match(parseEntry(Buffer.from(receipt.entry)), { kind: 'signature', id, client, at: signedAt, source })
  }
  t.equal(verifyProof({ proof: parseProof(await store.proof(signatures[0]?.id as string) as string), trust: TRUST }).index, 2)
  t.match(await store.audit(), { intact: true, findings: [] })
  await store.close()
  const again = await openTestStore(path)
  t.equal(openCheckpoint(await again.checkpoint(), TRUST).size, size, 'and is not brought up to date twice')
  t.match(await again.audit(), { intact: true })
  await again.close()
})

void t.test('what 0.2.0 signed is found as before: by file as it was then, by digest; its levels guard', async (t) => {
  const path = join(t.testdir(), 'signing.db')
  const [first, second, third] = [
    old({ signedAt: at(1), content: 'a', filesets: ['PkgA.rte', 'PkgA.adt'], relativePath: 'a.bff' }),
    old({ signedAt: at(2), content: 'b', filesets: ['PkgA.rte'], relativePath: 'b.bff', sizeBytes: 7 }),
    old({ signedAt: at(3), content: 'b', filesets: ['PkgA.rte'], relativePath: 'b.bff', sizeBytes: 8 }),
  ]
  await makeOld(path, ['0001-signatures', '0002-sources'], [first, second, third])
  const store = await openTestStore(path)
  t.teardown(async () => await store.close())
  const file = (relativePath: string, sizeBytes: number) => ({ relativePath, sizeBytes, modifiedAtMs: 1_375_425_475_000 })
  t.strictSame([...await store.signedAmong('nim', [file('a.bff', 51_200), file('b.bff', 8)])], ['a.bff', 'b.bff'])
  t.strictSame([...await store.signedAmong('nim', [file('a.bff', 51_201), file('b.bff', 7)])], [])
  t.strictSame((await store.findByDigest(hash('sha256', 'b'))).map(({ signature }) => signature.id), [third.id, second.id])
  t.strictSame((await store.find({ limit: 9, fileset: 'PkgA.rte' })).map(({ signature }) => signature.id), [third.id, second.id, first.id])
  // The level of which 0.2.0 signed two contents has the later one.
  t.match(await store.lookUp(recording({ content: 'a', filesets: ['PkgA.rte'] }).subject), { kind: 'taken', earlier: third.id })
  t.match(await store.lookUp(recording({ content: 'b', filesets: ['PkgA.adt'] }).subject), { kind: 'taken', earlier: first.id })
  const same = recording({ content: 'b', filesets: ['PkgA.rte'] })
  t.equal(await store.lookUp(same.subject), undefined, 'what was signed before the log has no artefact, so the same content is signed once more')
  t.match(await store.record(same.subject, same.signature), { kind: 'recorded', signature: { receipt: { index: 3 } } })
  t.match(await store.audit(), { intact: true })
})

void t.test('a database of the first version is brought up to date, too: what it has was a package by path', async (t) => {
  const path = join(t.testdir(), 'signing.db')
  const signature = old({})
  await makeOld(path, ['0001-signatures'], [signature])
  const store = await openTestStore(path)
  t.teardown(async () => await store.close())
  t.match(await store.get(signature.id), { signature: { id: signature.id, format: 'installp', source: 'path', records: [{ fileset: 'PkgA.rte' }] }, client: 'release-bot' })
  t.match(await store.audit(), { intact: true })
})

void t.test('a signature of 0.2.0 that the log cannot have stops the start, and the database stays as it was', async (t) => {
  const path = join(t.testdir(), 'signing.db')
  await makeOld(path, ['0001-signatures', '0002-sources'], [old({}), old({ client: 'who knows?' })])
  await t.rejects(openTestStore(path), { code: 'STORE_FAILED', message: /could not be brought up to date/ })
  const database = new DatabaseSync(path)
  t.same(database.prepare('select name from kysely_migration order by name').all().map(({ name }) => name), ['0001-signatures', '0002-sources'])
  t.equal(database.prepare(`select count(*) as tables from sqlite_schema where name like 'log%'`).get()?.['tables'], 0)
  database.close()
})
