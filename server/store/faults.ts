import { SigningError } from '../errors.ts'
import type { ErrorFacts } from '../errors.ts'

// https://sqlite.org/rescode.html: primary result codes, the low byte of an extended one.
const SQLITE_FULL = 13
const SQLITE_TOOBIG = 18
const SQLITE_CONSTRAINT = 19
const SQLITE_MISMATCH = 20
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const DISK_FULL = '53100'

/**
 * The error for the caller: `STORAGE_FULL` when there is no room (SQLITE_FULL, PostgreSQL's disk_full, ENOSPC, EDQUOT), else `STORE_FAILED` with `message`.
 * A SigningError keeps its code and sentence. What really happened is the cause, for the log alone, as are `facts`.
 */
export function storeFault(message: string, cause: unknown, facts: ErrorFacts = {}): SigningError {
  if (cause instanceof SigningError) return new SigningError(cause.code, cause.message, { cause: cause.cause, ...cause.facts, ...facts })
  if (isStorageFull(cause)) return new SigningError('STORAGE_FULL', 'the server has no room left to keep signatures', { cause, ...facts })
  return new SigningError('STORE_FAILED', message, { cause, ...facts })
}

/** True for what SQLite holds against the values of a row: a duplicate or missing value, one that is too big or of the wrong type. */
export function isSqliteRowFault(cause: unknown): boolean {
  const result = sqliteResult(cause)
  return result === SQLITE_CONSTRAINT || result === SQLITE_TOOBIG || result === SQLITE_MISMATCH
}

/** SQLite's primary result code of an error of node:sqlite, else undefined. */
export function sqliteResult(cause: unknown): number | undefined {
  return cause instanceof Error && 'errcode' in cause && typeof cause.errcode === 'number' ? cause.errcode & 0xff : undefined
}

/** The code of a system error such as `ENOSPC` (Node's own codes and PostgreSQL's SQLSTATE too), else undefined. */
export function systemCode(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
}

function isStorageFull(cause: unknown): boolean {
  const code = systemCode(cause)
  return code === 'ENOSPC' || code === 'EDQUOT' || code === DISK_FULL || sqliteResult(cause) === SQLITE_FULL
}
