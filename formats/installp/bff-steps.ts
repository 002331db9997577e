import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import {
  FILE_TYPE, RECORD_TYPE, WORD_BYTES,
  alignUp, checkHeaderChecksum, decodeFile, decodePrefix, decodeVolume,
} from './bff-record.ts'
import { TRAILER_WORDS_MAX, decodeTrailerLengths } from './bff-trailer.ts'
import { createUnpacker } from './unpack.ts'
import type { FileRecord, VolumeRecord } from './bff-record.ts'
import type { Unpacker } from './unpack.ts'

/** The first four bytes of a package: the start of a volume record. */
export const BFF_MAGIC = '09006bea'

/** The other first four bytes that file(1) calls a backup; what differs behind them is not publicly known. */
export const BFF_MAGIC_UNSUPPORTED = '09006fea'

/** Receives what a `BffReader` finds, in the order of the file. */
export type BffHandlers = Readonly<{
  onVolume?: (volume: VolumeRecord) => void
  /** Returns whether the data of this member is wanted; data that is not wanted is skipped, not unpacked. */
  onMember?: (member: FileRecord) => boolean
  /** A piece of the wanted member, unpacked where it was packed. Valid only during the call: copy what must be kept. */
  onData?: (chunk: Uint8Array) => void
  /** The wanted member is complete. */
  onMemberEnd?: () => void
  /** The end record was read; whatever follows is ignored. */
  onEnd?: () => void
}>

/**
 * What to do with the next `bytes` of the file. Gathered bytes come as one buffer when they are all there (valid only during the call);
 * others are passed on piece by piece. `next` returns what follows.
 */
export type Step =
  | Readonly<{ kind: 'gather'; bytes: number; next: (bytes: Buffer) => Step }>
  | Readonly<{ kind: 'pass'; bytes: number; to?: (piece: Uint8Array) => void; next: () => Step }>
  | Readonly<{ kind: 'ended' }>
/** Returns the first step through a package. `position` is asked for the offset behind the bytes taken so far. @throws FormatError */
export function recordSteps(handlers: BffHandlers, position: () => number): Step {
  function volumePrefix(bytes: Buffer): Step {
    checkMagic(bytes)
    return restOfHeader(bytes, (header) => {
      handlers.onVolume?.(decodeVolume(header))
      return nextRecord()
    })
  }

  function nextRecord(): Step {
    return { kind: 'gather', bytes: WORD_BYTES, next: recordPrefix }
  }

  function recordPrefix(bytes: Buffer): Step {
    const offset = position() - WORD_BYTES
    const prefix = decodePrefix(bytes, offset)
    if (prefix.type !== RECORD_TYPE.file && prefix.type !== RECORD_TYPE.end) {
      throw new FormatError('BFF_RECORD_UNSUPPORTED', 'the package has a record that no backup by name has', { offset })
    }
    return restOfHeader(bytes, (header, at) => (prefix.type === RECORD_TYPE.end ? endOfFile() : member(decodeFile(header, at))))
  }

  function restOfHeader(start: Buffer, next: (header: Buffer, offset: number) => Step): Step {
    const offset = position() - WORD_BYTES
    const { headerBytes } = decodePrefix(start, offset)
    const first = Buffer.from(start)
    const complete = (rest: Buffer): Step => {
      const header = Buffer.concat([first, rest])
      checkHeaderChecksum(header, offset)
      return next(header, offset)
    }
    if (headerBytes === WORD_BYTES) return complete(Buffer.alloc(0))
    return { kind: 'gather', bytes: headerBytes - WORD_BYTES, next: complete }
  }

  function member(file: FileRecord): Step {
    const isWanted = handlers.onMember?.(file) ?? false
    if ((file.mode & FILE_TYPE.mask) === FILE_TYPE.link) return data(file, isWanted, linkTrailer)
    return trailer(() => data(file, isWanted, nextRecord))
  }

  function trailer(next: () => Step): Step {
    return { kind: 'gather', bytes: WORD_BYTES, next: (lengths) => lists(lengths, next) }
  }

  function lists(lengths: Buffer, next: () => Step): Step {
    const { aclBytes, pclBytes } = decodeTrailerLengths(lengths, position() - WORD_BYTES)
    return { kind: 'pass', bytes: aclBytes + pclBytes, next }
  }

  function data(file: FileRecord, isWanted: boolean, next: () => Step): Step {
    const bytes = dataBytes(file)
    const padding: Step = { kind: 'pass', bytes: alignUp(bytes, WORD_BYTES) - bytes, next }
    if (!isWanted) return { kind: 'pass', bytes, next: () => padding }
    const emit = (piece: Uint8Array): void => handlers.onData?.(piece)
    const isEmpty = bytes === 0 && file.sizeBytes === 0
    const sink = file.packed && !isEmpty ? createUnpacker(file.sizeBytes, emit) : plainSink(emit)
    return { kind: 'pass', bytes, to: sink.push, next: () => {
      sink.end()
      handlers.onMemberEnd?.()
      return padding
    } }
  }

  // Public readers disagree whether a symbolic link has a trailer. The bytes tell: a list length above 65535 words would be needed to
  // look like a record, and no list is that long, so bytes 2 and 3 are zero in a trailer and the magic in a record.
  function linkTrailer(): Step {
    return { kind: 'gather', bytes: WORD_BYTES, next: (bytes) => (
      bytes.readUInt32LE(0) <= TRAILER_WORDS_MAX ? lists(bytes, nextRecord) : recordPrefix(bytes)
    ) }
  }

  function endOfFile(): Step {
    handlers.onEnd?.()
    return { kind: 'ended' }
  }
  return { kind: 'gather', bytes: WORD_BYTES, next: volumePrefix }
}

function dataBytes(file: FileRecord): number {
  // The stored size of a directory is that of the directory on disk; nothing of it is in the file.
  if ((file.mode & FILE_TYPE.mask) === FILE_TYPE.directory) return 0
  return file.packed ? file.storedBytes : file.sizeBytes
}

function plainSink(emit: (piece: Uint8Array) => void): Unpacker {
  return { push: emit, end: () => undefined }
}

function checkMagic(bytes: Buffer): void {
  const magic = bytes.toString('hex', 0, 4)
  if (magic === BFF_MAGIC) return
  if (magic === BFF_MAGIC_UNSUPPORTED) {
    throw new FormatError('BFF_MAGIC_UNSUPPORTED', 'the file is a backup of a kind whose layout is not known', { offset: 0 })
  }
  throw new FormatError('BFF_MAGIC_UNKNOWN', 'the file is not a backup by name', { offset: 0 })
}
