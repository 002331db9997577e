import { readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseSignatureFile } from '../../../formats/signature/file.ts'
import { openStore } from '../../../server/store/open.ts'
import { catalogueEntry } from '../../helpers/catalogue-entry.ts'

function freshLocation(test: Pick<typeof t, 'testdir'>) {
  const folder = test.testdir()
  return { url: `sqlite:${join(folder, 'signing.db')}`, signatureFile: join(folder, 'signatures') }
}

void t.test('openStore opens a catalogue alone when no signature file is configured', async (t) => {
  const { url, signatureFile } = freshLocation(t)
  const store = await openStore({ url })
  t.teardown(() => store.close())
  const entry = catalogueEntry()
  await store.record(entry)
  t.strictSame(await store.get(entry.signature.id), { signature: entry.signature, client: entry.client })
  t.equal(statSync(signatureFile, { throwIfNoEntry: false }), undefined)
  await t.rejects(openStore({ url: 'postgres://localhost/signing' }), TypeError)
})

void t.test('a store with a signature file keeps each record in both places', async (t) => {
  const location = freshLocation(t)
  const store = await openStore(location)
  const entries = Array.from({ length: 50 }, (_, index) => catalogueEntry({ relativePath: `${index}.bff`, filesets: [`PkgA.a${index}`, `PkgA.b${index}`] }))
  await Promise.all(entries.map((entry) => store.record(entry)))
  await store.record(catalogueEntry({ relativePath: 'detached', filesets: [] }))
  await store.probe()
  for (const { signature, client } of entries) t.strictSame(await store.get(signature.id), { signature, client })
  t.strictSame(parseSignatureFile(readFileSync(location.signatureFile)), entries.flatMap(({ signature: { records } }) => records))
  t.equal((await store.findByDigest(entries[0]?.signature.sha256 as string)).length, 51)
  t.equal((await store.signedAmong('nim', [{ relativePath: '7.bff', sizeBytes: 51_200, modifiedAtMs: 1_375_425_475_000 }])).size, 1)
  await store.close()
})

void t.test('closing writes what is waiting into both places', async (t) => {
  const location = freshLocation(t)
  const store = await openStore(location)
  const recording = Promise.all(Array.from({ length: 300 }, (_, index) => store.record(catalogueEntry({ relativePath: `${index}` }))))
  await store.close()
  await recording
  t.equal(parseSignatureFile(readFileSync(location.signatureFile)).length, 300)
  await t.rejects(store.record(catalogueEntry()), { code: 'STORE_FAILED' })
})

void t.test('what the catalogue refuses does not reach the signature file', async (t) => {
  const location = freshLocation(t)
  const store = await openStore(location)
  t.teardown(() => store.close())
  const entry = catalogueEntry()
  await store.record(entry)
  await t.rejects(store.record(entry), { code: 'STORE_FAILED' })
  t.equal(parseSignatureFile(readFileSync(location.signatureFile)).length, 1)
})

void t.test('when the append fails, record fails, and the catalogue has the signature', async (t) => {
  const location = freshLocation(t)
  const store = await openStore(location)
  t.teardown(() => store.close())
  rmSync(location.signatureFile)
  const entry = catalogueEntry()
  await t.rejects(store.record(entry), { code: 'STORE_FAILED', message: /was deleted/ })
  t.strictSame(await store.get(entry.signature.id), { signature: entry.signature, client: entry.client })
  await t.rejects(store.probe(), { code: 'STORE_FAILED' })
})

void t.test('a signature file that cannot be opened leaves no catalogue open', async (t) => {
  const { url } = freshLocation(t)
  await t.rejects(openStore({ url, signatureFile: '/dev/null' }), { code: 'STORE_FAILED', message: /no regular file/ })
  t.equal(statSync(`${url.slice('sqlite:'.length)}-wal`, { throwIfNoEntry: false }), undefined, 'closed clean')
})
