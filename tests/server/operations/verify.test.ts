import { createHash, createPrivateKey, createSign, createVerify, generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { formatDsb, formatDscScript, formatSignatureFile, writePackage } from '../../../formats/index.ts'
import { judgeGiven } from '../../../server/operations/judge.ts'
import { OPERATIONS } from '../../../server/schemas/whoami.ts'
import type { Signature } from '../../../server/schemas/signature.ts'
import { INVALID_REASONS, type GivenSignature, type Verification } from '../../../server/schemas/verify.ts'
import { INSTALLED_PATH, withBlock } from '../../helpers/blocks.ts'
import { clientOf, problemIn, type Client } from '../../helpers/client.ts'
import { startInProcess } from '../../helpers/in-process.ts'
import { packageSource, putPackage } from '../../helpers/packages.ts'
import { openedKey, rsaKeyPair } from '../../helpers/signables.ts'

const PACKAGE = writePackage(packageSource('PkgA'))
const FILESETS = [{ fileset: 'PkgB.rte', vrmf: '1.0.0.0' }, { fileset: 'PkgB.adt', vrmf: '7.3.2.10' }]
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const larger = generateKeyPairSync('rsa', { modulusLength: 3072 })

type Scene = Readonly<{ client: Client; reader: Client; root: string; privateKey: ReturnType<typeof createPrivateKey>; put: (name: string, bytes: Uint8Array) => string }>

/** A server whose `release-bot` signs with key 1001, and whose `auditor` may verify and see everything; key 1002 is nobody's but the auditor's. */
async function scene(t: Test): Promise<Scene> {
  const client = (name: string, changes: object) => ({ name, match: { san: `URI:urn:example:${name}` }, allow: [...OPERATIONS], keys: ['1001'], roots: ['nim'], digestOnly: true, ...changes })
  const running = await startInProcess(t, { limits: { fileBytes: 100_000 } }, ({ folder }) => {
    writeFileSync(join(folder, '1002.pem'), larger.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    return {
      keys: [{ keyid: '1001', kind: 'file', path: '1001.pem', installedPath: INSTALLED_PATH }, { keyid: '1002', kind: 'file', path: '1002.pem' }],
      clients: [client('release-bot', {}), client('auditor', { sees: 'all', keys: ['1001', '1002'] })],
    }
  })
  const { root, privateKeyPath } = running.place
  const put = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(root, name), bytes)
    return join(root, name)
  }
  return { client: await clientOf(t, running.url), reader: await clientOf(t, running.url, 'auditor'), root, privateKey: createPrivateKey(readFileSync(privateKeyPath)), put }
}

const signed = async (client: Client, path: string): Promise<Signature> => Object.values((await client.sign({ path })).signatures)[0] as Signature
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const digestOf = (bytes: Uint8Array) => ({ sha256: createHash('sha256').update(bytes).digest('hex') })

/** The same signature in every form, as a request hands it over. */
function formsOf({ signature, records }: Signature): readonly GivenSignature[] {
  const block = formatDsb({ signature: Buffer.from(signature, 'base64'), key: { form: 'LOC', path: INSTALLED_PATH } })
  return [
    { form: 'sig', value: signature }, { form: 'record', value: formatSignatureFile(records) },
    { form: 'dsb', value: base64(block) }, { form: 'dsc', value: formatDscScript(records) },
  ]
}

void test('a signature is valid in every form, over a path, a digest and an upload, and says which key, when and for whom', async (t) => {
  const { client, root } = await scene(t)
  const path = putPackage(root, 'PkgB', { filesets: FILESETS })
  const bytes = readFileSync(path)
  const made = await signed(client, path)
  const known = { valid: true, keyid: '1001', signedAt: made.signedAt, id: made.id, client: 'release-bot' }
  for (const given of formsOf(made)) {
    const records = given.form === 'record' || given.form === 'dsc' ? { records: made.records } : {}
    t.strictSame(await client.verify({ path, signature: given }), { ...known, ...records }, `${given.form} over a path`)
    t.strictSame(await client.verify({ digest: digestOf(bytes), signature: given }), { ...known, ...records }, `${given.form} over a digest`)
    const upload = await client.upload({ filename: 'PkgB.bff', ...given }, bytes, { path: '/verify' })
    t.strictSame([upload.status, JSON.parse(upload.text)], [200, { ...known, ...records }], `${given.form} over an upload`)
  }
  const catalogued = { ...known, records: made.records }
  t.strictSame(await client.verify({ path }), catalogued, 'without a signature the catalogue is asked')
  t.strictSame(await client.verify({ digest: digestOf(bytes) }), catalogued)
  t.strictSame(JSON.parse((await client.upload({ filename: 'PkgB.bff' }, bytes, { path: '/verify' })).text), catalogued)
})

void test('every reason is reached', async (t) => {
  const { client, root, put, privateKey } = await scene(t)
  const path = putPackage(root, 'PkgB', { filesets: FILESETS })
  const made = await signed(client, path)
  const [{ value: sig }, { value: record }] = formsOf(made) as [GivenSignature, GivenSignature]
  const bytes = readFileSync(path)
  const tampered = Buffer.from(bytes)
  tampered.writeUInt8(tampered.readUInt8(tampered.length - 600) ^ 1, tampered.length - 600)
  const header = Buffer.from(bytes)
  header.writeUInt8(header.readUInt8(12) ^ 1, 12)
  const wrong = base64(createSign('RSA-SHA256').update(bytes).sign(other.privateKey))
  const withOther = (changes: Partial<Signature['records'][number]>) => formatSignatureFile(made.records.map((each) => ({ ...each, ...changes })))
  const rows: readonly (readonly [string, Verification['reason'], Parameters<Client['verify']>[0], string?])[] = [
    ['nothing to go by', 'NO_SIGNATURE', { path: put('PkgA.bff', PACKAGE) }],
    ['no text of base64', 'SIGNATURE_MALFORMED', { path, signature: { form: 'sig', value: 'not base64!' } }],
    ['base64 with blanks', 'SIGNATURE_MALFORMED', { path, signature: { form: 'sig', value: `${sig.slice(0, 76)} ${sig.slice(76)}` } }],
    ['base64 with line ends', 'SIGNATURE_MALFORMED', { path, signature: { form: 'sig', value: `${sig.slice(0, 64)}\n${sig.slice(64)}` } }],
    ['base64 without padding', 'SIGNATURE_MALFORMED', { path, signature: { form: 'sig', value: sig.replace(/=+$/, '') } }],
    ['base64 of the URL alphabet', 'SIGNATURE_MALFORMED', { path, signature: { form: 'sig', value: base64(Buffer.alloc(256, 0xff)).replaceAll('/', '_') } }],
    ['base64 with stray bits', 'SIGNATURE_MALFORMED', { path, signature: { form: 'sig', value: sig.replace(/.==$/, 'B==') } }],
    ['a record without padding', 'SIGNATURE_MALFORMED', { path, signature: { form: 'record', value: record.replaceAll('==', '') } }],
    ['a record of six fields', 'SIGNATURE_MALFORMED', { path, signature: { form: 'record', value: 'PkgB:PkgB.rte:1.0.0.0:I:1001:1\n' } }],
    ['a signature file without a record', 'SIGNATURE_MALFORMED', { path, signature: { form: 'record', value: '#package\n' } }],
    ['a script that does more', 'SIGNATURE_MALFORMED', { path, signature: { form: 'dsc', value: `${formatDscScript(made.records)}rm -rf /\n` } }],
    ['a block that is none', 'DSB_MALFORMED', { path, signature: { form: 'dsb', value: base64(Buffer.alloc(1024)) } }],
    ['a damaged block at the end', 'DSB_MALFORMED', { path: put('damaged-block', Buffer.concat([PACKAGE, Buffer.from('INUTUEYE')])) }],
    ['a block behind a block', 'DSB_STACKED', { path: put('stacked', withBlock(withBlock(PACKAGE, privateKey), privateKey)) }],
    ['a signature of the right length by another key', 'SIGNATURE_WRONG', { path, signature: { form: 'sig', value: wrong } }],
    ['256 arbitrary bytes', 'SIGNATURE_WRONG', { path, signature: { form: 'sig', value: base64(Buffer.alloc(256, 7)) } }],
    ['one byte less', 'SIGNATURE_WRONG', { path, signature: { form: 'sig', value: base64(Buffer.from(sig, 'base64').subarray(1)) } }],
    ['one byte more', 'SIGNATURE_WRONG', { path, signature: { form: 'sig', value: base64(Buffer.concat([Buffer.from(sig, 'base64'), Buffer.alloc(1)])) } }],
    ['a block by another key', 'SIGNATURE_WRONG', { path: put('foreign-block', withBlock(PACKAGE, other.privateKey)) }],
    ['a record with a wrong signature', 'SIGNATURE_WRONG', { path, signature: { form: 'record', value: withOther({ signature: wrong }) } }, '1001'],
    ['a payload with one bit changed', 'DIGEST_DIFFERS', { path: put('tampered', tampered), signature: { form: 'sig', value: sig } }, '1001'],
    ['a header with one bit changed', 'DIGEST_DIFFERS', { path: put('header', header), signature: { form: 'sig', value: sig } }, '1001'],
    ['another file', 'DIGEST_DIFFERS', { digest: digestOf(PACKAGE), signature: { form: 'record', value: record } }, '1001'],
    ['a block that was cut from another package', 'DIGEST_DIFFERS', { path: put('moved-block', Buffer.concat([bytes, withBlock(PACKAGE, privateKey).subarray(-1024)])) }, '1001'],
    ['a keyid nobody knows', 'KEY_UNKNOWN', { path, signature: { form: 'record', value: withOther({ keyid: '9999' }) } }, '9999'],
    ['a keyid of others', 'KEY_UNKNOWN', { path, signature: { form: 'record', value: withOther({ keyid: '1002' }) } }, '1002'],
    ['a record of another fileset', 'RECORD_MISMATCH', { path, signature: { form: 'record', value: withOther({ fileset: 'PkgB.other' }) } }, '1001'],
    ['a record of another level', 'RECORD_MISMATCH', { path, signature: { form: 'record', value: withOther({ vrmf: '1.0.0.1' }) } }, '1001'],
    ['a record of another package', 'RECORD_MISMATCH', { path, signature: { form: 'record', value: withOther({ package: 'PkgC' }) } }, '1001'],
    ['a record of another type', 'RECORD_MISMATCH', { path, signature: { form: 'record', value: withOther({ ftype: 'S' }) } }, '1001'],
  ]
  for (const [name, reason, request, keyid] of rows) {
    t.strictSame(await client.verify(request), { valid: false, reason, ...(keyid === undefined ? {} : { keyid }) }, name)
  }
  // Of keys that sign whole files, and of keys that are revoked: whole-file.test.ts, key-life.test.ts.
  t.strictSame([...new Set(rows.map(([, reason]) => reason)), 'CONTENT_NEEDED', 'KEY_REVOKED'].sort(), [...INVALID_REASONS].sort())
})

void test('the block at the end of a package is verified over the bytes before it, whatever became of the package', async (t) => {
  const { client, put, privateKey } = await scene(t)
  t.strictSame(await client.verify({ path: put('good', withBlock(PACKAGE, privateKey)) }), { valid: true, keyid: '1001' })
  const changedMagic = withBlock(PACKAGE, privateKey)
  changedMagic.writeUInt8(0, 0)
  t.match(await client.verify({ path: put('magic', changedMagic) }), { valid: false, reason: 'DIGEST_DIFFERS', keyid: '1001' })
  const fix = Buffer.from([0x1f, 0x9d, 1, 2, 3])
  const detached = await signed(client, put('fix.epkg.Z', fix))
  t.strictSame(await client.verify({ digest: digestOf(fix) }), { valid: true, keyid: '1001', signedAt: detached.signedAt, id: detached.id, client: 'release-bot' }, 'a detached signature of the catalogue has no records')
  t.strictSame(await client.verify({ path: put('text', withBlock(Buffer.from('no package at all'), privateKey)) }), { valid: true, keyid: '1001' })
  const block = withBlock(PACKAGE, privateKey).subarray(-1024)
  t.match(await client.verify({ path: put('alone', block) }), { valid: false, reason: 'DSB_MALFORMED' }, 'a block without a package')
})

void test('a block of RSA-3072 is padded with NULs, which only a block may be', async (t) => {
  const { reader, put } = await scene(t)
  const bytes = withBlock(PACKAGE, larger.privateKey)
  t.strictSame(await reader.verify({ path: put('larger', bytes) }), { valid: true, keyid: '1002' })
  const region = bytes.subarray(PACKAGE.length + 256, PACKAGE.length + 768)
  t.ok(createVerify('RSA-SHA256').update(PACKAGE).verify(larger.publicKey, region.subarray(0, 384)))
  t.match(await reader.verify({ digest: digestOf(PACKAGE), signature: { form: 'sig', value: base64(region) } }), { valid: false, reason: 'SIGNATURE_WRONG' })
})

void test('who made it is told to those who may know: the client itself, and one that sees all', async (t) => {
  const { client, reader, root } = await scene(t)
  const path = putPackage(root, 'PkgB', { filesets: FILESETS })
  const own = await signed(client, path)
  t.match(await reader.verify({ path }), { valid: true, id: own.id, client: 'release-bot' })
  const foreign = (await reader.sign({ path, keyid: '1001', force: true })).signatures['PkgB.1.0.0.0.bff'] as Signature
  t.match(await client.verify({ path }), { id: own.id, client: 'release-bot' }, 'its own is found behind the newer one')
  const second = putPackage(root, 'PkgC')
  const hidden = (await reader.sign({ path: second, keyid: '1001' })).signatures['PkgC.1.0.0.0.bff'] as Signature
  const { records, ...seen } = await client.verify({ path: second })
  t.strictSame(seen, { valid: true, keyid: '1001', signedAt: hidden.signedAt }, 'when, and not for whom')
  t.strictSame(records, hidden.records)
  t.equal((await client.ask(`/signatures/${foreign.id}`)).status, 404)
  t.equal((await reader.ask(`/signatures/${own.id}`)).status, 200)
  const secret = (await reader.sign({ path: second, keyid: '1002' })).signatures['PkgC.1.0.0.0.bff'] as Signature
  t.match(await client.verify({ path: second, signature: { form: 'sig', value: secret.signature } }), { valid: false, reason: 'SIGNATURE_WRONG' }, 'a key that the client may not use is no key')
})

void test('what is no fault of the signature is no answer about it', async (t) => {
  const { client, put } = await scene(t)
  t.match(problemIn(await client.ask('/verify', { method: 'POST', body: { path: put('large', Buffer.alloc(200_000)) } })), { status: 413, code: 'FILE_TOO_LARGE' })
  t.match(problemIn(await client.upload({ filename: 'large' }, Buffer.alloc(200_000), { path: '/verify' })), { status: 413, code: 'FILE_TOO_LARGE' })
  const key = { ...openedKey('file', rsaKeyPair()), get publicKey(): never { throw new TypeError('a fault of ours') } }
  await t.rejects(judgeGiven({ sha256: Buffer.alloc(32) }, { form: 'sig', value: base64(Buffer.alloc(256)) }, [key]), { message: 'a fault of ours' })
})

void test('requests that make no sense are refused with their code', async (t) => {
  const { client, root } = await scene(t)
  const path = putPackage(root)
  const rows: readonly (readonly [string, number, string, () => ReturnType<Client['ask']>])[] = [
    ['both a path and a digest', 400, 'REQUEST_INVALID', async () => await client.ask('/verify', { method: 'POST', body: { path, digest: { sha256: '0'.repeat(64) } } })],
    ['neither', 400, 'REQUEST_INVALID', async () => await client.ask('/verify', { method: 'POST', body: {} })],
    ['no object', 400, 'REQUEST_INVALID', async () => await client.ask('/verify', { method: 'POST', body: 'null' })],
    ['upper case in a digest', 400, 'REQUEST_INVALID', async () => await client.ask('/verify', { method: 'POST', body: { digest: { sha256: 'A'.repeat(64) } } })],
    ['a form that nobody knows', 400, 'REQUEST_INVALID', async () => await client.ask('/verify', { method: 'POST', body: { path, signature: { form: 'pgp', value: 'x' } } })],
    ['an upload with half a signature', 400, 'REQUEST_INVALID', async () => await client.upload({ filename: 'x', form: 'sig' }, PACKAGE, { path: '/verify' })],
    ['an upload with the other half', 400, 'REQUEST_INVALID', async () => await client.upload({ filename: 'x', value: 'x' }, PACKAGE, { path: '/verify' })],
    ['an upload without a name', 400, 'REQUEST_INVALID', async () => await client.upload({}, PACKAGE, { path: '/verify' })],
    ['a file name for a path', 400, 'REQUEST_INVALID', async () => await client.ask('/verify?filename=x', { method: 'POST', body: { path } })],
    ['a keyid, which has no meaning here', 400, 'REQUEST_INVALID', async () => await client.upload({ filename: 'x', keyid: '1001' }, PACKAGE, { path: '/verify' })],
    ['a name with a separator', 422, 'FILE_NAME_REFUSED', async () => await client.upload({ filename: '../x' }, PACKAGE, { path: '/verify' })],
    ['a path outside', 403, 'PATH_OUTSIDE_ROOTS', async () => await client.ask('/verify', { method: 'POST', body: { path: '/etc/passwd' } })],
    ['a directory', 422, 'FILE_KIND_REFUSED', async () => await client.ask('/verify', { method: 'POST', body: { path: root } })],
  ]
  for (const [name, status, code, ask] of rows) t.match(problemIn(await ask()), { status, code }, name)
})
