import { execFile, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import {
  createTileReader, formatTilePath, hashLeaf, openCheckpoint, parseBundle, parseEntry, parseProof, parseTile, parseVerifierKey, rangeRoot, readRange, tileInTree, tilesOfTree, verifyConsistency, verifyProof, consistencyProof,
  type Checkpoint, type VerifierKey,
} from '../../../formats/index.ts'
import type { LogAudit } from '../../../server/schemas/log.ts'
import type { BatchAnswer } from '../../../server/schemas/sign.ts'
import type { Signature } from '../../../server/schemas/signature.ts'
import { clientNamed, makeApp, type TestApp } from '../../helpers/app.ts'
import { clientOf } from '../../helpers/client.ts'
import { startInProcess } from '../../helpers/in-process.ts'
import { naiveRoot } from '../../helpers/naive-tree.ts'
import { putPackage } from '../../helpers/packages.ts'
import { testPki } from '../../helpers/pki.ts'

const run = promisify(execFile)
const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined
const needsTools = ['curl', 'openssl', 'python3', 'sh'].every(has) ? false : 'skipped: there is no curl, openssl or python3 on this machine'

async function scene(t: Test, change: Parameters<typeof makeApp>[1] = () => ({})): Promise<TestApp> {
  return await makeApp(t, (deps) => ({ policy: [clientNamed('bot', { digestOnly: true })], bodyBytes: 1_000_000, ...change(deps) }))
}

async function signMany({ app }: TestApp, total: number): Promise<readonly Signature[]> {
  const items = Array.from({ length: total }, (_, index) => ({ digest: { sha256: randomBytes(32).toString('hex') }, sizeBytes: index, filename: `file-${index}` }))
  const answer = await app.inject({ method: 'POST', url: '/sign', payload: { items } })
  return answer.json<BatchAnswer>().items.map(({ signature }) => signature as Signature)
}

async function bytesAt({ app }: TestApp, path: string): Promise<Buffer> {
  const answer = await app.inject(`/log/${path}`)
  if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.body}`)
  return answer.rawPayload
}

async function keyOf(test: TestApp): Promise<VerifierKey> {
  return parseVerifierKey((await bytesAt(test, 'key')).toString().trimEnd())
}

/** Fetches all of the log as C2SP says it, and returns its checkpoint, its entries and a reader of its hashes: nothing of the server's own is used. */
async function fetchLog(test: TestApp, key: VerifierKey): Promise<Readonly<{ checkpoint: Checkpoint; entries: readonly Buffer[]; read: ReturnType<typeof createTileReader> }>> {
  const checkpoint = openCheckpoint(await bytesAt(test, 'checkpoint'), { keys: [key] })
  const tiles = new Map<string, Buffer>()
  const entries: Buffer[] = []
  for (const position of tilesOfTree(checkpoint.size)) {
    const path = formatTilePath({ kind: 'hashes', ...position })
    tiles.set(path, await bytesAt(test, path))
    if (position.level === 0) entries.push(...parseBundle(await bytesAt(test, formatTilePath({ kind: 'entries', ...position })), position.width))
  }
  return { checkpoint, entries, read: createTileReader(checkpoint.size, (position) => tiles.get(formatTilePath({ kind: 'hashes', ...position })) as Buffer) }
}

void t.test('the tree that tiles and entries give is that of the checkpoint, at every size, and each continues the one before', async (t) => {
  const test = await scene(t)
  const key = await keyOf(test)
  let before: Checkpoint | undefined
  // Around the edges of a tile, and with a second level.
  for (const more of [1, 2, 251, 1, 1, 1, 260]) {
    const made = await signMany(test, more)
    const { checkpoint, entries, read } = await fetchLog(test, key)
    const { size, root } = checkpoint
    t.equal(entries.length, size)
    t.ok(rangeRoot(readRange(size, read)).equals(root), `the tiles of ${size} entries`)
    t.ok(naiveRoot(entries).equals(root), 'the entries, by the definition of the RFC')
    t.ok(entries.every((entry, index) => hashLeaf(entry).equals(read(0, index))), 'each entry hashes to its leaf')
    const { id, receipt } = made.at(-1) as Signature
    t.match(parseEntry(entries[receipt.index] as Buffer), { kind: 'signature', id, client: 'bot' })
    t.equal(entries[receipt.index]?.toString(), receipt.entry)
    if (before !== undefined) verifyConsistency({ first: before, second: checkpoint, path: consistencyProof({ first: before.size, second: size }, read) })
    before = checkpoint
  }
  t.ok((before?.size ?? 0) > 512)
})

void t.test('a proof and a receipt lead from the signature to a checkpoint, offline', async (t) => {
  const test = await scene(t)
  const trust = { keys: [await keyOf(test)] as const }
  for (const { id, filename, receipt } of await signMany(test, 5)) {
    const answer = await test.app.inject(`/signatures/${id}/proof`)
    t.match(answer.headers, { 'content-type': 'text/plain; charset=utf-8', 'content-disposition': `attachment; filename="${filename}.tlog-proof"; filename*=UTF-8''${filename}.tlog-proof` })
    const proven = verifyProof({ proof: parseProof(answer.rawPayload), trust })
    t.match(parseEntry(proven.entry), { kind: 'signature', id, filename })
    const path = receipt.path.map((hash) => Buffer.from(hash, 'base64'))
    const received = verifyProof({ proof: { index: receipt.index, path, checkpoint: receipt.checkpoint }, trust, entry: Buffer.from(receipt.entry) })
    t.equal(received.index, proven.index)
  }
  const before = await test.app.inject('/signatures/00000000-0000-4000-8000-000000000000/proof')
  t.match(before.json(), { status: 404, code: 'SIGNATURE_NOT_FOUND' })
  await t.rejects(test.deps.store.proof('00000000-0000-4000-8000-000000000000').then((proof) => proof ?? Promise.reject(new Error('none'))), { message: 'none' })
})

void t.test('tiles may be kept for ever, the checkpoint and what is not there may not', async (t) => {
  const test = await scene(t)
  await signMany(test, 257)
  const ever = { 'cache-control': 'private, max-age=31536000, immutable', 'content-type': 'application/octet-stream' }
  for (const path of ['0/000', '0/000.p/1', '0/000.p/255', '0/001.p/1', '1/000.p/1', 'entries/000', 'entries/000.p/3']) t.match(await test.app.inject(`/log/tile/${path}`), { statusCode: 200, headers: ever }, path)
  t.match((await test.app.inject('/log/checkpoint')).headers, { 'cache-control': 'no-store', 'content-type': 'text/plain; charset=utf-8' })
  t.match((await test.app.inject('/log/key')).headers, { 'cache-control': 'no-store', 'content-type': 'text/plain; charset=utf-8' })
  t.match(await test.app.inject('/log/tile/0/001.p/200'), { statusCode: 404, headers: { 'cache-control': 'no-store' } })
  const partial = await bytesAt(test, 'tile/0/000.p/17')
  t.ok(partial.equals((await bytesAt(test, 'tile/0/000')).subarray(0, 17 * 32)), 'a partial tile is the beginning of the full one')
  const early = await bytesAt(test, 'tile/0/001.p/1')
  await signMany(test, 300)
  t.ok(early.equals(await bytesAt(test, 'tile/0/001.p/1')), 'a partial tile stays what it was')
  t.equal(parseTile(await bytesAt(test, 'tile/0/001'), 256).length, 256)
})

void t.test('a path in any other spelling, or of what the tree does not have, is TILE_NOT_FOUND', async (t) => {
  const test = await scene(t)
  await signMany(test, 3)
  const { size } = openCheckpoint(await bytesAt(test, 'checkpoint'), { keys: [await keyOf(test)] })
  const width = tileInTree(size, 0, 0)?.width as number
  t.equal((await test.app.inject(`/log/tile/0%2F000.p%2F${width}`)).statusCode, 200, 'a client that encodes the slashes is understood')
  const hostile = [
    '', '0', '0/', '/0/000', '0/000', `0/000.p/${width + 1}`, '0/000.p/0', '0/000.p/256', '0/000.p/01', '0/000.p/-1', '0/000.p/1e0', '0/000.p/', '0/000.p', '0/00', '0/0000', '0/x000', '0/x000/000', '0/001', '00/000', '-1/000',
    '1/000.p/1', '63/000.p/1', '64/000.p/1', '0/x999/x999/x999/x999/x999/999', '63/x009/x007/x199/x254/x740/991.p/1', 'entries', 'entries/', 'entries/000', 'entries/001.p/1', 'entries/000.p/255', 'ENTRIES/000.p/1',
    '0/000.p/1/', '0/000.p/1/..', '0/%2e%2e/000', '..%2f..%2fetc%2fpasswd', '%00', '0/000.p/1%00', '0/%EF%BC%90%EF%BC%90%EF%BC%90', '0//000', 'x'.repeat(5000), '0/000.p/1%20', '%200/000.p/1', '0/000.p/1%0a', '*', '{tile}', 'data/000', '0/000.p/1.5', '０/000',
  ]
  for (const path of hostile) {
    const answer = await test.app.inject(`/log/tile/${path}`)
    t.match(answer, { statusCode: 404, headers: { 'cache-control': 'no-store', 'content-type': 'application/problem+json' } }, path)
    t.equal(answer.json<{ code: string }>().code, 'TILE_NOT_FOUND', path)
  }
  t.match((await test.app.inject('/log/tile/%zz')).json(), { code: 'REQUEST_MALFORMED' })
  t.match((await test.app.inject('/log/tile/0/000.p/1?x=1')).json(), { code: 'REQUEST_INVALID' })
  t.match((await test.app.inject('/log/tile')).json(), { code: 'ROUTE_NOT_FOUND' })
})

void t.test('bundles of entries are compressed for those who ask, and for nobody else', async (t) => {
  const test = await scene(t)
  await signMany(test, 20)
  const url = '/log/tile/entries/000.p/20'
  const plain = await test.app.inject(url)
  t.notOk('content-encoding' in plain.headers)
  t.equal(plain.headers['vary'], 'accept-encoding')
  const packed = await test.app.inject({ url, headers: { 'accept-encoding': 'br, gzip' } })
  t.match(packed.headers, { 'content-encoding': 'gzip', vary: 'accept-encoding', 'content-type': 'application/octet-stream' })
  t.ok(packed.rawPayload.length < plain.rawPayload.length)
  t.ok(gunzipSync(packed.rawPayload).equals(plain.rawPayload))
  const hashes = await test.app.inject({ url: '/log/tile/0/000.p/20', headers: { 'accept-encoding': 'gzip' } })
  t.notOk('content-encoding' in hashes.headers, 'hashes do not get shorter')
})

void t.test('the server audits itself, one audit at a time', async (t) => {
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  let audits = 0
  const test = await scene(t, ({ store }) => ({
    store: new Proxy(store, { get: (target, name) => {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (name !== 'audit') return member.bind(target) as unknown
      return async () => {
        audits += 1
        if (audits === 1) await held
        if (audits === 2) throw new Error('broken')
        return await target.audit()
      }
    } }),
  }))
  await signMany(test, 2)
  const first = test.app.inject('/log/audit').then((answer) => answer)
  const second = await test.app.inject('/log/audit')
  t.match(second, { statusCode: 503, headers: { 'retry-after': '1' } })
  t.match(second.json(), { code: 'SERVER_BUSY', retryable: true })
  release()
  const answer = (await first).json<LogAudit>()
  t.match(answer, { intact: true, findings: [] })
  t.ok(openCheckpoint(answer.checkpoint, { keys: [await keyOf(test)] }).size >= 2)
  t.match((await test.app.inject('/log/audit')).json(), { code: 'INTERNAL' })
  t.match((await test.app.inject('/log/audit')).json(), { intact: true }, 'a failed audit is not in the way of the next')
})

void t.test('the commands of docs/formats/log.md check the log without our code', { skip: needsTools }, async (t) => {
  const running = await startInProcess(t)
  const client = await clientOf(t, running.url)
  for (const name of ['PkgA', 'PkgB', 'PkgC']) await client.sign({ path: putPackage(running.place.root, name) })
  const me = join(running.place.folder, 'me')
  mkdirSync(me)
  const { certPath, keyPath, caPath } = (await testPki()).clients['release-bot']
  for (const [source, target] of [[certPath, 'client.pem'], [keyPath, 'client.key'], [caPath, 'ca.pem']] as const) copyFileSync(source, join(me, target))
  const page = readFileSync('docs/formats/log.md', 'utf8')
  const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, text = '']) => text)
  t.ok(blocks.length >= 3)
  const script = blocks.join('\n').replace(/^me=.*$/m, `me='${me}' log='${running.url}/log'`)
  const cwd = join(running.place.folder, 'checked')
  mkdirSync(cwd)
  const { stdout } = await run('sh', ['-euc', script], { cwd })
  t.match(stdout, /^Signature Verified Successfully\n\d+ entries, and their root is that of the checkpoint\n$/)
  const { size } = openCheckpoint(readFileSync(join(cwd, 'checkpoint')), { keys: [parseVerifierKey(readFileSync(join(cwd, 'key'), 'utf8').trimEnd())] })
  t.ok(stdout.includes(`\n${size} entries`) && size >= 3)
})
