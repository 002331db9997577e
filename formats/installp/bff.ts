import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import { HEADER_BYTES_MAX } from './bff-record.ts'
import { recordSteps } from './bff-steps.ts'
import type { BffHandlers, Step } from './bff-steps.ts'

export type { BffHandlers } from './bff-steps.ts'

/** A push parser: chunks of any length in, handler calls out. */
export type BffReader = Readonly<{
  /** Takes the next bytes of the file. @throws FormatError `BFF_*`, `PACKED_MALFORMED` */
  push(chunk: Uint8Array): void
  /** Says that there are no more bytes. @throws FormatError `BFF_TRUNCATED` when no end record was read */
  end(): void
  /** Ends the reading early; may be called by a handler. Every byte behind the one just handled is ignored. */
  stop(): void
}>

type ReadingStep = Exclude<Step, { kind: 'ended' }>

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
    if (!isStopped && step.kind === 'pass' && step.bytes === 0) advance(step)
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
