import { execFileSync } from 'node:child_process'
import { createHash, createPublicKey, generateKeyPairSync, verify as verifyWithNode } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { formatSignatureFile, writePackage } from '../../../formats/index.ts'
import { verifyMade } from '../../../server/operations/verify-made.ts'
import type { Signature } from '../../../server/schemas/signature.ts'
import { OPERATIONS } from '../../../server/schemas/whoami.ts'
import { withBlock } from '../../helpers/blocks.ts'
import { clientOf, problemIn, type Client } from '../../helpers/client.ts'
import { startInProcess } from '../../helpers/in-process.ts'
import { packageSource, putPackage } from '../../helpers/packages.ts'
import { openedKey, rsaKeyPair } from '../../helpers/signables.ts'

const PAIRS = {
  '2': { algorithm: 'ecdsa-p256-sha256', pair: generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
  '3': { algorithm: 'ed25519', pair: generateKeyPairSync('ed25519') },
  '4': { algorithm: 'ml-dsa-65', pair: generateKeyPairSync('ml-dsa-65') },
} as const
const KEYIDS = ['2', '3', '4'] as const
const FIX = Buffer.concat([Buffer.from([0x1f, 0x9d, 0x90]), Buffer.alloc(50_000, 'an interim fix ')])

type Scene = Readonly<{ client: Client; root: string; folder: string; put: (name: string, bytes: Uint8Array) => string }>

/** A server with an RSA key 1001 and a key of each algorithm that signs whole files, of at most 60,000 bytes. */
async function scene(t: Test): Promise<Scene> {
  const running = await startInProcess(t, { limits: { wholeFileBytes: 60_000 } }, ({ folder }) => {
    for (const keyid of KEYIDS) writeFileSync(join(folder, `${keyid}.pem`), PAIRS[keyid].pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    const keyids = ['1001', ...KEYIDS]
    return {
      keys: keyids.map((keyid) => ({ keyid, kind: 'file', path: `${keyid}.pem` })),
      clients: [{ name: 'release-bot', match: { san: 'URI:urn:example:release-bot' }, allow: [...OPERATIONS], keys: keyids, roots: ['nim'], digestOnly: true }],
    }
  })
  const { root, folder } = running.place
  const put = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(root, name), bytes)
    return join(root, name)
  }
  return { client: await clientOf(t, running.url), root, folder, put }
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const digestOf = (bytes: Uint8Array) => ({ sha256: createHash('sha256').update(bytes).digest('hex') })
const signed = async (client: Client, path: string, keyid: string) => Object.values((await client.sign({ path, keyid })).signatures)[0] as Signature

/** What the real openssl says, of a key that it knows; of others node:crypto. */
function accepts(keyid: keyof typeof PAIRS, { folder, path, signature }: Readonly<{ folder: string; path: string; signature: string }>): boolean {
  const { pair: { publicKey } } = PAIRS[keyid]
  const [key, sig] = [join(folder, `${keyid}.pub`), join(folder, `${keyid}.sig`)]
  writeFileSync(key, publicKey.export({ type: 'spki', format: 'pem' }))
  writeFileSync(sig, Buffer.from(signature, 'base64'))
  if (keyid === '4') return verifyWithNode(null, readFileSync(path), createPublicKey(readFileSync(key)), readFileSync(sig))
  const args = keyid === '2' ? ['dgst', '-sha256', '-verify', key, '-signature', sig, path] : ['pkeyutl', '-verify', '-pubin', '-inkey', key, '-rawin', '-in', path, '-sigfile', sig]
  return /Verified OK|Verified Successfully/.test(execFileSync('openssl', args, { encoding: 'utf8' }))
}

void test('a key that signs whole files makes detached signatures, by path and of an upload, that openssl verifies', async (t) => {
  const { client, folder, put } = await scene(t)
  const path = put('IJ1.epkg.Z', FIX)
  for (const keyid of KEYIDS) {
    const made = await signed(client, path, keyid)
    t.match(made, { keyid, algorithm: PAIRS[keyid].algorithm, covers: 'file', format: 'compress', records: [] })
    t.ok(accepts(keyid, { folder, path, signature: made.signature }), `${keyid} by path`)
    const upload = JSON.parse((await client.upload({ filename: 'IJ2.epkg.Z', keyid }, FIX)).text) as { signatures: Record<string, Signature> }
    t.ok(accepts(keyid, { folder, path, signature: upload.signatures['IJ2.epkg.Z']?.signature as string }), `${keyid} of an upload`)
    const exported = await client.ask(`/signatures/${made.id}/sig`)
    t.equal(base64(exported.bytes), made.signature)
    for (const form of ['record', 'dsb', 'dsc']) {
      t.match(problemIn(await client.ask(`/signatures/${made.id}/${form}`)), { status: 422, code: 'FORM_NOT_AVAILABLE', detail: `the signature is ${PAIRS[keyid].algorithm}, and this form is for RSA signatures alone` })
    }
    const given = { form: 'sig', value: made.signature } as const
    t.match(await client.verify({ path, signature: given }), { valid: true, keyid, client: 'release-bot' })
    t.match(JSON.parse((await client.upload({ filename: 'x', ...given }, FIX, { path: '/verify' })).text), { valid: true, keyid })
    t.strictSame(await client.verify({ digest: digestOf(FIX), signature: given }), { valid: false, reason: 'CONTENT_NEEDED' })
    t.strictSame(await client.verify({ path: put('other', Buffer.concat([FIX, Buffer.alloc(1)])), signature: given }), { valid: false, reason: 'SIGNATURE_WRONG' }, 'over another file')
  }
  const single = put('IJ3.epkg.Z', Buffer.concat([FIX, Buffer.from('3')]))
  const only = await signed(client, single, '3')
  t.strictSame(await client.verify({ path: single }), { valid: true, keyid: '3', signedAt: only.signedAt, id: only.id, client: 'release-bot' }, 'found in the catalogue')
  const wrong = Buffer.from(only.signature, 'base64')
  wrong[0] = (wrong[0] as number) ^ 1
  t.strictSame(await client.verify({ path: single, signature: { form: 'sig', value: base64(wrong) } }), { valid: false, reason: 'SIGNATURE_WRONG' })
  t.strictSame(await client.verify({ digest: digestOf(FIX), signature: { form: 'sig', value: base64(Buffer.alloc(255)) } }), { valid: false, reason: 'SIGNATURE_WRONG' }, 'a length that no key has needs no file')
  const record = { keyid: '3', package: 'PkgA', timestamp: '1', fileset: 'PkgA.rte', ftype: 'I', vrmf: '1.0.0.0', signature: only.signature }
  t.strictSame(await client.verify({ path: single, signature: { form: 'record', value: formatSignatureFile([record]) } }), { valid: false, reason: 'SIGNATURE_WRONG', keyid: '3' }, 'no record carries such a signature')
  t.equal((await client.verify({ path: put('block.bff', withBlock(writePackage(packageSource()), rsaKeyPair().privateKey)) })).reason, 'SIGNATURE_WRONG', 'and no block')
})

void test('it refuses what needs a digest or a record, and what is too large, each with its code', async (t) => {
  const { client, root, put } = await scene(t)
  const large = put('large.epkg.Z', Buffer.concat([FIX, Buffer.alloc(20_000)]))
  for (const keyid of KEYIDS) {
    const { algorithm } = PAIRS[keyid]
    const digest = { digest: digestOf(FIX), sizeBytes: FIX.length, filename: 'x.epkg.Z', keyid }
    t.match(problemIn(await client.trySign({ path: putPackage(root), keyid })), { status: 422, code: 'KEY_NOT_SUITABLE', retryable: false, detail: `key ${keyid} is ${algorithm}, and the records of an installp package carry RSA signatures alone` })
    t.match(problemIn(await client.trySign(digest)), { status: 422, code: 'DIGEST_NOT_SIGNABLE', detail: `key ${keyid} is ${algorithm} and signs whole files, a digest is not enough` })
    t.match(problemIn(await client.trySign({ ...digest, package: 'PkgA', filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }] })), { status: 422, code: 'KEY_NOT_SUITABLE' })
    t.match(problemIn(await client.trySign({ path: large, keyid })), { status: 413, code: 'FILE_TOO_LARGE', detail: 'the file has 70003 bytes; a key that signs whole files signs at most limits.wholeFileBytes, 60000' })
    const length = { '2': 70, '3': 64, '4': 3309 }[keyid]
    t.match(problemIn(await client.ask('/verify', { method: 'POST', body: { path: large, signature: { form: 'sig', value: base64(Buffer.alloc(length, 1)) } } })), { status: 413, code: 'FILE_TOO_LARGE' })
  }
  put('IJ1.epkg.Z', FIX)
  const answer = await client.sign({ path: root, keyid: '3' })
  t.strictSame(Object.keys(answer.signatures), ['IJ1.epkg.Z'], 'of a directory it signs what it can')
  t.match(answer.failures, { 'PkgA.1.0.0.0.bff': { code: 'KEY_NOT_SUITABLE' }, 'large.epkg.Z': { code: 'FILE_TOO_LARGE' } })
  t.match(await client.sign({ path: large, keyid: '1001' }), { signatures: { 'large.epkg.Z': { algorithm: 'rsa-2048-sha256' } } }, 'RSA has no such limit')
})

void test('verifyMade lets nothing through that does not verify', async (t) => {
  const file = { fd: 3, fileBytes: 10 }
  const signable = { filename: 'x', sizeBytes: 10, sha256: Buffer.alloc(32), file }
  const { file: _file, ...digestOnly } = signable
  const pair = rsaKeyPair()
  const message = { ...openedKey('file', pair), algorithm: 'ed25519' } as const
  const made = { signature: base64(Buffer.alloc(64)), records: [] }
  const record = { keyid: '1', package: 'P', timestamp: '1', fileset: 'P.rte', ftype: 'I', vrmf: '1.0.0.0', signature: made.signature }
  const asked: unknown[] = []
  const inspector = (valid: boolean) => ({ verifyMessage: async (...args: readonly unknown[]) => (asked.push(args), valid) })
  const invalid = { code: 'SIGNATURE_INVALID' }
  const { signal } = new AbortController()
  await t.resolves(verifyMade(inspector(true), { made, signable, key: message, signal }))
  t.strictSame(asked, [[{ ...file, sizeBytes: 10 }, { publicKey: pair.publicKey, signature: Buffer.alloc(64), sha256: signable.sha256 }, signal]])
  await t.rejects(verifyMade(inspector(false), { made, signable, key: message }), invalid)
  await t.rejects(verifyMade(inspector(true), { made, signable: digestOnly, key: message }), invalid, 'a file that nobody has')
  await t.rejects(verifyMade(inspector(true), { made: { ...made, records: [record] }, signable, key: message }), invalid, 'a record')
  await t.rejects(verifyMade(inspector(true), { made, signable, key: openedKey('file', pair) }), invalid, 'RSA')
  await t.resolves(verifyMade(inspector(false), { made, signable, key: { ...openedKey('command', pair), kind: 'command', covers: 'unverified' } }))
})
