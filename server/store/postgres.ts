import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely'
import { SigningError } from '../errors.ts'
import type { Durability, Engine, Work } from './engine.ts'
import { storeFault } from './faults.ts'
import { isPostgresRowFault, postgresOpenFault } from './postgres-faults.ts'
import { openPool, type Patience, type PostgresLocation } from './postgres-pool.ts'
import { bringUpToDate, refuseForeignSchema } from './schema.ts'
import type { StoreTables } from './tables.ts'
import { takeTurns } from './take-turns.ts'

/**
 * `lockMs` is how long a write waits for the writers of other replicas; `statementMs` then bounds how long a replica that hangs in the
 * middle of a write holds up the others.
 */
const PATIENCE: Patience = { connectMs: 10_000, statementMs: 30_000, lockMs: 20_000, silenceMs: 5_000 }
const READERS_MAX = 6

/** Any number, the same in every replica: the lock that a writer holds. Locks of this kind belong to one database. */
const WRITER_LOCK = 0x5e_a1_ed

/**
 * Opens a database of PostgreSQL for several replicas, and brings its schema up to date; of replicas that start at once one does, and
 * the others wait. Seven connections at the most.
 * @throws SigningError `STORE_FAILED` with a sentence for the operator: not reached, not let in, no such database, not safe to keep
 *   signatures in, of another program, or written by a newer version of this server
 */
export async function openPostgres(location: PostgresLocation, patience: Patience = PATIENCE): Promise<Engine> {
  try {
    await prepare(location, patience)
    const [reader, writer] = [await connected(location, READERS_MAX, patience), await connected(location, 1, patience)]
    return postgresEngine(reader, writer)
  } catch (cause) {
    throw openFault(cause, location)
  }
}

function openFault(cause: unknown, location: PostgresLocation): SigningError {
  const { host, port, database } = location
  const reason = cause instanceof SigningError ? cause.cause : cause
  const sentence = postgresOpenFault(reason, location)
  if (sentence === undefined) return storeFault('the database could not be opened', cause, { host, port, database })
  return new SigningError('STORE_FAILED', sentence, { cause: reason, host, port, database })
}

async function connected(location: PostgresLocation, max: number, patience: Patience): Promise<Kysely<StoreTables>> {
  return new Kysely<StoreTables>({ dialect: new PostgresDialect({ pool: await openPool(location, max, patience) }) })
}

/** With connections of its own, because a change of the schema may take longer than any other statement. */
async function prepare(location: PostgresLocation, patience: Patience): Promise<void> {
  const db = await connected(location, 2, { ...patience, statementMs: 0 })
  try {
    await checkSafety(db)
    await refuseForeignSchema(db)
    await bringUpToDate(db)
  } finally {
    await db.destroy()
  }
}

async function checkSafety(db: Kysely<StoreTables>): Promise<void> {
  const { rows } = await sql<{ encoding: string; fsync: string; standby: boolean }>`
    select current_setting('server_encoding') as encoding, current_setting('fsync') as fsync, pg_is_in_recovery() as standby`.execute(db)
  const [{ encoding, fsync, standby }] = rows as [(typeof rows)[0]]
  if (standby) throw new SigningError('STORE_FAILED', 'the database is a standby, which may only be read: name the primary')
  if (encoding !== 'UTF8') throw new SigningError('STORE_FAILED', `the encoding of the database is ${encoding}: create it with encoding 'UTF8'`)
  if (fsync !== 'on') throw new SigningError('STORE_FAILED', 'fsync of PostgreSQL is off: a power cut would take back what was answered')
}

function postgresEngine(reader: Kysely<StoreTables>, writer: Kysely<StoreTables>): Engine {
  const turns = takeTurns()
  return {
    db: reader,
    write: async (work, durability) => await turns.take(async () => await writeAlone(writer, work, durability)),
    snapshot: async (work) => await reader.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(work),
    now: async () => await databaseTime(reader),
    isRowFault: isPostgresRowFault,
    close: async () => {
      await turns.settled()
      await Promise.all([reader.destroy(), writer.destroy()])
    },
  }
}

/**
 * Every statement after the lock sees what the last holder of it committed, because PostgreSQL gives a lock back only after the commit
 * is visible. A `durable` commit is on disk whatever the database's default, but never less safe than the default, which may ask for a
 * standby as well.
 */
async function writeAlone<T>(writer: Kysely<StoreTables>, work: Work<T, Transaction<StoreTables>>, durability: Durability): Promise<T> {
  return await writer.transaction().setIsolationLevel('read committed').execute(async (transaction) => {
    const wanted = durability === 'volatile' ? sql`'off'` : sql`case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end`
    await sql`select pg_advisory_xact_lock(${sql.lit(WRITER_LOCK)}), set_config('synchronous_commit', ${wanted}, true)`.execute(transaction)
    return await work(transaction)
  })
}

async function databaseTime(db: Kysely<StoreTables>): Promise<number> {
  const { rows } = await sql<{ now: number }>`select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now`.execute(db)
  return (rows as [{ now: number }])[0].now
}
