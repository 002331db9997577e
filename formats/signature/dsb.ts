import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import { decodeDsbKey, dsbKeyType, encodeDsbKey } from './dsb-key.ts'
import type { DsbKey, DsbKeyOptions } from './dsb-key.ts'

/** The eight bytes at the start and at the end of a digital signature block. */
export const DSB_EYE_CATCHER = 'INUTUEYE'

/** The longest block that is read or written, in bytes; a real one has 1024 or 1280. */
export const DSB_BYTES_MAX = 64 * 1024

/** A digital signature block. `signature` is raw bytes, `key` says where the public key lies, or is it. */
export type Dsb = Readonly<{ signature: Uint8Array; key: DsbKey }>

/** What {@link formatDsb} is told beyond the block's content. */
export type DsbFormatOptions = DsbKeyOptions & Readonly<{
  /** Lets a key or certificate be written into the block. The numbers of these forms are a guess; no published block has one. */
  allowEmbeddedKey?: boolean
}>

/** What {@link parseDsb} is told beyond the block itself. */
export type DsbParseOptions = DsbKeyOptions & Readonly<{
  /** The length of the signature in bytes, known from the key: the signature is cut to it, and what is cut off must be NULs. */
  signatureBytes?: number
}>

const UNIT_BYTES = 0x100
const HEADER_BYTES = 0x100
const TRAILER_BYTES = 0x100
const BYTES_MIN = 0x400
const FIELDS_AT = 0x08
const FIELDS_END = 0x24

/** The last bytes of a block: its length once more, and the eye catcher. */
export const DSB_MARK_BYTES = 4 + DSB_EYE_CATCHER.length

/**
 * Formats a digital signature block, the bytes to append to a package:
 *
 *     0x00   "INUTUEYE", then u32 each: total length, 0, offset and length of the signature, offset and length of the key, key type
 *     0x100  the signature, then the key, each padded with NULs to a multiple of 256 bytes
 *     at the end 256 bytes: NULs, u32 total length, "INUTUEYE"
 *
 * Integers are big-endian. An RSA-2048 signature with a key path makes 1024 bytes, RSA-3072 and RSA-4096 make 1280. A signature that
 * already is a padded region, as {@link parseDsb} returns it, gives the same block as the bare one.
 * @throws FormatError `SIGNATURE_LENGTH_WRONG` for no signature or one that no block can hold; `DSB_KEY_FORM` for an embedded key that
 * is not allowed; `DSB_KEY_PATH`, `DSB_KEY_MALFORMED`
 * @see docs/formats/dsb.md
 */
export function formatDsb({ signature, key }: Dsb, options: DsbFormatOptions = {}): Buffer {
  if (key.form !== 'LOC' && options.allowEmbeddedKey !== true) {
    throw new FormatError('DSB_KEY_FORM', `a ${key.form} key in a signature block has no public precedent and was not allowed`)
  }
  const keyText = encodeDsbKey(key, options)
  const signatureBytes = roundUp(signature.length)
  const keyAt = HEADER_BYTES + signatureBytes
  const keyBytes = roundUp(keyText.length)
  const totalBytes = keyAt + keyBytes + TRAILER_BYTES
  if (signature.length === 0 || totalBytes > DSB_BYTES_MAX) {
    throw new FormatError('SIGNATURE_LENGTH_WRONG', 'the signature is empty, or too long for a signature block')
  }
  const block = Buffer.alloc(totalBytes)
  block.write(DSB_EYE_CATCHER, 0, 'latin1')
  const fields = [totalBytes, 0, HEADER_BYTES, signatureBytes, keyAt, keyBytes, dsbKeyType(key.form)]
  for (const [index, field] of fields.entries()) block.writeUInt32BE(field, FIELDS_AT + 4 * index)
  block.set(signature, HEADER_BYTES)
  block.set(keyText, keyAt)
  block.writeUInt32BE(totalBytes, totalBytes - DSB_MARK_BYTES)
  block.write(DSB_EYE_CATCHER, totalBytes - DSB_EYE_CATCHER.length, 'latin1')
  return block
}

/**
 * Parses a digital signature block, all of it and nothing else. Every byte must be as {@link formatDsb} writes it, so whatever parses
 * prints back to the same bytes (an embedded key with `allowEmbeddedKey`).
 *
 * How long the signature is, the block does not say: behind a signature of 384 bytes stand 128 NULs that could be part of one of 512.
 * So `signature` is the region as it is, unless `signatureBytes` says where to cut.
 * @throws FormatError `DSB_MALFORMED`; `DSB_KEY_PATH` for a key path outside `keyDirectory`, `DSB_KEY_MALFORMED` for an embedded key
 * that is none, `SIGNATURE_LENGTH_WRONG` when the region does not fit `signatureBytes`
 * @see docs/formats/dsb.md
 */
export function parseDsb(block: Uint8Array, options: DsbParseOptions = {}): Dsb {
  checkDsbLength(block.length)
  const bytes = Buffer.from(block)
  checkFrame(bytes)
  const [, reserved, signatureAt, signatureBytes, keyAt, keyBytes, type] = fieldsOf(bytes)
  if (reserved !== 0) throw malformed('has a reserved field that is not zero', 0x0c)
  checkRegion(bytes, 'signature', { at: signatureAt, expectedAt: HEADER_BYTES, length: signatureBytes })
  checkRegion(bytes, 'key', { at: keyAt, expectedAt: HEADER_BYTES + signatureBytes, length: keyBytes })
  if (keyAt + keyBytes !== bytes.length - TRAILER_BYTES) throw malformed('has bytes that belong to no region', keyAt + keyBytes)
  checkZeros(bytes, FIELDS_END, HEADER_BYTES)
  checkZeros(bytes, bytes.length - TRAILER_BYTES, bytes.length - DSB_MARK_BYTES)
  const key = decodeDsbKey(type, bytes.subarray(keyAt, keyAt + keyBytes), options)
  return { signature: cutSignature(bytes.subarray(signatureAt, keyAt), options.signatureBytes), key }
}

/** Returns `totalBytes` when a block can be so long. @throws FormatError `DSB_MALFORMED` */
export function checkDsbLength(totalBytes: number): number {
  if (totalBytes < BYTES_MIN) throw malformed(`has the length ${totalBytes}; the shortest has ${BYTES_MIN} bytes`)
  if (totalBytes > DSB_BYTES_MAX) throw malformed(`has the length ${totalBytes}; the longest has ${DSB_BYTES_MAX} bytes`)
  if (totalBytes % UNIT_BYTES !== 0) throw malformed(`has the length ${totalBytes}, which is no multiple of ${UNIT_BYTES}`)
  return totalBytes
}

function checkFrame(bytes: Buffer): void {
  const endAt = bytes.length - DSB_EYE_CATCHER.length
  for (const at of [endAt, 0]) {
    const mark = bytes.toString('latin1', at, at + DSB_EYE_CATCHER.length)
    if (mark !== DSB_EYE_CATCHER) throw malformed(`has no eye catcher at its ${at === 0 ? 'start' : 'end'}`, at)
  }
  const head = bytes.readUInt32BE(FIELDS_AT)
  const tail = bytes.readUInt32BE(bytes.length - DSB_MARK_BYTES)
  if (head !== tail) throw malformed(`has the length ${head} at its start and ${tail} at its end`, FIELDS_AT)
  if (head !== bytes.length) throw malformed(`has the length ${head} in it and ${bytes.length} bytes`, FIELDS_AT)
}

type Fields = [total: number, reserved: number, signatureAt: number, signatureBytes: number, keyAt: number, keyBytes: number, type: number]

function fieldsOf(bytes: Buffer): Fields {
  return [0, 1, 2, 3, 4, 5, 6].map((index) => bytes.readUInt32BE(FIELDS_AT + 4 * index)) as Fields
}

type Region = Readonly<{ at: number; expectedAt: number; length: number }>

// No sum here overflows: they are sums of unsigned 32-bit numbers, in numbers of 53 bits.
function checkRegion(bytes: Buffer, name: 'signature' | 'key', { at, expectedAt, length }: Region): void {
  if (length === 0 || length % UNIT_BYTES !== 0) throw malformed(`has a ${name} region of ${length} bytes, which is no multiple of ${UNIT_BYTES}`)
  if (at + length > bytes.length - TRAILER_BYTES) throw malformed(`has a ${name} region that reaches past its end`)
  if (at !== expectedAt) throw malformed(`has its ${name} region at ${at}, where it must be at ${expectedAt}`)
}

function checkZeros(bytes: Buffer, start: number, end: number): void {
  const at = bytes.subarray(start, end).findIndex((byte) => byte !== 0)
  if (at !== -1) throw malformed('has a byte that is not zero where nothing stands', start + at)
}

function cutSignature(region: Buffer, signatureBytes: number | undefined): Buffer {
  if (signatureBytes === undefined) return Buffer.from(region)
  const isFitting = roundUp(signatureBytes) === region.length && region.subarray(signatureBytes).every((byte) => byte === 0)
  if (isFitting) return Buffer.from(region.subarray(0, signatureBytes))
  throw new FormatError('SIGNATURE_LENGTH_WRONG', `the signature is not ${signatureBytes} bytes long, as the key demands`)
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / UNIT_BYTES) * UNIT_BYTES
}

function malformed(fault: string, offset?: number): FormatError {
  return new FormatError('DSB_MALFORMED', `the signature block ${fault}`, offset === undefined ? {} : { offset })
}
