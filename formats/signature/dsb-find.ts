import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import { DSB_BYTES_MAX, DSB_EYE_CATCHER, DSB_MARK_BYTES, checkDsbLength, parseDsb } from './dsb.ts'
import type { Dsb, DsbParseOptions } from './dsb.ts'

/** How much of the end of a file {@link findDsb} looks at: the longest block, and the eye catcher of another one in front of it. */
export const DSB_TAIL_BYTES = DSB_BYTES_MAX + DSB_EYE_CATCHER.length

/**
 * What {@link findDsb} found at the end of a file. The block is its last `totalBytes` bytes; the package, and what the signature in the
 * block covers, is the first `unsignedBytes`.
 */
export type DsbFinding =
  | Readonly<{ kind: 'none' }>
  | Readonly<{ kind: 'dsb'; block: Dsb; totalBytes: number; unsignedBytes: number }>

/**
 * Returns the digital signature block at the end of a file of `fileBytes` bytes, of which `tail` is the last {@link DSB_TAIL_BYTES} (or
 * more, or all). So a reader asks for the end of the file first, and then hashes no byte too many.
 *
 * A file whose last eight bytes are not the eye catcher has none. One that ends in it was meant to have one, and anything wrong with it
 * is an error, not an answer: neither may the block be signed as if it were package, nor may a stranger's bytes be cut off.
 * @throws FormatError `DSB_MALFORMED`, also for a block longer than the file or with no package in front; `DSB_STACKED` when another
 * block, or its end, stands in front; `DSB_KEY_PATH`, `DSB_KEY_MALFORMED`, `SIGNATURE_LENGTH_WRONG` as {@link parseDsb}
 * @throws TypeError for a tail that cannot be the end of such a file
 * @see docs/formats/dsb.md#reading
 */
export function findDsb(tail: Uint8Array, fileBytes: number, options: DsbParseOptions = {}): DsbFinding {
  if (tail.length > fileBytes || tail.length < Math.min(fileBytes, DSB_TAIL_BYTES)) {
    throw new TypeError(`the tail is the last ${DSB_TAIL_BYTES} bytes of the file, or all of it`)
  }
  const bytes = Buffer.from(tail.buffer, tail.byteOffset, tail.byteLength)
  if (!endsInEyeCatcher(bytes)) return { kind: 'none' }
  if (bytes.length < DSB_MARK_BYTES) throw malformed('the file ends in the eye catcher of a signature block that it is too short for')
  const totalBytes = checkDsbLength(bytes.readUInt32BE(bytes.length - DSB_MARK_BYTES))
  if (totalBytes > fileBytes) throw malformed(`the signature block has the length ${totalBytes} and the file ${fileBytes} bytes`)
  const block = parseDsb(bytes.subarray(-totalBytes), options)
  const unsignedBytes = fileBytes - totalBytes
  if (unsignedBytes === 0) throw malformed('the file is a signature block without a package in front of it')
  if (endsInEyeCatcher(bytes.subarray(0, -totalBytes))) {
    throw new FormatError('DSB_STACKED', 'another signature block ends in front of the signature block')
  }
  return { kind: 'dsb', block, totalBytes, unsignedBytes }
}

function endsInEyeCatcher(bytes: Buffer): boolean {
  return bytes.toString('latin1', Math.max(0, bytes.length - DSB_EYE_CATCHER.length)) === DSB_EYE_CATCHER
}

function malformed(sentence: string): FormatError {
  return new FormatError('DSB_MALFORMED', sentence)
}
