import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import {
  FILE_TYPE, RECORD_TYPE, TRAILER_WORDS_MAX, WORD_BYTES,
  alignUp, checkHeaderChecksum, decodeFile, decodePrefix, decodeTrailerLengths, decodeVolume,
} from './bff-record.ts'
import { createUnpacker } from './unpack.ts'
import type { FileRecord, VolumeRecord } from './bff-record.ts'
import type { Unpacker } from './unpack.ts'

/** The first four bytes of a package: the start of a volume record. */
export const BFF_MAGIC = '09006bea'

/** The other first four bytes that file(1) calls a backup; what differs behind them is not publicly known. */
export const BFF_MAGIC_UNSUPPORTED = '09006fea'

/** Receives what a {@link BffReader} finds, in the order of the file. */
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

/** A push parser: chunks of any length in, handler calls out. */
export type BffReader = Readonly<{
  /** Takes the next bytes of the file. @throws FormatError `BFF_*`, `PACKED_MALFORMED` */
  push(chunk: Uint8Array): void
  /** Says that there are no more bytes. @throws FormatError `BFF_TRUNCATED` when no end record was read */
  end(): void
  /** Ends the reading early; may be called by a handler. Every byte behind the one just handled is ignored. */
  stop(): void
}>

// A step takes a fixed number of bytes. Gathered bytes come as one buffer when they are all there; others are passed on piece by piece.
type Step =
  | Readonly<{ kind: 'gather'; bytes: number; next: (bytes: Buffer) => Step }>
  | Readonly<{ kind: 'pass'; bytes: number; to?: (piece: Uint8Array) => void; next: () => Step }>
  | Readonly<{ kind: 'ended' }>
type ReadingStep = Exclude<Step, { kind: 'ended' }>

const HEADER_BYTES_MAX = 255 * WORD_BYTES

/**
 * Returns a reader for the AIX backup-by-name format (`.bff`): a volume record, file records with their data, an end record. It holds
 * at most one header (2 KiB) and the tables of one packed member, whatever the size of the file. Every header checksum is verified.
 * @see docs/formats/bff.md
 */
export function createBffReader(handlers: BffHandlers): BffReader {
  const gathered = Buffer.alloc(HEADER_BYTES_MAX)
  let held = 0
  let passed = 0
  let offset = 0
  let step: Step = recordSteps(handlers, () => offset)
  let fault: { error: unknown } | undefined
  let isStopped = false

  /** Takes what the current step can use of `chunk` from `at` on, and returns how much that was. */
  function take(current: ReadingStep, chunk: Uint8Array, at: number): number {
    const already = current.kind === 'gather' ? held : passed
    const piece = chunk.subarray(at, at + current.bytes - already)
    offset += piece.length
    if (current.kind === 'gather') {
      gathered.set(piece, held)
      held += piece.length
    } else {
      if (piece.length > 0) current.to?.(piece)
      passed += piece.length
    }
    if (already + piece.length === current.bytes) advance(current)
    return piece.length
  }

  function advance(current: ReadingStep): void {
    const bytes = gathered.subarray(0, held)
    held = 0
    passed = 0
    step = current.kind === 'gather' ? current.next(bytes) : current.next()
    // A step of no bytes (the data of an empty file) must not wait for the next chunk.
    if (step.kind === 'pass' && step.bytes === 0) advance(step)
  }

  // A reader that has thrown has lost its place: it goes on throwing rather than find records where none are.
  function push(chunk: Uint8Array): void {
    if (fault !== undefined) throw fault.error
    try {
      for (let at = 0; at < chunk.length && !isOver();) at += take(step as ReadingStep, chunk, at)
    } catch (error) {
      fault = { error }
      throw error
    }
  }

  function end(): void {
    if (fault !== undefined) throw fault.error
    if (isOver()) return
    throw new FormatError('BFF_TRUNCATED', 'the package ends before its end record', { offset })
  }

  function isOver(): boolean {
    return isStopped || step.kind === 'ended'
  }

  function stop(): void {
    isStopped = true
  }
  return { push, end, stop }
}

/** The steps through a file; each returns the one that follows. `position` is the offset behind the bytes taken so far. */
function recordSteps(handlers: BffHandlers, position: () => number): Step {
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
