import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import { WORD_BYTES } from './bff-record.ts'

/** The access control list and the privilege control list behind the header of a member; both a multiple of 8 bytes long. */
export type RecordTrailer = Readonly<{ acl: Uint8Array; pcl: Uint8Array }>

/** The longest ACL or PCL accepted, in words (32 KiB). AIX writes 2, and 5 with extended permissions. */
export const TRAILER_WORDS_MAX = 4096

/** Returns the length in bytes of the two lists that follow. @throws FormatError `BFF_RECORD_MALFORMED` for a list above the limit */
export function decodeTrailerLengths(bytes: Buffer, offset: number): Readonly<{ aclBytes: number; pclBytes: number }> {
  const aclWords = bytes.readUInt32LE(0)
  const pclWords = bytes.readUInt32LE(4)
  if (Math.max(aclWords, pclWords) > TRAILER_WORDS_MAX) {
    throw new FormatError('BFF_RECORD_MALFORMED', 'an access control list in the package is longer than any real one', { offset })
  }
  return { aclBytes: aclWords * WORD_BYTES, pclBytes: pclWords * WORD_BYTES }
}

/** Writes the trailer of a member: both lengths in words, then both lists. */
export function encodeTrailer({ acl, pcl }: RecordTrailer): Buffer {
  const lengths = Buffer.alloc(WORD_BYTES)
  lengths.writeUInt32LE(acl.length / WORD_BYTES, 0)
  lengths.writeUInt32LE(pcl.length / WORD_BYTES, 4)
  return Buffer.concat([lengths, acl, pcl])
}

/** Returns the lists of a file without extended permissions: the nine permission bits of `mode` in one, the mode in the other. */
export function baseTrailer(mode: number): RecordTrailer {
  const acl = Buffer.alloc(16)
  acl.writeUInt32LE(16, 0)
  acl.writeUInt16LE((mode >> 6) & 7, 10)
  acl.writeUInt16LE((mode >> 3) & 7, 12)
  acl.writeUInt16LE(mode & 7, 14)
  const pcl = Buffer.alloc(16)
  pcl.writeUInt32LE(16, 0)
  pcl.writeUInt32LE(mode, 4)
  return { acl, pcl }
}
