import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { formatVerifierKey, makeVerifierKey, parseSignatureFile } from '../../../formats/index.ts'
import { openDatabase } from '../../../server/store/open-database.ts'
import { openStore } from '../../../server/store/open.ts'
import { ENGINES } from '../../helpers/engines.ts'
import { KEEP_MS, openTestStore, recording, TEST_LOG } from '../../helpers/store.ts'

function freshLocation(test: Pick<typeof t, 'testdir'>) {
  const folder = test.testdir()
  return { path: join(folder, 'signing.db'), signatureFile: join(folder, 'signatures') }
}

for (const { name, skip, fresh } of ENGINES) {
  void t.test(`${name}: openStore opens a database in a thread of its own, and closing it ends the thread`, { skip }, async (t) => {
    const { location } = await fresh(t)
    const store = await openStore({ ...location, identity: TEST_LOG, keepMs: KEEP_MS })
    const { subject, signature } = recording()
    const recorded = await store.record(subject, signature)
    t.match(recorded, { kind: 'recorded', signature: { id: signature.id, receipt: { index: 0 } } })
    t.match(await store.get(signature.id), { signature, client: 'release-bot' })
    t.match(await store.lookUp(subject), { kind: 'signed', signature: { replayed: true } })
    t.ok(Buffer.isBuffer(await store.tile({ level: 0, index: 0, width: 1 })))
    t.ok(Buffer.isBuffer(await store.entries({ index: 0, width: 1 })))
    t.equal(await store.tile({ level: 0, index: 1, width: 1 }), undefined)
    t.strictSame(await store.signedAmong('nim', [{ relativePath: 'ppc/PkgA.bff', sizeBytes: 51_200, modifiedAtMs: 1_375_425_475_000 }]), new Set(['ppc/PkgA.bff']))
    t.match(await store.audit(), { intact: true })
    await store.close()
    const database = await openDatabase({ ...location, identity: TEST_LOG, keepMs: KEEP_MS })
    t.match(await database.get(signature.id), { signature, client: 'release-bot' }, 'and is the same without one')
    await database.close()
  })
}

void t.test('a store without a signature file makes none, and a URL of another database is a mistake of the program', async (t) => {
  const { path, signatureFile } = freshLocation(t)
  await (await openTestStore(path)).close()
  t.equal(statSync(signatureFile, { throwIfNoEntry: false }), undefined)
  t.equal(statSync(`${path}-wal`, { throwIfNoEntry: false }), undefined, 'closed clean')
  await t.rejects(openStore({ url: 'mysql://localhost/signing', identity: TEST_LOG, keepMs: KEEP_MS }), { code: 'INTERNAL' })
})

void t.test('a store with a signature file keeps each record in both places, and what was replayed once', async (t) => {
  const { path, signatureFile } = freshLocation(t)
  const store = await openTestStore(path, { signatureFile })
  const recordings = Array.from({ length: 50 }, (_, index) => recording({ relativePath: `${index}.bff`, filesets: [`PkgA.a${index}`, `PkgA.b${index}`] }))
  await Promise.all(recordings.map(async ({ subject, signature }) => await store.record(subject, signature)))
  for (const { subject, signature } of recordings.slice(0, 3)) t.match(await store.record(subject, { ...signature, id: 'another' }), { kind: 'signed' })
  const detached = recording({ relativePath: 'detached', filesets: [] })
  await store.record(detached.subject, detached.signature)
  await store.probe()
  t.strictSame(parseSignatureFile(readFileSync(signatureFile)), recordings.flatMap(({ signature: { records } }) => records))
  await store.close()
})

void t.test('closing writes what is waiting into both places', async (t) => {
  const { path, signatureFile } = freshLocation(t)
  const store = await openTestStore(path, { signatureFile })
  const recordings = Promise.all(Array.from({ length: 300 }, async (_, index) => {
    const { subject, signature } = recording({ relativePath: `${index}` })
    return await store.record(subject, signature)
  }))
  await store.close()
  await recordings
  t.equal(parseSignatureFile(readFileSync(signatureFile)).length, 300)
  const { subject, signature } = recording()
  await t.rejects(store.record(subject, signature), { code: 'STORE_FAILED', message: 'the store is closed' })
})

void t.test('what the database refuses does not reach the signature file', async (t) => {
  const { path, signatureFile } = freshLocation(t)
  const store = await openTestStore(path, { signatureFile })
  t.teardown(async () => await store.close())
  const { subject, signature } = recording()
  await store.record(subject, signature)
  const same = recording({ id: signature.id, content: 'other' })
  await t.rejects(store.record(same.subject, same.signature), { code: 'STORE_FAILED' })
  t.equal(parseSignatureFile(readFileSync(signatureFile)).length, 1)
})

void t.test('when the append fails, record fails, and whoever asks again gets the signature from the catalogue', async (t) => {
  const { path, signatureFile } = freshLocation(t)
  const store = await openTestStore(path, { signatureFile })
  t.teardown(async () => await store.close())
  rmSync(signatureFile)
  const { subject, signature } = recording()
  await t.rejects(store.record(subject, signature), { code: 'STORE_FAILED', message: /was deleted/ })
  t.match(await store.lookUp(subject), { kind: 'signed', signature: { id: signature.id } })
  await t.rejects(store.probe(), { code: 'STORE_FAILED' })
})

void t.test('a signature file that cannot be opened leaves no database open', async (t) => {
  const { path } = freshLocation(t)
  await t.rejects(openTestStore(path, { signatureFile: '/dev/null' }), { code: 'STORE_FAILED', message: /no regular file/ })
  t.equal(statSync(`${path}-wal`, { throwIfNoEntry: false }), undefined, 'closed clean')
})

void t.test('a database whose log was begun with another key is refused and left closed', async (t) => {
  const { path } = freshLocation(t)
  await (await openTestStore(path)).close()
  const { privateKey } = generateKeyPairSync('ed25519')
  const verifierKey = formatVerifierKey(makeVerifierKey(TEST_LOG.origin, privateKey))
  await t.rejects(openDatabase({ url: `sqlite:${path}`, identity: { ...TEST_LOG, privateKey, verifierKey }, keepMs: KEEP_MS }), { code: 'STORE_FAILED', message: /begun with another key or name/ })
  t.equal(statSync(`${path}-wal`, { throwIfNoEntry: false }), undefined, 'closed clean')
})
