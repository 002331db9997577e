import { generateKeyPairSync, sign as cryptoSign } from 'node:crypto'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { formatDsb, formatDscScript, formatSignatureFile, writePackage, type SignatureRecord } from '../../formats/index.ts'
import { describeFile, givenSignature, guessForm, verifyOffline } from '../../sdk/index.ts'
import { packageSource } from '../helpers/packages.ts'
import { rsaKeyPair } from '../helpers/signables.ts'

const runs = { numRuns: 100 * Number(process.env['TEST_FULL_FACTOR'] ?? 1) }
const PACKAGE = writePackage(packageSource('PkgA'))
const pair = rsaKeyPair()
const publicKeyPem = pair.publicKey.export({ type: 'spki', format: 'pem' })
const signatureOf = (bytes: Uint8Array, { privateKey } = pair) => cryptoSign('sha256', bytes, privateKey)
const blockOf = (signature: Uint8Array) => formatDsb({ signature, key: { form: 'LOC', path: '/etc/security/certificates/example.pem' } })
const BLOCK = blockOf(signatureOf(PACKAGE))
const OTHER = blockOf(Buffer.alloc(256, 7))
const recordOf = (signature: Buffer, members: Partial<SignatureRecord> = {}): SignatureRecord => ({ keyid: '1001', package: 'PkgA', timestamp: '1375425475', fileset: 'PkgA.rte', ftype: 'I', vrmf: '1.0.0.0', signature: signature.toString('base64'), ...members })

/** A file in the folder of the test. */
function put(t: Test, content: string | Uint8Array, name = 'PkgA.bff'): string {
  const path = join(t.testdirName, name)
  writeFileSync(path, content)
  return path
}

void t.test('a signature in every form is verified offline, with the reasons of the server', async (t) => {
  t.testdir()
  const path = put(t, PACKAGE)
  const raw = signatureOf(PACKAGE)
  const stranger = rsaKeyPair()
  const forms = (signature: Buffer, members: Partial<SignatureRecord> = {}) => ({
    record: Buffer.from(formatSignatureFile([recordOf(signature, members)])), dsc: Buffer.from(formatDscScript([recordOf(signature, members)])), sig: signature, dsb: blockOf(signature),
  })
  const check = async (form: 'record' | 'sig' | 'dsb' | 'dsc', bytes: Uint8Array, file = path) => await verifyOffline({ file, publicKeyPem, signature: { form, bytes } })
  const otherBytes = forms(signatureOf(Buffer.from('other')))
  const otherKey = forms(signatureOf(PACKAGE, stranger))
  for (const form of ['record', 'dsc', 'sig', 'dsb'] as const) {
    t.match(await check(form, forms(raw)[form]), { valid: true }, form)
    t.match(await check(form, otherBytes[form]), { valid: false, reason: 'DIGEST_DIFFERS' }, form)
    t.match(await check(form, otherKey[form]), { valid: false, reason: 'SIGNATURE_WRONG' }, form)
    t.match(await check(form, Buffer.concat([forms(raw)[form], Buffer.from('x\n')])), { valid: false, reason: form === 'sig' ? 'SIGNATURE_WRONG' : form === 'dsb' ? 'DSB_MALFORMED' : 'SIGNATURE_MALFORMED' }, form)
  }
  t.strictSame(await check('record', forms(raw).record), { valid: true, keyid: '1001', records: [recordOf(raw)] })
  for (const members of [{ package: 'PkgB' }, { fileset: 'PkgA.adt' }, { vrmf: '1.0.0.1' }, { ftype: 'S' }]) {
    t.strictSame(await check('record', forms(raw, members).record), { valid: false, reason: 'RECORD_MISMATCH', keyid: '1001' })
  }
  const text = put(t, 'text', 'text')
  t.match(await check('record', forms(signatureOf(Buffer.from('text'))).record, text), { valid: true }, 'of what is no package every record can be')
  t.match(await check('dsb', blockOf(Buffer.concat([raw, Buffer.from([1])]))), { reason: 'SIGNATURE_WRONG' }, 'a region with something behind the signature')
  t.strictSame(await verifyOffline({ file: path, publicKeyPem }), { valid: false, reason: 'NO_SIGNATURE' })
  t.strictSame(await verifyOffline({ file: await describeFile(put(t, Buffer.concat([PACKAGE, BLOCK]))), publicKeyPem: Buffer.from(publicKeyPem) }), { valid: true })
  t.strictSame(await verifyOffline({ file: put(t, Buffer.concat([PACKAGE, OTHER, BLOCK])), publicKeyPem }), { valid: false, reason: 'DSB_STACKED' })
  await t.rejects(verifyOffline({ file: join(t.testdirName, 'none'), publicKeyPem }), { code: 'FILE_UNREADABLE' })
  await t.rejects(check('record', undefined as never, text), TypeError, 'a mistake of the caller is not taken for one of the signature')
})

void t.test('a key that signs whole files verifies a raw signature over a file, and nothing else', async (t) => {
  t.testdir()
  const path = put(t, PACKAGE)
  for (const { privateKey, publicKey } of [generateKeyPairSync('ec', { namedCurve: 'P-256' }), generateKeyPairSync('ed25519'), generateKeyPairSync('ml-dsa-65')]) {
    const signature = cryptoSign(privateKey.asymmetricKeyType === 'ec' ? 'sha256' : null, PACKAGE, privateKey)
    const check = async (form: 'record' | 'sig' | 'dsb' | 'dsc', bytes: Buffer, file: Parameters<typeof verifyOffline>[0]['file'] = path) =>
      await verifyOffline({ file, publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }), signature: { form, bytes } })
    t.equal(guessForm(signature), 'sig')
    t.strictSame(await check('sig', signature), { valid: true })
    t.strictSame(await check('sig', signature, put(t, 'other', 'other')), { valid: false, reason: 'SIGNATURE_WRONG' })
    t.strictSame(await check('sig', signatureOf(PACKAGE)), { valid: false, reason: 'SIGNATURE_WRONG' })
    t.strictSame(await check('sig', signature, await describeFile(path)), { valid: false, reason: 'CONTENT_NEEDED' }, 'what is described and not there')
    t.strictSame(await check('record', Buffer.from(formatSignatureFile([recordOf(signature.subarray(0, 512))]))), { valid: false, reason: 'SIGNATURE_WRONG', keyid: '1001' })
    t.strictSame(await check('dsb', blockOf(signature.subarray(0, 512))), { valid: false, reason: 'SIGNATURE_WRONG' })
    const huge = put(t, '', 'huge')
    truncateSync(huge, 1024 ** 3 + 1)
    await t.rejects(check('sig', signature, huge), { code: 'FILE_TOO_LARGE', detail: 'the file has 1073741825 bytes, and it is read into memory as a whole' })
    await t.rejects(check('sig', signature, join(t.testdirName, 'none')), { code: 'FILE_UNREADABLE' })
  }
  for (const text of ['3006020101020101', '3006020101020102']) t.equal(guessForm(Buffer.from(text, 'hex')), 'sig')
  for (const text of ['30', '3006020101030101', '3005020101020101', '300602010102010100', '3006020201020101', `3047${'02'.repeat(71)}`]) t.equal(guessForm(Buffer.from(text, 'hex')), undefined, text)
})

void t.test('a key that cannot verify is KEY_UNUSABLE, a private one as well', async (t) => {
  t.testdir()
  const file = put(t, Buffer.concat([PACKAGE, BLOCK]))
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ type: 'spki', format: 'pem' })
  for (const [given, want] of [[pair.pem, 'the key is a private one'], ['hello', 'the key cannot be read as PEM'], [ec, 'the key is no RSA, ECDSA P-256, Ed25519 or ML-DSA-65 key']] as const) {
    await t.rejects(verifyOffline({ file, publicKeyPem: given }), { code: 'KEY_UNUSABLE', detail: want })
  }
})

void t.test('the form of a signature is guessed where its content leaves no doubt, and nowhere else', async (t) => {
  const raw = signatureOf(PACKAGE)
  const table = [
    ['a signature file', formatSignatureFile([recordOf(raw)]), 'record'],
    ['a script', formatDscScript([recordOf(raw)]), 'dsc'],
    ['a block', BLOCK, 'dsb'],
    ['raw bytes', raw, 'sig'],
    ['a block with a fault', BLOCK.subarray(0, -1), undefined],
    ['raw bytes of another length', raw.subarray(1), undefined],
    ['text as long as a signature', 'a\t\r\n'.repeat(64), undefined],
    ['base64', raw.toString('base64'), undefined],
    ['nothing', '', undefined],
  ] as const
  for (const [name, given, want] of table) t.equal(guessForm(Buffer.from(given)), want, name)
  t.strictSame(givenSignature({ form: 'sig', bytes: Buffer.from([1, 2]) }), { form: 'sig', value: 'AQI=' })
  t.strictSame(givenSignature({ form: 'record', bytes: Buffer.from('a:b') }), { form: 'record', value: 'a:b' })
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => ['sig', undefined].includes(guessForm(Buffer.from(bytes)))), runs)
})
