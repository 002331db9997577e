import { execFile, spawnSync } from 'node:child_process'
import { createVerify, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import type { Test } from 'tap'
import { formatDsb, parseDscScript, parseSignatureFile, writePackage } from '../../../formats/index.ts'
import { exportSignature } from '../../../server/operations/export-signature.ts'
import { OPERATIONS } from '../../../server/schemas/whoami.ts'
import { exampleReceipt } from '../../../server/schemas/receipt.ts'
import type { Signature } from '../../../server/schemas/signature.ts'
import type { Store } from '../../../server/store/store.ts'
import { withBlock } from '../../helpers/blocks.ts'
import { recording } from '../../helpers/store.ts'
import { clientOf, problemIn, type Answer, type Client } from '../../helpers/client.ts'
import { startInProcess } from '../../helpers/in-process.ts'
import { packageSource, putPackage } from '../../helpers/packages.ts'
import { issueSelfSigned } from '../../helpers/self-signed.ts'
import { openedKey, rsaKeyPair } from '../../helpers/signables.ts'

const run = promisify(execFile)
const needsOpenssl = spawnSync('openssl', ['version']).status === 0 ? false : 'openssl is not on this machine'
const BITS = [2048, 3072, 4096] as const
const pairs = BITS.map((modulusLength) => generateKeyPairSync('rsa', { modulusLength }))
const keyidOf = (bits: number): string => String(bits)

type Scene = Readonly<{ client: Client; auditor: Client; root: string; folder: string }>

/** A server with a key of each size, named by its bits, and a key 7 that is installed nowhere. */
async function scene(t: Test, dsb: object = {}): Promise<Scene> {
  const running = await startInProcess(t, {}, ({ folder }) => {
    for (const [index, bits] of BITS.entries()) writeFileSync(join(folder, `${bits}.pem`), pairs[index]?.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, { mode: 0o600 })
    const keys = BITS.map((bits) => ({ keyid: keyidOf(bits), kind: 'file', path: `${bits}.pem`, installedPath: `/etc/security/certificates/${bits}.pem` }))
    const common = { allow: [...OPERATIONS], keys: [...BITS.map(keyidOf), '7'], roots: ['nim'], digestOnly: true }
    return {
      dsb,
      keys: [...keys, { keyid: '7', kind: 'file', path: '1001.pem' }],
      clients: [{ ...common, name: 'release-bot', match: { san: 'URI:urn:example:release-bot' } }, { ...common, name: 'auditor', match: { san: 'URI:urn:example:auditor' } }],
      formats: { accept: ['installp', 'compress', 'other'] },
    }
  })
  const { root, folder } = running.place
  return { client: await clientOf(t, running.url), auditor: await clientOf(t, running.url, 'auditor'), root, folder }
}

async function signed(client: Client, path: string, keyid: string): Promise<Signature> {
  return Object.values((await client.sign({ path, keyid })).signatures)[0] as Signature
}

async function exported(client: Client, { id }: Signature, form: string): Promise<Answer> {
  return await client.ask(`/signatures/${id}/${form}`)
}

void test('every form of every key size holds the same signature, which node:crypto and openssl accept', async (t) => {
  const { client, root, folder } = await scene(t)
  const filesets = [{ fileset: 'PkgB.rte', vrmf: '1.0.0.0' }, { fileset: 'PkgB.adt', vrmf: '7.3.2.10' }]
  const path = putPackage(root, 'PkgB', { filesets })
  const bytes = readFileSync(path)
  for (const [index, bits] of BITS.entries()) {
    const publicKey = pairs[index]?.publicKey as KeyObject
    const made = await signed(client, path, keyidOf(bits))
    const [record, sig, dsb, dsc] = (await Promise.all(['record', 'sig', 'dsb', 'dsc'].map(async (form) => await exported(client, made, form)))) as [Answer, Answer, Answer, Answer]
    t.strictSame([record, sig, dsb, dsc].map(({ status }) => status), [200, 200, 200, 200])
    t.strictSame([record, sig, dsb, dsc].map(({ headers }) => headers['content-type']), ['text/plain; charset=utf-8', 'application/octet-stream', 'application/octet-stream', 'text/x-shellscript; charset=utf-8'])
    t.strictSame([record, sig, dsb, dsc].map(({ headers }) => headers['content-disposition']), ['signature', 'sig', 'dsb', 'dsc.sh'].map((end) => `attachment; filename="PkgB.1.0.0.0.bff.${end}"; filename*=UTF-8''PkgB.1.0.0.0.bff.${end}`))
    t.strictSame(parseSignatureFile(record.bytes), made.records)
    t.strictSame(parseDscScript(dsc.bytes), made.records)
    t.equal(sig.bytes.length, bits / 8)
    t.ok(createVerify('RSA-SHA256').update(bytes).verify(publicKey, sig.bytes))
    t.equal(dsb.bytes.length, bits === 2048 ? 1024 : 1280)
    t.same(dsb.bytes, formatDsb({ signature: sig.bytes, key: { form: 'LOC', path: `/etc/security/certificates/${bits}.pem` } }))
    await t.test(`openssl accepts the signatures of RSA-${bits}`, { skip: needsOpenssl }, async (t) => {
      const pem = join(folder, `${bits}.pub`)
      writeFileSync(pem, (await client.ask(`/keys/${bits}/public.pem`)).bytes)
      writeFileSync(join(folder, 'attached'), Buffer.concat([bytes, dsb.bytes]))
      // By plain dd, as an administrator would: the signature region starts 256 bytes into the block and is padded to a multiple of 256.
      const blocks = dsb.bytes.length / 256 - 3
      await run('dd', [`if=${join(folder, 'attached')}`, `of=${join(folder, 'cut')}`, 'bs=256', `skip=${bytes.length / 256 + 1}`, `count=${blocks}`])
      writeFileSync(join(folder, 'sig'), sig.bytes)
      writeFileSync(join(folder, 'record'), Buffer.from(parseSignatureFile(record.bytes)[0]?.signature as string, 'base64'))
      for (const file of ['sig', 'record', 'cut']) {
        const { stdout } = await run('openssl', ['dgst', '-sha256', '-verify', pem, '-signature', join(folder, file), path])
        t.equal(stdout.trim(), 'Verified OK', file)
      }
      t.ok(readFileSync(join(folder, 'attached')).subarray(0, -dsb.bytes.length).equals(bytes), 'without its block it is the original')
    })
  }
})

void test('a package with a block is signed over the bytes before it, and its new block is the old one again', async (t) => {
  const { client, root } = await scene(t)
  const bytes = writePackage(packageSource('PkgA'))
  const path = join(root, 'signed.bff')
  writeFileSync(path, withBlock(bytes, pairs[0]?.privateKey as KeyObject))
  const made = await signed(client, path, '2048')
  t.match(made, { sizeBytes: bytes.length, format: 'installp' })
  t.ok(createVerify('RSA-SHA256').update(bytes).verify(pairs[0]?.publicKey as KeyObject, made.signature, 'base64'))
})

void test('RSA-3072 warns wherever its block could be wanted, and a switch forbids the block', async (t) => {
  const { client, root } = await scene(t)
  const path = putPackage(root)
  t.match((await client.sign({ path, keyid: '3072' })).warnings, [{ code: 'DSB_WITHOUT_PRECEDENT', detail: /^key 3072 / }])
  for (const keyid of ['2048', '4096', '7']) t.strictSame((await client.sign({ path, keyid })).warnings, [], keyid)
  const strict = await scene(t, { allowRsa3072: false })
  const made = await signed(strict.client, putPackage(strict.root), '3072')
  t.match(problemIn(await exported(strict.client, made, 'dsb')), { status: 422, code: 'FORM_NOT_AVAILABLE', detail: /dsb\.allowRsa3072/ })
  t.equal((await exported(strict.client, made, 'sig')).status, 200)
})

void test('a form that a signature does not have is FORM_NOT_AVAILABLE, with the reason', async (t) => {
  const { client, root } = await scene(t)
  const uninstalled = await signed(client, putPackage(root), '7')
  t.match(problemIn(await exported(client, uninstalled, 'dsb')), { status: 422, code: 'FORM_NOT_AVAILABLE', detail: /installedPath/ })
  const fix = join(root, 'fix.epkg.Z')
  writeFileSync(fix, Buffer.from([0x1f, 0x9d, 1, 2, 3]))
  const detached = await signed(client, fix, '2048')
  t.match(detached, { format: 'compress', records: [] })
  for (const form of ['record', 'dsc', 'dsb']) t.match(problemIn(await exported(client, detached, form)), { status: 422, code: 'FORM_NOT_AVAILABLE' }, form)
  t.ok(createVerify('RSA-SHA256').update(readFileSync(fix)).verify(pairs[0]?.publicKey as KeyObject, (await exported(client, detached, 'sig')).bytes))
  const twice = await client.ask('/sign', { method: 'POST', body: { keyid: '2048', digest: { sha256: '0'.repeat(64) }, sizeBytes: 1, filename: 'x', package: 'PkgX', filesets: [{ fileset: 'PkgX.rte', vrmf: '1.0.0.0' }, { fileset: 'PkgX.rte', vrmf: '1.0.0.1' }] } })
  const { id } = (JSON.parse(twice.text) as { signatures: Record<string, Signature> }).signatures['x'] as Signature
  t.equal((await client.ask(`/signatures/${id}/dsc`)).status, 200)
})

void test('what a form cannot hold is a form that is not available; a fault of ours stays one', async (t) => {
  const signature = { ...recording({ filesets: ['PkgA.rte', 'PkgA.rte'] }).signature, replayed: false, receipt: exampleReceipt }
  const identity = { sans: ['URI:urn:example:bot'], spkiSha256: '', serial: '', notAfter: new Date(0) }
  const client = { name: 'bot', match: { san: 'URI:urn:example:bot' }, allow: [], keys: [], roots: [], digestOnly: false, resign: false, sees: 'all' } as const
  const caller = { identity, client, policy: [client] }
  const store = { get: async () => ({ signature, client: 'bot' }), proof: async () => undefined } as unknown as Store
  const key = { ...openedKey('file', rsaKeyPair()), installedPath: '/etc/security/certificates/x.pem' }
  const deps = (keyDirectory: string) => ({ store, keyring: new Map([['1001', key]]), dsb: { keyDirectory, allowRsa3072: true } })
  const { id } = signature
  await t.rejects(exportSignature(deps('/'), caller, { id, form: 'dsc' }), { code: 'FORM_NOT_AVAILABLE', message: /two rows are for the same fileset level/ })
  await t.rejects(exportSignature(deps('/other/'), caller, { id, form: 'dsb' }), { code: 'FORM_NOT_AVAILABLE' })
  await t.rejects(exportSignature(deps('relative/'), caller, { id, form: 'dsb' }), TypeError)
  await t.rejects(exportSignature(deps('/'), caller, { id, form: 'proof' }), TypeError, 'a signature without an entry in the log')
})

void test('nobody exports what is not there or not theirs; both get the same answer', async (t) => {
  const { client, auditor, root } = await scene(t)
  const made = await signed(client, putPackage(root), '2048')
  const foreign = problemIn(await exported(auditor, made, 'sig'))
  const missing = problemIn(await auditor.ask('/signatures/00000000-0000-4000-8000-000000000000/sig'))
  t.match(foreign, { status: 404, code: 'SIGNATURE_NOT_FOUND' })
  t.strictSame({ ...foreign, instance: '' }, { ...missing, instance: '' })
  t.equal((await client.ask(`/signatures/${made.id.toUpperCase()}/sig`)).status, 200, 'a UUID in capitals is the same one')
  t.match(problemIn(await exported(client, made, 'pgp')), { status: 400, code: 'REQUEST_INVALID' })
  t.match(problemIn(await client.ask('/signatures/1001/sig')), { status: 400, code: 'REQUEST_INVALID' })
})

void test('Content-Disposition names any file name, in a form for every reader', async (t) => {
  const { client, root } = await scene(t)
  mkdirSync(join(root, 'odd'))
  const rows: readonly (readonly [string, string, string])[] = [
    ['ünïcødé.bff', '_n_c_d_.bff.sig', '%C3%BCn%C3%AFc%C3%B8d%C3%A9.bff.sig'],
    ['quote".bff', 'quote_.bff.sig', 'quote%22.bff.sig'],
    ['back\\slash.bff', 'back_slash.bff.sig', 'back%5Cslash.bff.sig'],
    ["it's (1)*.bff", 'it_s _1__.bff.sig', 'it%27s%20%281%29%2A.bff.sig'],
    ['包.bff', '_.bff.sig', '%E5%8C%85.bff.sig'],
    ['a;b=c%20.bff', 'a_b_c_20.bff.sig', 'a%3Bb%3Dc%2520.bff.sig'],
    ['__proto__', '__proto__.sig', '__proto__.sig'],
  ]
  for (const [index, [name, plain, encoded]] of rows.entries()) {
    const made = await signed(client, putPackage(join(root, 'odd'), `Pkg${index}`, { filename: name }), '2048')
    t.equal((await exported(client, made, 'sig')).headers['content-disposition'], `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`, name)
    t.equal(decodeURIComponent(encoded), `${name}.sig`)
  }
})

void test('a key is given as what must be installed on the targets', async (t) => {
  const pair = pairs[0] as (typeof pairs)[number]
  const certificate = await issueSelfSigned(pair)
  const running = await startInProcess(t, {}, ({ folder }) => {
    writeFileSync(join(folder, '2048.pem'), pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    writeFileSync(join(folder, 'certificate.pem'), certificate)
    const client = { name: 'release-bot', match: { san: 'URI:urn:example:release-bot' }, allow: ['exportKey'], keys: ['2048', '1001'], roots: [] }
    return { keys: [{ keyid: '2048', kind: 'file', path: '2048.pem', certificate: 'certificate.pem' }, { keyid: '1001', kind: 'file', path: '1001.pem' }, { keyid: '9', kind: 'file', path: '1001.pem' }], clients: [client] }
  })
  const client = await clientOf(t, running.url)
  const publicPem = await client.ask('/keys/2048/public.pem')
  t.equal(publicPem.text, pair.publicKey.export({ type: 'spki', format: 'pem' }))
  t.match(publicPem.headers, { 'content-type': 'application/x-pem-file', 'content-disposition': 'attachment; filename="2048.public.pem"; filename*=UTF-8\'\'2048.public.pem' })
  const certificatePem = await client.ask('/keys/2048/certificate.pem')
  t.ok(new X509Certificate(certificatePem.bytes).publicKey.equals(pair.publicKey))
  t.match(problemIn(await client.ask('/keys/1001/certificate.pem')), { status: 422, code: 'FORM_NOT_AVAILABLE' })
  for (const keyid of ['9', '12345']) t.match(problemIn(await client.ask(`/keys/${keyid}/public.pem`)), { status: 403, code: 'KEY_NOT_AVAILABLE' })
  t.match(problemIn(await client.ask('/keys/2048/private.pem')), { status: 400, code: 'REQUEST_INVALID' })
})
