import { basename } from 'node:path'
import type { FailureEntry, LogEntry, RefusalEntry } from '../../formats/index.ts'
import { asSigningError, SigningError, type ErrorCode } from '../errors.ts'
import { parseFilename } from '../roots/filename.ts'
import type { Outcome } from './outcome.ts'
import { createRefusalCount, type RefusalCountOptions } from './refusal-count.ts'
import type { SignContext } from './sign-content.ts'

/** Who was refused: the SHA-256 of the public key (64 hexadecimal digits), and the name of the client where it is listed. */
export type Refused = Readonly<{ spkiSha256: string; client?: string }>

/** Writes into the tamper-evident log what was refused and what failed. What cannot be written is told to `fault`; nothing here rejects. */
export type Incidents = Readonly<{
  /** Resolves when it is written that a request was refused as a whole, if it was, and not already for its one file. */
  request(who: Refused, operation: string, error: unknown): Promise<void>
  /** Returns what became of one file, once it is written that it was refused or that its signing failed, if so. */
  file<T extends Outcome>(context: Pick<SignContext, 'caller' | 'key'>, outcome: T): Promise<T>
  /** Writes the numbers that are still being counted. */
  close(): Promise<void>
}>

export type IncidentsOptions = Readonly<{ log: Readonly<{ append(entry: LogEntry): Promise<void> }>; clock: () => Date; fault: (error: unknown) => void }> & Partial<RefusalCountOptions>

/**
 * What a client may not have, or not again: decided by the policy, by the permissions of the files, by what a key is for and where it is
 * in its life, or by what was signed before.
 */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'CLIENT_UNKNOWN', 'CLIENT_NOT_YET_VALID', 'CLIENT_EXPIRED', 'OPERATION_DENIED', 'FORMAT_NOT_ALLOWED', 'FILESET_NOT_ALLOWED', 'SIGNATURE_COUNT_REACHED', 'PATH_OUTSIDE_ROOTS', 'PATH_UNREADABLE', 'DIGEST_NOT_ALLOWED', 'RESIGN_NOT_ALLOWED',
  'KEY_NOT_AVAILABLE', 'KEY_NOT_SUITABLE', 'KEY_NOT_YET_VALID', 'KEY_EXPIRED', 'KEY_RETIRED', 'KEY_REVOKED', 'FILESET_LEVEL_ALREADY_SIGNED', 'SIGNATURE_NOT_FOUND',
])

/** What says nothing of the file: the request could not be understood, or was not tried to its end. */
const NOT_TRIED: ReadonlySet<ErrorCode> = new Set([
  'REQUEST_INVALID', 'REQUEST_TIMEOUT', 'REQUEST_ABORTED', 'REQUEST_IN_PROGRESS', 'IDEMPOTENCY_KEY_REUSED', 'PATH_MALFORMED', 'RATE_LIMITED', 'CLIENT_BUSY', 'SIGNER_BUSY', 'SERVER_BUSY', 'SHUTTING_DOWN',
])

/**
 * Returns what writes refusals and failures. Files are written one by one, as their signatures would be. Of refusals of whole requests, which
 * cost a client nothing, so many a minute are: see {@link createRefusalCount}.
 */
export function createIncidents({ log, clock, fault, ...limits }: IncidentsOptions): Incidents {
  // A single file that is refused is its whole request, and one entry.
  const written = new WeakSet<Error>()
  const append = async (entry: LogEntry): Promise<void> => {
    try {
      await log.append(entry)
    } catch (error) {
      fault(error)
    }
  }
  const count = createRefusalCount<RefusalEntry>({
    ...limits,
    // Of one certificate, for one operation, with one code.
    kindOf: ({ spki, operation, code }) => `${spki} ${operation} ${code}`,
    more: async (entry, count) => await append({ ...entry, count, at: clock().toISOString() }),
  })
  return {
    request: async ({ spkiSha256: spki, client }, operation, error) => {
      if (!(error instanceof SigningError) || written.has(error) || !REFUSALS.has(error.code)) return
      const entry: RefusalEntry = { kind: 'refusal', at: clock().toISOString(), ...(client === undefined ? {} : { client }), spki, operation, code: error.code }
      if (count.admits(entry)) await append(entry)
    },
    file: async (context, outcome) => {
      if (outcome.kind !== 'failed') return outcome
      const error = asSigningError(outcome.error)
      if (NOT_TRIED.has(error.code)) return outcome
      written.add(error)
      await append(entryOf(context, outcome, { code: error.code, at: clock().toISOString() }))
      return outcome
    },
    close: async () => await count.close(),
  }
}

function entryOf({ caller: { client, identity }, key: { keyid } }: Pick<SignContext, 'caller' | 'key'>, { name, sha256 }: Outcome, { code, at }: Readonly<{ code: ErrorCode; at: string }>): RefusalEntry | FailureEntry {
  const filename = filenameIn(name)
  const facts = { at, client: client.name, spki: identity.spkiSha256, ...(filename === undefined ? {} : { filename }), ...(sha256 === undefined ? {} : { sha256 }), keyid, code }
  return REFUSALS.has(code) ? { kind: 'refusal', operation: 'sign', ...facts } : { kind: 'failure', ...facts }
}

/** The base name that an entry may have: a file may be refused for having none. */
function filenameIn(name: string): string | undefined {
  try {
    return parseFilename(basename(name))
  } catch {
    return undefined
  }
}
