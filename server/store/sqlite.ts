import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { Kysely } from 'kysely'
import { SigningError } from '../errors.ts'
import type { Engine, Work } from './engine.ts'
import { isSqliteRowFault, sqliteResult, storeFault, systemCode } from './faults.ts'
import { bringUpToDate, refuseForeignSchema } from './schema.ts'
import { sqliteDialect } from './sqlite-dialect.ts'
import type { StoreTables } from './tables.ts'
import { takeTurns } from './take-turns.ts'

const BUSY_TIMEOUT_MS = 5000
const RETRY_MS = 20
const SQLITE_BUSY = 5

/**
 * Opens the SQLite file at `path`, made when it is not there: folder 0700, file 0600. Several processes of one machine may share it; a
 * network file system may not hold it, because WAL needs shared memory.
 * @throws SigningError `STORE_FAILED`: not a database, damaged, of another program, or written by a newer version of this server
 */
export async function openSqliteEngine(path: string): Promise<Engine> {
  const database = openDatabase(path)
  try {
    return await createSqliteEngine(database)
  } catch (cause) {
    database.close()
    throw storeFault(openFault(cause), cause, { path })
  }
}

/**
 * Opens the SQLite file at `path`, made when it is not there, after a check that reads all of it, about a second per gigabyte. A writer
 * waits up to five seconds for another process.
 * @throws SigningError `STORE_FAILED`, `STORAGE_FULL`
 */
export function openDatabase(path: string): DatabaseSync {
  // Absolute, because SQLite takes `file:…` for a URI and `:memory:` for no file at all.
  const file = resolve(path)
  let database: DatabaseSync | undefined
  try {
    createFile(file)
    database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true })
    checkIntegrity(database)
    return database
  } catch (cause) {
    database?.close()
    throw storeFault(openFault(cause), cause, { path: file })
  }
}

/**
 * Brings the schema of an open database up to date and returns the engine over it: WAL mode, a disk flush at each durable commit
 * (`synchronous = FULL`). A database of another program is refused before anything is written. On an error the database stays open.
 * `patienceMs`: how long the change to WAL mode may take while others hold the new database.
 * @throws SigningError `STORE_FAILED`; an error of node:sqlite as it is
 */
export async function createSqliteEngine(database: DatabaseSync, patienceMs: number = BUSY_TIMEOUT_MS): Promise<Engine> {
  const db = new Kysely<StoreTables>({ dialect: sqliteDialect(database) })
  await refuseForeignSchema(db)
  await switchToWal(database, patienceMs)
  // In memory: what a statement would undo of itself, which is gone with it in any case, and otherwise costs a third of an insert.
  database.exec('pragma synchronous = full; pragma temp_store = memory')
  // 16 MB of log instead of 4: the same pages of an index are written back once instead of four times.
  database.exec('pragma wal_autocheckpoint = 4000')
  await bringUpToDate(db)
  return {
    db,
    write: createWriter(database, db),
    snapshot: async (work) => await readSnapshot(database, work),
    now: async () => Date.now(),
    isRowFault: isSqliteRowFault,
    close: async () => await db.destroy(),
  }
}

/** One writer after the other: there is one connection, and how it flushes is set between transactions. */
function createWriter(database: DatabaseSync, db: Kysely<StoreTables>): Engine['write'] {
  const turns = takeTurns()
  return async (work, durability) =>
    await turns.take(async () => {
      // NORMAL: in WAL mode a power cut may take back the last commits, which are whole all the same; the next FULL one flushes them too.
      database.exec(`pragma synchronous = ${durability === 'durable' ? 'full' : 'normal'}`)
      return await db.transaction().execute(work)
    })
}

/** A connection of its own, because a transaction on the first one would keep the writers out. */
async function readSnapshot<T>(database: DatabaseSync, work: Work<T>): Promise<T> {
  const reader = new DatabaseSync(database.location() as string, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  const db = new Kysely<StoreTables>({ dialect: sqliteDialect(reader) })
  try {
    reader.exec('begin')
    return await work(db)
  } finally {
    await db.destroy()
  }
}

/** Made here and not by SQLite, which would leave the file readable by others. Never opened when it exists: to close it drops SQLite's locks. */
function createFile(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (cause) {
    if (systemCode(cause) !== 'EEXIST') throw cause
  }
}

function checkIntegrity(database: DatabaseSync): void {
  const [row] = database.prepare('pragma quick_check(1)').all()
  if (row?.['quick_check'] !== 'ok') throw new SigningError('STORE_FAILED', DAMAGED, { finding: row?.['quick_check'] })
  // Takes the write lock and gives it back, because a file that may only be read opens without a complaint.
  database.exec('begin immediate; rollback')
}

/** Processes that open a new database at the same moment all want to do this, and SQLite lets the losers fail instead of wait. */
async function switchToWal(database: DatabaseSync, patienceMs: number): Promise<void> {
  const deadline = Date.now() + patienceMs
  while (!triesWal(database, Date.now() < deadline)) await setTimeout(RETRY_MS)
}

function triesWal(database: DatabaseSync, mayFail: boolean): boolean {
  try {
    database.exec('pragma journal_mode = wal')
    return true
  } catch (cause) {
    if (mayFail && sqliteResult(cause) === SQLITE_BUSY) return false
    throw cause
  }
}

const DAMAGED = 'the catalogue is damaged: put back a copy, or move the file away to begin an empty one'

/** What an operator can do about an error at open; by SQLite's primary result code or the system's error code. */
const OPEN_FAULTS: Readonly<Record<string, string>> = {
  5: 'the catalogue is locked by another process',
  8: 'the catalogue may only be read: give the server write access to the file and its folder',
  11: DAMAGED,
  14: 'the catalogue could not be opened: it is no file, or the server has no access to it or its folder',
  26: 'the catalogue is not an SQLite database: name another file, or move this one away to begin an empty catalogue',
  EACCES: 'the server has no access to the folder of the catalogue',
  EROFS: 'the catalogue lies on a file system that may only be read',
}

function openFault(cause: unknown): string {
  return OPEN_FAULTS[`${sqliteResult(cause) ?? systemCode(cause)}`] ?? 'the catalogue could not be opened'
}
