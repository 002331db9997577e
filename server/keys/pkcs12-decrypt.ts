import { createDecipheriv } from 'node:crypto'
import { childOf, integerOf, octetsOf, oidOf, TAG, type BerElement } from '../asn1/ber.ts'
import { KeystoreFault, refused } from './keystore-fault.ts'
import { deriveByPbkdf2, deriveByPkcs12, type KdfHash } from './pkcs12-kdf.ts'

type Cipher = 'aes-128-cbc' | 'aes-192-cbc' | 'aes-256-cbc' | 'des-ede3-cbc' | 'rc2-40-cbc' | 'rc2-128-cbc'
type CipherSizes = Readonly<{ cipher: Cipher; keyBytes: number }>
type Unlocked = Readonly<{ cipher: Cipher; key: Buffer; iv: Buffer }>

/** The encryptions that derive their key by PKCS#12 and SHA-1. @see RFC 7292, appendix C */
const PBE: ReadonlyMap<string, CipherSizes> = new Map([
  ['1.2.840.113549.1.12.1.3', { cipher: 'des-ede3-cbc', keyBytes: 24 }],
  ['1.2.840.113549.1.12.1.4', { cipher: 'des-ede3-cbc', keyBytes: 16 }],
  ['1.2.840.113549.1.12.1.5', { cipher: 'rc2-128-cbc', keyBytes: 16 }],
  ['1.2.840.113549.1.12.1.6', { cipher: 'rc2-40-cbc', keyBytes: 5 }],
])

const PBES2 = '1.2.840.113549.1.5.13'
const PBKDF2 = '1.2.840.113549.1.5.12'
const HMAC_SHA1 = '1.2.840.113549.2.7'

/** The ciphers of PBES2. @see RFC 8018, appendix B.2; RFC 3565, section 4.1 */
const CIPHERS: ReadonlyMap<string, CipherSizes> = new Map([
  ['1.2.840.113549.3.7', { cipher: 'des-ede3-cbc', keyBytes: 24 }],
  ['2.16.840.1.101.3.4.1.2', { cipher: 'aes-128-cbc', keyBytes: 16 }],
  ['2.16.840.1.101.3.4.1.22', { cipher: 'aes-192-cbc', keyBytes: 24 }],
  ['2.16.840.1.101.3.4.1.42', { cipher: 'aes-256-cbc', keyBytes: 32 }],
])

/** The functions that PBKDF2 is done with. @see RFC 8018, appendix B.1 */
const HMACS: ReadonlyMap<string, KdfHash> = new Map([
  [HMAC_SHA1, 'sha1'], ['1.2.840.113549.2.8', 'sha224'], ['1.2.840.113549.2.9', 'sha256'], ['1.2.840.113549.2.10', 'sha384'], ['1.2.840.113549.2.11', 'sha512'],
])

/**
 * Resolves with what is encrypted under an AlgorithmIdentifier of PKCS#12, in memory of its own: PBES2 with AES or 3DES, or the older
 * schemes with 3DES and RC2.
 * @throws BerError; KeystoreFault for another encryption, too many iterations, or a passphrase that is not the right one
 */
export async function decryptWith(algorithm: BerElement, encrypted: Buffer, passphrase: Buffer): Promise<Buffer> {
  const oid = oidOf(childOf(algorithm, 0, TAG.oid))
  const parameters = childOf(algorithm, 1, TAG.sequence)
  const unlocked = oid === PBES2 ? unlockPbes2(parameters, passphrase) : unlockPbe(oid, parameters, passphrase)
  const wrong = (cause: unknown): never => {
    throw new KeystoreFault({ kind: 'passphrase' }, { cause })
  }
  return await decipher(unlocked, encrypted).catch(wrong).finally(() => unlocked.key.fill(0))
}

function unlockPbe(oid: string, parameters: BerElement, passphrase: Buffer): Unlocked {
  const { cipher, keyBytes } = known(PBE, oid)
  const derivation = { hash: 'sha1', passphrase, salt: octetsOf(childOf(parameters, 0, TAG.octets)), iterations: integerOf(childOf(parameters, 1, TAG.integer)) } as const
  const key = deriveByPkcs12(1, { ...derivation, length: keyBytes })
  const iv = deriveByPkcs12(2, { ...derivation, length: 8 })
  // Two keys for three rounds: the first one is also the third.
  return { cipher, iv, key: cipher === 'des-ede3-cbc' && keyBytes === 16 ? Buffer.concat([key, key.subarray(0, 8)]) : key }
}

function unlockPbes2(parameters: BerElement, passphrase: Buffer): Unlocked {
  const [kdf, scheme] = [childOf(parameters, 0, TAG.sequence), childOf(parameters, 1, TAG.sequence)]
  const kdfOid = oidOf(childOf(kdf, 0, TAG.oid))
  if (kdfOid !== PBKDF2) throw unreadable(kdfOid)
  const { cipher, keyBytes } = known(CIPHERS, oidOf(childOf(scheme, 0, TAG.oid)))
  const iv = octetsOf(childOf(scheme, 1, TAG.octets))
  const [salt, iterations, ...options] = childOf(kdf, 1, TAG.sequence).children
  const prf = options.find(({ tag }) => tag === TAG.sequence)
  const hash = known(HMACS, prf === undefined ? HMAC_SHA1 : oidOf(childOf(prf, 0, TAG.oid)))
  const key = deriveByPbkdf2({ hash, passphrase, salt: octetsOf(present(salt)), iterations: integerOf(present(iterations)), length: keyBytes })
  return { cipher, key, iv }
}

async function decipher({ cipher, key, iv }: Unlocked, encrypted: Buffer): Promise<Buffer> {
  if (cipher === 'rc2-40-cbc' || cipher === 'rc2-128-cbc') return await decipherRc2({ key, iv }, encrypted)
  const deciphering = createDecipheriv(cipher, key, iv)
  return Buffer.concat([deciphering.update(encrypted), deciphering.final()])
}

/** RC2 is no cipher of OpenSSL 3 any more, and so none of Node. Its code is loaded only where a keystore needs it. */
async function decipherRc2({ key, iv }: Readonly<{ key: Buffer; iv: Buffer }>, encrypted: Buffer): Promise<Buffer> {
  const { default: { rc2, util } } = await import('node-forge')
  const binary = (bytes: Buffer) => util.createBuffer(bytes.toString('latin1'))
  const deciphering = rc2.createDecryptionCipher(binary(key), key.length * 8)
  deciphering.start(binary(iv))
  deciphering.update(binary(encrypted))
  // Without its own check of the padding, which looks at one byte of it alone.
  if (!deciphering.finish(() => true)) throw new RangeError('the encrypted bytes are no whole blocks')
  return unpadded(Buffer.from(deciphering.output.getBytes(), 'latin1'))
}

/** @see RFC 8018, section 6.1.1 */
function unpadded(bytes: Buffer): Buffer {
  const count = bytes.at(-1) ?? 0
  const padding = bytes.subarray(-count)
  if (count < 1 || count > 8 || !padding.every((byte) => byte === count)) throw new RangeError('the padding is wrong')
  return bytes.subarray(0, -count)
}

function known<T>(table: ReadonlyMap<string, T>, oid: string): T {
  const found = table.get(oid)
  if (found === undefined) throw unreadable(oid)
  return found
}

function present(element: BerElement | undefined): BerElement {
  if (element === undefined) throw new KeystoreFault({ kind: 'damaged' })
  return element
}

function unreadable(oid: string): KeystoreFault {
  return refused(`is encrypted in a way that is not read here (${oid}); make it again with AES-256 or 3DES`)
}
