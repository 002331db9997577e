import type { Kysely, Transaction } from 'kysely'
import type { StoreTables } from './tables.ts'

/** Runs several statements as one. */
export type Work<T, Executor = Kysely<StoreTables>> = (executor: Executor) => Promise<T>

/** Whether a commit must survive a power cut (`durable`), or only the end of the process. */
export type Durability = 'durable' | 'volatile'

/**
 * A database whose schema is up to date: what SQLite and PostgreSQL do differently, and nothing else. Its errors are those of the
 * driver; {@link isRowFault} tells those about the values of one row.
 */
export interface Engine {
  /** For single statements that only read. */
  readonly db: Kysely<StoreTables>
  /**
   * Runs work in a transaction that no other writer of the database runs beside, in this process or another: what it reads is what it
   * writes upon.
   */
  write<T>(work: Work<T, Transaction<StoreTables>>, durability: Durability): Promise<T>
  /** Runs work that reads in one state of the database, however long it takes, and beside writers. */
  snapshot<T>(work: Work<T>): Promise<T>
  /** The time by which leases and expiry are judged, milliseconds since 1970: the same for every process that shares the database. */
  now(): Promise<number>
  isRowFault(cause: unknown): boolean
  close(): Promise<void>
}
