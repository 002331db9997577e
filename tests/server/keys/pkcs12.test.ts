import { createHash, generateKeyPairSync, verify, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import type { Pkcs12KeyConfig } from '../../../server/config/key-schema.ts'
import { parseBer, type BerElement } from '../../../server/asn1/ber.ts'
import type { DigestKey, MessageKey } from '../../../server/keys/key.ts'
import { KeystoreFault } from '../../../server/keys/keystore-fault.ts'
import { openPkcs12Key } from '../../../server/keys/pkcs12.ts'
import { deriveByPkcs12 } from '../../../server/keys/pkcs12-kdf.ts'
import { withKeystore } from '../../../server/keys/pkcs12-keystore.ts'
import { createThreadPool } from '../../../server/threads/pool.ts'
import { WORKER_MODULE } from '../../../server/threads/worker-module.ts'
import { count } from '../../helpers/full-size.ts'
import { bag, certBag, der, integer, keyBag, keystore, oid, OID, opensslKeystore, plainContent, type KeystoreParts } from '../../helpers/keystores.ts'
import { issueSelfSigned } from '../../helpers/self-signed.ts'

const pool = createThreadPool({ module: WORKER_MODULE, size: 1, maxWaiting: 10 })
t.teardown(() => pool.close())
const place = { pool, maxWholeBytes: 1000 }
const folder = t.testdir()
let files = 0

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' })
const CERTIFICATE = await issueSelfSigned(pair)
const CERTIFICATE_DER = new X509Certificate(CERTIFICATE).raw
const PASSPHRASE = 'Schlüssel ß 鍵 🔑'
const passphraseFile = written(`${PASSPHRASE}\nnotes`)

function written(content: string | Buffer): string {
  files += 1
  const path = join(folder, String(files))
  writeFileSync(path, content, { mode: 0o600 })
  return path
}

function configured(keystoreBytes: Buffer, more: Partial<Pkcs12KeyConfig> = {}): Pkcs12KeyConfig {
  return { keyid: '1001', kind: 'pkcs12', path: written(keystoreBytes), passphraseFile, ...more }
}

const made = (more: readonly string[], key = pair.privateKey, certificate = CERTIFICATE) =>
  readFileSync(opensslKeystore({ folder, pem: pem(key), passphrase: PASSPHRASE, certificate, more }))

const handmade = (parts: KeystoreParts) => keystore({ passphrase: PASSPHRASE, ...parts })

/** The only fault of a keystore, with its path replaced by KEYSTORE and that of the passphrase by PASSPHRASE. */
async function faultOf(bytes: Buffer, more: Partial<Pkcs12KeyConfig> = {}): Promise<string> {
  const config = configured(bytes, more)
  const error = await openPkcs12Key(config, place).then(() => new Error('the keystore was opened'), (reason: unknown) => reason)
  const { name, faults: [fault = '', ...rest] } = error as { name: string; faults: string[] }
  t.strictSame({ name, rest }, { name: 'KeyFaults', rest: [] })
  t.notMatch(fault, PASSPHRASE)
  return fault.replaceAll(config.path, 'KEYSTORE').replaceAll(config.passphraseFile ?? 'none', 'PASSPHRASE')
}

/** The same element with indefinite lengths, and octets in parts of 100 bytes: how NSS writes keystores. */
function indefinite({ tag, content, children }: BerElement): Buffer {
  const parts = tag === 0x04 && content.length > 100 ? Array.from({ length: Math.ceil(content.length / 100) }, (_, index) => der(0x04, content.subarray(index * 100, index * 100 + 100))) : children.map(indefinite)
  return parts.length === 0 ? der(tag, content) : Buffer.concat([Buffer.from([tag | 0x20, 0x80]), ...parts, Buffer.alloc(2)])
}

const LEGACY = ['-legacy', '-certpbe', 'PBE-SHA1-RC2-40', '-macalg', 'sha1']
const KINDS: readonly (readonly [string, readonly string[]])[] = [
  ['what openssl makes today: PBES2 with AES-256', []],
  ['PBES2 with AES-128, AES-192 and SHA-384', ['-certpbe', 'aes-128-cbc', '-keypbe', 'aes-192-cbc', '-macalg', 'sha384']],
  ['PBES2 with 3DES and SHA-512', ['-certpbe', 'des-ede3-cbc', '-keypbe', 'des-ede3-cbc', '-macalg', 'sha512']],
  ['3DES and SHA-1', ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha1']],
  ['3DES with two keys and SHA-224', ['-certpbe', 'PBE-SHA1-2DES', '-keypbe', 'PBE-SHA1-2DES', '-macalg', 'sha224']],
  ['RC2-40 for the certificate and 3DES for the key, as older programs do', [...LEGACY, '-keypbe', 'PBE-SHA1-3DES']],
  ['RC2-40 for the key as well', [...LEGACY, '-keypbe', 'PBE-SHA1-RC2-40']],
  ['RC2-128', [...LEGACY, '-certpbe', 'PBE-SHA1-RC2-128', '-keypbe', 'PBE-SHA1-RC2-128']],
  ['nothing encrypted', ['-certpbe', 'NONE', '-keypbe', 'NONE']],
]

void t.test('openPkcs12Key opens a keystore that openssl made', async (t) => {
  for (const [name, more] of KINDS) {
    void t.test(name, async (t) => {
      const bytes = made(more)
      const { key, publicKey, certificatePem, ...rest } = await openPkcs12Key(configured(bytes, { installedPath: '/etc/security/certificates/x.pem' }), place)
      t.strictSame(rest, { keyid: '1001', kind: 'pkcs12', covers: 'file', algorithm: 'rsa-2048-sha256', signatureBytes: 256, installedPath: '/etc/security/certificates/x.pem' })
      t.equal(certificatePem?.trim(), CERTIFICATE.trim(), 'with its certificate')
      const data = Buffer.from('a package')
      t.ok(verify('sha256', data, publicKey, await (key as DigestKey).sign(createHash('sha256').update(data).digest())), 'it signs')
      t.ok(publicKey.equals(pair.publicKey))
      t.match(await openPkcs12Key(configured(indefinite(parseBer(bytes))), place), { keyid: '1001' }, 'and so it does when the keystore is not in DER')
    })
  }
})

void t.test('openPkcs12Key opens', async (t) => {
  void t.test('a keystore without a certificate, one with the certificates of others beside its own, and kinds of bags that it knows nothing of', async (t) => {
    t.notOk('certificatePem' in await openPkcs12Key(configured(made([], pair.privateKey, '')), place))
    const chain = plainContent(certBag(new X509Certificate(await issueSelfSigned(other)).raw), certBag(CERTIFICATE_DER), certBag(Buffer.from('text'), OID.sdsi), bag(OID.crlBag, der(0x04, '00')))
    const { certificatePem } = await openPkcs12Key(configured(handmade({ contents: [chain, plainContent(keyBag(pair.privateKey))] })), place)
    t.equal(certificatePem?.trim(), CERTIFICATE.trim())
  })

  void t.test('one key of several by its alias, in any case, also in a bag of bags', async (t) => {
    const nested = bag(OID.nestedBag, der(0x30, keyBag(pair.privateKey, 'Release Key')))
    const bytes = handmade({ contents: [plainContent(keyBag(other.privateKey, 'old'), nested)] })
    for (const alias of ['Release Key', 'release key']) t.ok((await openPkcs12Key(configured(bytes, { alias }), place)).publicKey.equals(pair.publicKey))
  })

  void t.test('keys of the other algorithms, which sign whole messages', async (t) => {
    for (const [type, algorithm] of [['ed25519', 'ed25519'], ['ml-dsa-65', 'ml-dsa-65']] as const) {
      const { privateKey } = type === 'ed25519' ? generateKeyPairSync(type) : generateKeyPairSync(type)
      const { key, algorithm: found } = await openPkcs12Key(configured(handmade({ contents: [plainContent(keyBag(privateKey))] })), place)
      t.strictSame([found, (key as MessageKey).kind, (key as MessageKey).maxBytes], [algorithm, 'message', 1000])
    }
    t.match(await openPkcs12Key(configured(made([], generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, '')), place), { algorithm: 'ecdsa-p256-sha256', signatureBytes: 72 })
  })

  void t.test('a passphrase in ISO 8859-1', async (t) => {
    const latin = written(Buffer.from('Schlüssel', 'latin1'))
    const bytes = keystore({ contents: [plainContent(keyBag(pair.privateKey))], passphrase: 'Schlüssel' })
    t.match(await openPkcs12Key(configured(bytes, { passphraseFile: latin }), place), { keyid: '1001' })
  })
})

void t.test('openPkcs12Key refuses with a sentence', async (t) => {
  const good = made([])
  const contents = [plainContent(keyBag(pair.privateKey, 'one'))]
  const scrypt = der(0x30, oid('1.3.6.1.4.1.11591.4.11'), der(0x30))
  const encrypted = (algorithm: Buffer) => der(0x30, oid(OID.encryptedData), der(0xa0, der(0x30, integer(0), der(0x30, oid(OID.data), algorithm, der(0x80, Buffer.alloc(64))))))
  const pbes2 = (kdf: Buffer, cipher = '2.16.840.1.101.3.4.1.42') => encrypted(der(0x30, oid('1.2.840.113549.1.5.13'), der(0x30, kdf, der(0x30, oid(cipher), der(0x04, Buffer.alloc(16))))))
  const pbkdf2 = (iterations: number, ...more: readonly Buffer[]) => der(0x30, oid('1.2.840.113549.1.5.12'), der(0x30, der(0x04, Buffer.alloc(8)), integer(iterations), ...more))
  const pbe = (number: number, iterations = 1, size = 64) => der(0x30, oid(OID.encryptedData), der(0xa0, der(0x30, integer(0), der(0x30, oid(OID.data), der(0x30, oid(`1.2.840.113549.1.12.1.${number}`), der(0x30, der(0x04, Buffer.alloc(8)), integer(iterations))), der(0x80, Buffer.alloc(size))))))
  const WRONG = 'KEYSTORE cannot be opened: the first line of PASSPHRASE is not its passphrase, or the file is damaged'
  const DAMAGED = 'KEYSTORE is damaged or no PKCS#12 keystore: nothing can be read from it'
  const unread = (what: string) => `KEYSTORE is encrypted in a way that is not read here (${what}); make it again with AES-256 or 3DES`
  const TOO_MANY = 'KEYSTORE wants its key derived in more than 1000000 iterations; make it again with fewer'
  const rows: readonly (readonly [string, Buffer, string, Partial<Pkcs12KeyConfig>?])[] = [
    ['another passphrase', good, WRONG, { passphraseFile: written('wrong guess') }],
    ['a passphrase in other case', good, WRONG, { passphraseFile: written(PASSPHRASE.toUpperCase()) }],
    ['no passphrase', good, 'KEYSTORE needs a passphrase: name a passphraseFile or a passphraseFd', { passphraseFile: undefined as never }],
    ['an empty passphrase', good, 'the first line of PASSPHRASE is empty; it must be the passphrase', { passphraseFile: written('') }],
    ['text', Buffer.from('text'), DAMAGED],
    ['nothing', Buffer.alloc(0), DAMAGED],
    ['a certificate', CERTIFICATE_DER, DAMAGED],
    ['PEM', Buffer.from(pem(pair.privateKey)), 'KEYSTORE is in PEM form; a private key in PEM is a key of kind file'],
    ['a Java keystore', Buffer.from('feedfeed00000002', 'hex'), 'KEYSTORE is a Java keystore; make PKCS#12 of it: keytool -importkeystore -srckeystore KEYSTORE -destkeystore NEW -deststoretype pkcs12'],
    ['another version', handmade({ contents, version: 4 }), 'KEYSTORE is a keystore of version 4; only version 3 is read'],
    ['no integrity check', made(['-nomac']), 'KEYSTORE has no integrity check; make it again with one'],
    ['an unknown integrity check', handmade({ contents, hashOid: '1.2.840.113549.2.5' }), 'KEYSTORE has an integrity check that is not known here (1.2.840.113549.2.5); make it again with SHA-256'],
    ['an integrity check of the wrong length', handmade({ contents, hashOid: '2.16.840.1.101.3.4.2.3' }), WRONG],
    ['a signature in its place', handmade({ contents, outer: '1.2.840.113549.1.7.2' }), 'KEYSTORE is protected in a way that is not read here (1.2.840.113549.1.7.2); make it again with a passphrase'],
    ['contents for a recipient', handmade({ contents: [der(0x30, oid(OID.envelopedData), der(0xa0, der(0x30)))] }), `KEYSTORE is protected in a way that is not read here (${OID.envelopedData}); make it again with a passphrase`],
    ['no private key', readFileSync(opensslKeystore({ folder, pem: '', passphrase: PASSPHRASE, certificate: CERTIFICATE, more: ['-nokeys'] })), 'KEYSTORE has no private key'],
    ['several private keys', handmade({ contents: [...contents, plainContent(keyBag(other.privateKey, 'zw\nei'), keyBag(other.privateKey))] }), 'KEYSTORE has several private keys; name one by its alias: "one", "zw\\nei", ""'],
    ['no such alias', handmade({ contents }), 'KEYSTORE has no private key with the alias "two"; it has: "one"', { alias: 'two' }],
    ['an alias that is there twice', handmade({ contents: [...contents, ...contents] }), 'KEYSTORE has more than one private key with the alias "ONE"; it has: "one", "one"', { alias: 'ONE' }],
    ['the certificate of another key', handmade({ contents: [plainContent(certBag(new X509Certificate(await issueSelfSigned(other)).raw)), ...contents] }), 'KEYSTORE has certificates, but none of them is of the key'],
    ['a certificate that is none', handmade({ contents: [plainContent(certBag(Buffer.from('text'))), ...contents] }), DAMAGED],
    ['a key that is none', handmade({ contents: [plainContent(bag(OID.keyBag, der(0x30, integer(0))))] }), 'KEYSTORE has a key that cannot be read; it is damaged or of an unknown algorithm'],
    ['an EC key on another curve', made([], generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey, ''), 'the key in KEYSTORE is an EC key on the curve secp384r1; P-256 (prime256v1) is needed'],
    ['an RSA key that is too short', made([], generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey, ''), 'the key in KEYSTORE has 1024 bits; 2048, 3072 or 4096 are needed'],
    ['half a character', handmade({ contents: [plainContent(der(0x30, oid(OID.keyBag), der(0xa0, der(0x30)), der(0x31, der(0x30, oid(OID.friendlyName), der(0x31, der(0x1e, '004100'))))))] }), DAMAGED],
    ['a bag without a value', handmade({ contents: [plainContent(der(0x30, oid(OID.keyBag), der(0xa0)))] }), DAMAGED],
    ['encryption without a content', handmade({ contents: [der(0x30, oid(OID.encryptedData), der(0xa0, der(0x30, integer(0), der(0x30, oid(OID.data)))))] }), DAMAGED],
    ['RC4', handmade({ contents: [pbe(1)] }), unread('1.2.840.113549.1.12.1.1')],
    ['scrypt', handmade({ contents: [pbes2(scrypt)] }), unread('1.3.6.1.4.1.11591.4.11')],
    ['a cipher that nobody knows', handmade({ contents: [pbes2(pbkdf2(1), '1.2.3.4')] }), unread('1.2.3.4')],
    ['a hash that nobody knows', handmade({ contents: [pbes2(pbkdf2(1, integer(32), der(0x30, oid('1.2.3.5'))))] }), unread('1.2.3.5')],
    ['no salt', handmade({ contents: [pbes2(der(0x30, oid('1.2.840.113549.1.5.12'), der(0x30)))] }), DAMAGED],
    ['what PBES2 does not decrypt, with the hash left out', handmade({ contents: [pbes2(pbkdf2(1, integer(32)))] }), WRONG],
    ['what RC2 does not decrypt', handmade({ contents: [pbe(6)] }), WRONG],
    ['what RC2 does not decrypt, in no whole blocks', handmade({ contents: [pbe(6, 1, 63)] }), WRONG],
    ['what RC2 does not decrypt, of no bytes', handmade({ contents: [pbe(6, 1, 0)] }), WRONG],
    ['too many iterations of the integrity check', handmade({ contents, iterations: 1_000_001 }), TOO_MANY],
    ['as many as there are numbers', handmade({ contents, iterations: 2 ** 53 }), TOO_MANY],
    ['too many iterations of PBKDF2', handmade({ contents: [pbes2(pbkdf2(2_000_000_000))] }), TOO_MANY],
    ['too many iterations of an older scheme', handmade({ contents: [pbe(3, 2_000_000_000)] }), TOO_MANY],
    ['no iterations', handmade({ contents, iterations: 0 }), 'KEYSTORE wants its key derived in no iterations; it is not protected at all'],
  ]
  for (const [name, bytes, fault, more] of rows) t.equal(await faultOf(bytes, more), fault, name)
  const path = configured(good).path
  execFileSync('chmod', ['640', path])
  await t.rejects(openPkcs12Key({ keyid: '1', kind: 'pkcs12', path, passphraseFile }, place), { name: 'KeyFaults', faults: [`${path} may be used by its group or by others (mode 640): chmod 600 ${path}`] })
})

void t.test('a fault of the server is not taken for one of the keystore', async (t) => {
  t.intercept(X509Certificate.prototype, 'checkPrivateKey', { value: () => { throw new RangeError('a bug') } })
  await t.rejects(openPkcs12Key(configured(made([])), place), { name: 'RangeError', message: 'a bug' })
})

void t.test('deriveByPkcs12 derives what openssl kdf does', async (t) => {
  for (const [hash, purpose, salt, iterations, length] of [['sha1', 1, '0a58cf64530d823f', 1, 24], ['sha1', 2, '0a58cf64530d823f', 1000, 8], ['sha256', 3, '00', 7, 32], ['sha512', 1, 'ff'.repeat(129), 3, 200], ['sha384', 3, '', 2, 48], ['sha224', 2, 'ff'.repeat(64), 2, 100]] as const) {
    const derived = deriveByPkcs12(purpose, { hash, passphrase: Buffer.from('smeg'), salt: Buffer.from(salt, 'hex'), iterations, length })
    const options = { digest: hash, hexpass: '0073006d006500670000', hexsalt: salt, iter: iterations, id: purpose }
    const printed = execFileSync('openssl', ['kdf', '-keylen', String(length), ...Object.entries(options).flatMap(([name, value]) => ['-kdfopt', `${name}:${value}`]), 'PKCS12KDF'], { encoding: 'utf8' })
    t.equal(derived.toString('hex'), printed.replaceAll(/[:\s]/g, '').toLowerCase(), `${hash}, ${purpose}, salt of ${salt.length / 2} bytes`)
  }
})

void t.test('a hostile keystore is refused, never more than that, and never slowly', async (t) => {
  const passphrase = Buffer.from(PASSPHRASE)
  const attempt = async (bytes: Buffer): Promise<'opened' | 'refused'> =>
    await withKeystore(bytes, passphrase, async ({ keys }) => void (await Promise.all(keys.map(async (key) => await key.open())))).then(() => 'opened' as const, (error: unknown) => {
      if (error instanceof KeystoreFault) return 'refused' as const
      throw error
    })
  const sound = made([...LEGACY, '-keypbe', 'PBE-SHA1-RC2-40', '-iter', '2'])
  t.equal(await attempt(sound), 'opened')
  for (const bytes of [sound, indefinite(parseBer(sound))]) {
    for (let length = 0; length < bytes.length; length += 1) {
      if (await attempt(bytes.subarray(0, length)) !== 'refused') t.fail(`cut off after ${length} bytes`)
    }
    t.equal(await attempt(Buffer.concat([bytes, Buffer.alloc(1)])), 'refused', 'a byte too many')
  }
  // What the integrity check covers cannot be changed by anybody who does not know the passphrase.
  const byte = fc.tuple(fc.nat(sound.length - 1), fc.integer({ min: 1, max: 255 }))
  await fc.assert(fc.asyncProperty(byte, async ([at, change]) => {
    const changed = Buffer.from(sound)
    changed[at] = (changed[at] as number) ^ change
    await attempt(changed)
  }), { numRuns: count(200, 5000) })
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => await attempt(Buffer.from(bytes)) === 'refused'), { numRuns: count(200, 20_000) })
})
