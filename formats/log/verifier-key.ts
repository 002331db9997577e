import { Buffer } from 'node:buffer'
import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { FormatError } from '../error.ts'
import { decodeBase64 } from './strict.ts'

/** The public key of a log as the signed note knows it: `keyId`, 8 lower-case hexadecimal digits, follows from name and key. */
export type VerifierKey = Readonly<{ name: string; keyId: string; publicKey: KeyObject }>

const KEY_NAME_BYTES_MAX = 255

const PUBLIC_KEY_BYTES = 32
// The signature type of Ed25519 over the text of the note; stands before the key wherever the key is written or hashed.
const ED25519 = Buffer.of(1)

/**
 * Returns the key that verifies notes which `name` signs: for a log, `name` is the origin of its checkpoints.
 * @throws FormatError `LOG_KEY_MALFORMED` for a key that is not Ed25519 (of a private key the public part is taken), or a name that is
 * empty, longer than 255 bytes, or has white space, a control character or a plus sign
 */
export function makeVerifierKey(name: string, key: KeyObject): VerifierKey {
  if (!isKeyName(name)) throw keyError()
  if (key.asymmetricKeyType !== 'ed25519') throw keyError()
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  const keyId = createHash('sha256').update(`${name}\n`).update(typedKey(publicKey)).digest('hex').slice(0, 8)
  return { name, keyId, publicKey }
}

/**
 * Formats a verifier key: `NAME+KEYID+BASE64`, the last being the byte 0x01 and the 32 bytes of the public key. For example
 * `example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k`.
 * @see https://c2sp.org/signed-note#verifier-keys
 */
export function formatVerifierKey({ name, keyId, publicKey }: VerifierKey): string {
  return `${name}+${keyId}+${typedKey(publicKey).toString('base64')}`
}

/**
 * Parses a verifier key, without line end. The key id must follow from the name and the key, and the key must be Ed25519.
 * @throws FormatError `LOG_KEY_MALFORMED`
 */
export function parseVerifierKey(text: string): VerifierKey {
  const [, name = '', base64 = ''] = /^([^+]*)\+[^+]*\+(.*)$/.exec(text) ?? []
  const bytes = decodeBase64(base64)
  if (bytes?.length !== ED25519.length + PUBLIC_KEY_BYTES || bytes[0] !== ED25519[0]) throw keyError()
  const x = bytes.subarray(ED25519.length).toString('base64url')
  const key = makeVerifierKey(name, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }))
  if (formatVerifierKey(key) !== text) throw keyError()
  return key
}

/** Whether a signature line can name a key so. */
export function isKeyName(name: string): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return name !== '' && Buffer.byteLength(name) <= KEY_NAME_BYTES_MAX && name.isWellFormed() && !/[\s\p{White_Space}+\u0000-\u001f\u007f]/u.test(name)
}

function typedKey(publicKey: KeyObject): Buffer {
  return Buffer.concat([ED25519, Buffer.from(publicKey.export({ format: 'jwk' }).x as string, 'base64url')])
}

function keyError(): FormatError {
  return new FormatError('LOG_KEY_MALFORMED', 'a verifier key is NAME+KEYID+BASE64 with an Ed25519 key, and a name without spaces and plus signs')
}
