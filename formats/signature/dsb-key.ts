import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'

/**
 * The key region of a digital signature block: where the public key lies on the machine that installs, an absolute path of graphic
 * ASCII (`LOC`), or the key or certificate itself (`PEM`, `DER`).
 */
export type DsbKey =
  | Readonly<{ form: 'LOC'; path: string }>
  | Readonly<{ form: 'PEM' | 'DER'; bytes: Uint8Array }>

/** How much of a key path is enforced, when writing and when reading. */
export type DsbKeyOptions = Readonly<{
  /**
   * The directory below which a key path has to lie, {@link DSB_KEY_DIRECTORY} when absent; `/` takes any absolute path. `false` lifts
   * the rule altogether: any text of 1 to 255 graphic characters, as in the published dump, whose key is a word.
   */
  keyDirectory?: string | false
}>

/** Where AIX documents the public keys of signature blocks to be. */
export const DSB_KEY_DIRECTORY = '/etc/security/certificates/'

/** The longest key path in bytes: with its NUL it fills the smallest region. */
const DSB_KEY_PATH_BYTES_MAX = 255

// The order in which dsblkgen lists its formats. LOC is the 2 of the published dump; 0 and 1 follow from the order and are a guess.
const FORMS = ['PEM', 'DER', 'LOC'] as const

const GRAPHIC = new RegExp(`^[\\x21-\\x7e]{1,${DSB_KEY_PATH_BYTES_MAX}}$`)
const PUBLIC_PEM = /^-----BEGIN (?:CERTIFICATE|PUBLIC KEY|RSA PUBLIC KEY)-----\r?\n[\t\n\r\x20-\x7e]+$/
const REGION_UNIT_BYTES = 0x100
const SEQUENCE = 0x30
const LENGTH_OF_TWO_BYTES = 0x82
const DER_HEADER_BYTES = 4

/** Returns the number of a key form in a block. */
export function dsbKeyType(form: DsbKey['form']): number {
  return FORMS.indexOf(form)
}

/**
 * Returns the bytes of a key region without the padding that follows them; a path keeps one NUL.
 * @throws FormatError `DSB_KEY_PATH`, `DSB_KEY_MALFORMED`
 */
export function encodeDsbKey(key: DsbKey, options: DsbKeyOptions): Buffer {
  if (key.form === 'LOC') return Buffer.from(`${checkKeyPath(key.path, options)}\0`, 'latin1')
  const bytes = Buffer.from(key.bytes)
  const isPublic = key.form === 'PEM' ? isPublicPem(bytes) : bytes.length > DER_HEADER_BYTES && derLength(bytes) === bytes.length
  if (!isPublic) {
    throw new FormatError('DSB_KEY_MALFORMED', `the embedded key is not one public key or certificate in ${key.form}`)
  }
  return bytes
}

/**
 * Reads the key region of a block, padding included, as the form that `type` names. Whatever it returns encodes to the same bytes.
 * @throws FormatError `DSB_MALFORMED` for an unknown type or a region that is padded otherwise; `DSB_KEY_PATH`, `DSB_KEY_MALFORMED`
 */
export function decodeDsbKey(type: number, region: Buffer, options: DsbKeyOptions): DsbKey {
  const form = FORMS[type]
  if (form === undefined) throw new FormatError('DSB_MALFORMED', `${type} is no known key type of a signature block`)
  const text = region.subarray(0, form === 'DER' ? derLength(region) : trimmedLength(region))
  const key: DsbKey = form === 'LOC' ? { form, path: text.toString('latin1') } : { form, bytes: Buffer.from(text) }
  const encoded = encodeDsbKey(key, options)
  const padding = region.subarray(encoded.length)
  // Less than a whole unit of padding, and nothing but NULs in it: one key has one region.
  if (padding.length >= REGION_UNIT_BYTES || padding.some((byte) => byte !== 0)) {
    throw new FormatError('DSB_MALFORMED', 'the key of the signature block is not padded with NULs to the next multiple of 256 bytes')
  }
  return key
}

function checkKeyPath(path: string, { keyDirectory = DSB_KEY_DIRECTORY }: DsbKeyOptions): string {
  if (!GRAPHIC.test(path)) {
    throw new FormatError('DSB_KEY_PATH', `a key path has 1 to ${DSB_KEY_PATH_BYTES_MAX} graphic ASCII characters`)
  }
  if (keyDirectory === false) return path
  const directory = keyDirectory.endsWith('/') ? keyDirectory : `${keyDirectory}/`
  if (!keyDirectory.startsWith('/')) throw new TypeError('the directory of the keys is an absolute path')
  const segments = path.slice(directory.length).split('/')
  // A dot segment would lead out of the directory that the prefix promises.
  if (path.startsWith(directory) && !segments.some((segment) => segment === '' || segment === '.' || segment === '..')) return path
  throw new FormatError('DSB_KEY_PATH', 'the key path is not a plain absolute path below the directory of the keys')
}

function isPublicPem(bytes: Buffer): boolean {
  const text = bytes.toString('latin1')
  return PUBLIC_PEM.test(text) && !text.includes('PRIVATE KEY')
}

/**
 * The length of the DER value at the start of `bytes`, or 0 for what is no public key or certificate: those are a SEQUENCE of 256 bytes
 * and more (of any RSA key in use) that starts with a SEQUENCE, which a PKCS#1 or PKCS#8 private key does not.
 */
function derLength(bytes: Buffer): number {
  const isLong = bytes[0] === SEQUENCE && bytes[1] === LENGTH_OF_TWO_BYTES && bytes[DER_HEADER_BYTES] === SEQUENCE
  return isLong && bytes.readUInt8(2) > 0 ? DER_HEADER_BYTES + bytes.readUInt16BE(2) : 0
}

function trimmedLength(region: Buffer): number {
  return region.findLastIndex((byte) => byte !== 0) + 1
}
