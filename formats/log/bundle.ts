import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import { TILE_WIDTH } from './tile.ts'

/** The longest entry in bytes: its length is written as 16 bits. */
export const ENTRY_BYTES_MAX = 65_535

const LENGTH_BYTES = 2

/**
 * Formats a bundle of 1 to 256 entries: each behind its length, 16 bits, big-endian.
 * @throws FormatError `LOG_BUNDLE_MALFORMED` for another number of entries, `LOG_ENTRY_TOO_LONG`
 * @see https://c2sp.org/tlog-tiles#log-entries
 */
export function formatBundle(entries: readonly Uint8Array[]): Buffer {
  if (entries.length < 1 || entries.length > TILE_WIDTH) throw new FormatError('LOG_BUNDLE_MALFORMED', `a bundle has 1 to ${TILE_WIDTH} entries`)
  return Buffer.concat(entries.flatMap((entry) => {
    if (entry.length > ENTRY_BYTES_MAX) throw new FormatError('LOG_ENTRY_TOO_LONG', `an entry has at most ${ENTRY_BYTES_MAX} bytes`)
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt16BE(entry.length)
    return [length, entry]
  }))
}

/**
 * Returns the entries of a bundle, views of `bytes`. `width` is the number it must have, 1 to 256, as its path says.
 * @throws FormatError `LOG_BUNDLE_MALFORMED` for a bundle that ends within an entry, or has another number of them
 */
export function parseBundle(bytes: Uint8Array, width: number): Buffer[] {
  const bundle = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: Buffer[] = []
  let at = 0
  while (at < bundle.length && entries.length < width) {
    const start = at + LENGTH_BYTES
    const end = start > bundle.length ? start : start + bundle.readUInt16BE(at)
    if (end > bundle.length) throw new FormatError('LOG_BUNDLE_MALFORMED', 'the bundle ends within an entry', { offset: at })
    entries.push(bundle.subarray(start, end))
    at = end
  }
  if (entries.length !== width || at !== bundle.length) throw new FormatError('LOG_BUNDLE_MALFORMED', `the bundle does not have ${width} entries`)
  return entries
}
