import { generateKeyPairSync } from 'node:crypto'
import { Buffer } from 'node:buffer'
import t, { type Test } from 'tap'
import {
  consistencyProof, createTileReader, formatEntry, hashLeaf, inclusionProof, openCheckpoint, parseBundle, parseEntry, parseProof, parseVerifierKey, rangeRoot, readRange, tileInTree, tilesOfTree,
  verifyConsistency, verifyInclusion, verifyProof, type CheckpointTrust, type HashReader, type LogEntry, type TreeHead,
} from '../../../formats/index.ts'
import { createLeaves } from '../../../server/store/leaves.ts'
import type { Signature } from '../../../server/schemas/signature.ts'
import type { Started, Store } from '../../../server/store/store.ts'
import { changeRow, ENGINES, rowsOf, type Row, type TestDatabase } from '../../helpers/engines.ts'
import { count } from '../../helpers/full-size.ts'
import { naiveRoot } from '../../helpers/naive-tree.ts'
import { recording, TEST_LOG, type Choice } from '../../helpers/store.ts'

const TRUST: CheckpointTrust = { keys: [parseVerifierKey(TEST_LOG.verifierKey)] }
const AT = '2026-11-24T05:06:07.089Z'
const SPKI = 'ab'.repeat(32)
const SEVERAL: readonly LogEntry[] = [
  { kind: 'refusal', at: AT, client: 'guest', spki: SPKI, operation: 'sign', code: 'FORBIDDEN' },
  { kind: 'refusal', at: AT, spki: SPKI, operation: 'verify', code: 'CLIENT_UNKNOWN' },
  { kind: 'failure', at: AT, client: 'guest', spki: SPKI, filename: 'Päckchen 日本.bff', sha256: 'cd'.repeat(32), keyid: '1001', code: 'SIGNER_FAILED' },
  { kind: 'failure', at: AT, client: 'guest', spki: SPKI, code: 'SIGNER_FAILED' },
  { kind: 'key', at: AT, keyid: '1001', change: 'added', spkiSha256: SPKI },
  { kind: 'configuration', at: AT, sha256: SPKI },
  { kind: 'start', at: AT, version: '1.0.0' },
  { kind: 'stop', at: AT },
]

async function recorded(store: Store, choice: Choice = {}): Promise<Signature> {
  const { subject, signature } = recording(choice)
  const result = await store.record(subject, signature)
  if (result.kind !== 'recorded') throw new Error(`not recorded: ${result.kind}`)
  return result.signature
}

/** What the receipt proves, or an error. */
function verifyReceipt({ id, receipt: { index, entry, path, checkpoint } }: Signature): void {
  const { size, root } = openCheckpoint(checkpoint, TRUST)
  const bytes = Buffer.from(entry)
  verifyInclusion({ index, size, leafHash: hashLeaf(bytes), path: path.map((hash) => Buffer.from(hash, 'base64')), root })
  const parsed = parseEntry(bytes)
  if (parsed.kind !== 'signature' || parsed.id !== id) throw new Error('the receipt is of another signature')
}

/** Reads the whole log by its tiles and bundles, as a client does, and returns its head, its hashes and its entries. */
async function download(store: Store): Promise<TreeHead & Readonly<{ read: HashReader; entries: readonly Buffer[] }>> {
  const { size, root } = openCheckpoint(await store.checkpoint(), TRUST)
  const tiles = new Map<string, Buffer>()
  const entries: Buffer[] = []
  for (const tile of tilesOfTree(size)) {
    tiles.set(`${tile.level}/${tile.index}`, await store.tile(tile) as Buffer)
    if (tile.level === 0) entries.push(...parseBundle(await store.entries(tile) as Buffer, tile.width))
  }
  const read = createTileReader(size, ({ level, index }) => tiles.get(`${level}/${index}`) as Buffer)
  return { size, root, read, entries }
}

for (const { name: engine, skip, fresh } of ENGINES) {
  const test = (name: string, body: (t: Test) => Promise<void>) => void t.test(`${engine}: ${name}`, { skip, timeout: 120_000 }, body)

  test('an empty log has the checkpoint of an empty tree, no tile and no proof', async (t) => {
    const store = await (await fresh(t)).open()
    t.match(openCheckpoint(await store.checkpoint(), TRUST), { origin: TEST_LOG.origin, size: 0, root: naiveRoot([]) })
    t.equal(await store.tile({ level: 0, index: 0, width: 1 }), undefined)
    t.equal(await store.entries({ index: 0, width: 1 }), undefined)
    t.equal(await store.proof('3f1c1f0e-0000-4000-8000-000000000000'), undefined)
    t.match(await store.audit(), { intact: true, findings: [] })
  })

  test('every kind of entry is appended as it is formatted, in the order of its coming', async (t) => {
    const store = await (await fresh(t)).open()
    await Promise.all(SEVERAL.map(async (entry) => await store.append(entry)))
    const { entries, size } = await download(store)
    t.equal(size, SEVERAL.length)
    t.same(entries.map(String), SEVERAL.map((entry) => formatEntry(entry).toString()))
    await t.rejects(store.append({ kind: 'stop', at: 'today' }), { code: 'STORE_FAILED', cause: /log entry is not canonical/ })
    t.equal((await download(store)).size, SEVERAL.length)
  })

  test('tiles and bundles rebuild the tree of the definition, whatever was written together, and every state is consistent with those before', async (t) => {
    const database = await fresh(t)
    const store = await database.open()
    const heads: TreeHead[] = []
    for (const group of [1, 1, 2, 5, 30, 217, 1, 40, count(230, 600), 1, 3]) {
      await Promise.all(Array.from({ length: group }, async (_, at) => await store.append(SEVERAL[at % SEVERAL.length] as LogEntry)))
      heads.push(openCheckpoint(await store.checkpoint(), TRUST))
    }
    const { size, root, read, entries } = await download(store)
    t.same(root, naiveRoot(entries), 'the root is that of RFC 6962 over the entries')
    t.same(root, rangeRoot(readRange(size, read)), 'and that of the tiles')
    for (const first of heads) verifyConsistency({ first, second: { size, root }, path: consistencyProof({ first: first.size, second: size }, read) })
    for (let index = 0; index < size; index += count(37, 1)) verifyInclusion({ index, size, leafHash: hashLeaf(entries[index] as Buffer), path: inclusionProof({ index, size }, read), root })
    t.match(await store.audit(), { intact: true })
  })

  test('tiles and bundles are there as wide as the tree has them or less, and no wider', async (t) => {
    const store = await (await fresh(t)).open()
    await Promise.all(Array.from({ length: 300 }, async () => await store.append(SEVERAL[0] as LogEntry)))
    const full = await store.tile({ level: 0, index: 0, width: 256 })
    t.equal(full?.length, 256 * 32)
    t.same(await store.tile({ level: 0, index: 1, width: 44 }).then((tile) => tile?.subarray(0, 320)), await store.tile({ level: 0, index: 1, width: 10 }))
    t.equal((await store.tile({ level: 1, index: 0, width: 1 }))?.length, 32)
    t.equal(parseBundle(await store.entries({ index: 1, width: 7 }) as Buffer, 7).length, 7)
    for (const position of [{ level: 0, index: 1, width: 45 }, { level: 0, index: 2, width: 1 }, { level: 1, index: 0, width: 2 }, { level: 1, index: 1, width: 1 }, { level: 63, index: 0, width: 1 }]) t.equal(await store.tile(position), undefined)
    for (const position of [{ index: 1, width: 256 }, { index: 9, width: 1 }]) t.equal(await store.entries(position), undefined)
    t.equal(tileInTree(300, 0, 1)?.width, 44)
  })

  test('receipts verify, are the same when the signature is read at any later size, and are those that a replay answers', async (t) => {
    const database = await fresh(t)
    const store = await database.open()
    const signatures: Signature[] = []
    for (const group of [1, 2, 3, 40, 220, count(60, 300), 1]) {
      signatures.push(...await Promise.all(Array.from({ length: group }, async () => await recorded(store))))
      await store.append(SEVERAL[0] as LogEntry)
      for (const signature of signatures.filter((_, at) => at % count(23, 3) === 0)) t.strictSame((await store.get(signature.id))?.signature, signature)
    }
    for (const signature of signatures) verifyReceipt(signature)
    const page = await store.find({ limit: 1000 })
    t.strictSame(page.map(({ signature }) => signature), signatures.toReversed())
    await store.close()
    const again = await database.open()
    t.strictSame((await again.find({ limit: 1000 })).map(({ signature }) => signature), signatures.toReversed(), 'and after a restart')
  })

  test('a proof is against the newest checkpoint, brings its entry along, and verifies offline', async (t) => {
    const store = await (await fresh(t)).open()
    const signature = await recorded(store, { filesets: ['PkgA.rte', 'PkgA.adt'] })
    for (const [more, size] of [[0, 1], [1, 2], [300, 302]] as const) {
      await Promise.all(Array.from({ length: more }, async () => await store.append(SEVERAL[0] as LogEntry)))
      const text = await store.proof(signature.id) as string
      const { entry, index, checkpoint } = verifyProof({ proof: parseProof(text), trust: TRUST })
      t.strictSame([entry.toString(), index], [signature.receipt.entry, 0])
      t.ok(text.endsWith(await store.checkpoint()))
      t.equal(checkpoint.size, size)
    }
  })

  test('the entry of a signature says for whom, what and by which key, and nothing of where', async (t) => {
    const store = await (await fresh(t)).open()
    const { subject, signature } = recording({ filesets: ['PkgA.rte', 'PkgA.adt'], relativePath: 'secret folder/PkgA.bff' })
    const records = signature.records.map((record, at) => (at === 1 ? { ...record, signature: Buffer.alloc(256, 'other').toString('base64') } : record))
    const result = await store.record(subject, { ...signature, records })
    const entry = parseEntry(Buffer.from((result as Extract<typeof result, { kind: 'recorded' }>).signature.receipt.entry))
    const { id, filename, sha256, sizeBytes, keyid, algorithm, covers, source, format, signature: base64, signedAt } = signature
    t.strictSame(entry, {
      kind: 'signature', at: signedAt, client: 'release-bot', spki: SPKI, id, filename, sha256, sizeBytes, keyid, algorithm, covers, source, format, signature: base64,
      records: [
        { package: 'PkgA', fileset: 'PkgA.rte', vrmf: '1.0.0.0', ftype: 'I', timestamp: '1375425475' },
        { package: 'PkgA', fileset: 'PkgA.adt', vrmf: '1.0.0.0', ftype: 'I', timestamp: '1375425475', signature: records[1]?.signature },
      ],
    })
    t.notMatch(JSON.stringify(entry), /secret folder|nim/)
    t.strictSame((await store.get(id))?.signature.records, records)
  })

  test('begin says that a server starts, and its configuration and keys only where they differ from what the log says', async (t) => {
    const database = await fresh(t)
    const [c1, c2, k1, k2] = ['c1', 'c2', 'a1', 'a2'].map((text) => text.repeat(32)) as [string, string, string, string]
    const said = async (configurationSha256: string, keys: Readonly<Record<string, string>>, version?: string): Promise<LogEntry[]> => {
      const store = await database.open()
      const before = openCheckpoint(await store.checkpoint(), TRUST).size
      const started: Started = { at: AT, ...(version === undefined ? {} : { version }), configurationSha256, keys: new Map(Object.entries(keys)) }
      await store.begin(started)
      await store.close()
      const rows = await rowsOf(database, 'log_leaves')
      return rows.slice(before).map(({ entry }) => parseEntry(Buffer.from(entry as string)))
    }
    const start = { kind: 'start', at: AT, version: '1.2.3' }
    const key = (keyid: string, change: string, spkiSha256: string) => ({ kind: 'key', at: AT, keyid, change, spkiSha256 })
    const configuration = (sha256: string) => ({ kind: 'configuration', at: AT, sha256 })
    t.same(await said(c1, { 1001: k1, 1002: k2 }, '1.2.3'), [start, configuration(c1), key('1001', 'added', k1), key('1002', 'added', k2)])
    t.same(await said(c1, { 1001: k1, 1002: k2 }, '1.2.3'), [start])
    t.same(await said(c2, { 1001: k2, 1003: k1 }, '1.2.3'), [start, configuration(c2), key('1002', 'removed', k2), key('1001', 'changed', k2), key('1003', 'added', k1)])
    t.same(await said(c1, { 1001: k2, 1002: k1, 1003: k1 }, '1.2.3'), [start, configuration(c1), key('1002', 'added', k1)], 'what came back is new')
    t.same(await said(c1, {}, '1.2.3'), [start, key('1001', 'removed', k2), key('1003', 'removed', k1), key('1002', 'removed', k1)])
    t.same(await said(c2, { 1001: k1 }), [configuration(c2), key('1001', 'added', k1)], 'a configuration that is taken up is no start')
    t.match(await (await database.open()).audit(), { intact: true })
  })

  test('two replicas make one log', async (t) => {
    const database = await fresh(t)
    const stores = [await database.open(), await database.open()] as const
    const signatures = (await Promise.all(stores.map(async (store) => await Promise.all(Array.from({ length: 40 }, async () => await recorded(store)))))).flat()
    for (const signature of signatures) verifyReceipt(signature)
    t.strictSame(signatures.map(({ receipt: { index } }) => index).sort((one, other) => one - other), Array.from({ length: 80 }, (_, index) => index))
    t.equal(await stores[0].checkpoint(), await stores[1].checkpoint())
    t.match(await stores[0].audit(), { intact: true })
  })

  test('a part of the log that is gone answers STORE_FAILED', async (t) => {
    const database = await fresh(t)
    const store = await database.open()
    const { id } = await recorded(store)
    await Promise.all(Array.from({ length: 300 }, async () => await store.append(SEVERAL[0] as LogEntry)))
    await database.execute('delete from log_nodes')
    const gone = { code: 'STORE_FAILED', message: /^a part of the log is gone/ }
    await t.rejects(store.tile({ level: 1, index: 0, width: 1 }), gone)
    await database.execute('delete from log_leaves where leaf_index = 3')
    await t.rejects(store.tile({ level: 0, index: 0, width: 4 }), gone)
    await t.rejects(store.entries({ index: 0, width: 256 }), gone)
    await t.rejects(store.proof(id), gone)
    t.equal((await store.tile({ level: 0, index: 0, width: 3 }))?.length, 96)
  })

  test('nothing is signed when the head of the log is not what the server wrote', async (t) => {
    const database = await fresh(t)
    const store = await database.open()
    await recorded(store)
    const [head] = await rowsOf(database, 'log_head') as [Row]
    await spoilt(database, head, { seal: (head['seal'] as string).replace(/^./, (letter) => (letter === 'A' ? 'B' : 'A')) }, async () => {
      await t.rejects(recorded(store), { code: 'STORE_FAILED', message: /was not written by this server/ })
    })
    await spoilt(database, head, { size: 7 }, async () => {
      await t.rejects(store.append(SEVERAL[0] as LogEntry), { code: 'STORE_FAILED', message: /was not written by this server/ })
    })
    await recorded(store)
    await database.execute('delete from log_head')
    await t.rejects(recorded(store), { code: 'STORE_FAILED', message: /the head of the log is gone/ })
    await t.rejects(store.checkpoint(), { code: 'STORE_FAILED' })
    t.equal((await rowsOf(database, 'signatures')).length, 2)
  })
}

async function spoilt(database: TestDatabase, row: Row, changes: Row, body: () => Promise<void>): Promise<void> {
  await changeRow(database, 'log_head', row, changes)
  await body()
  await changeRow(database, 'log_head', row, row)
}

void t.test('a receipt that is asked for before the log was written is a mistake of the program', async (t) => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const leaves = createLeaves({ size: 0, hashes: [] }, { origin: 'a', privateKey, verifierKey: '' })
  t.throws(() => leaves.receipt(leaves.add(SEVERAL[0] as LogEntry)), { code: 'INTERNAL' })
})
