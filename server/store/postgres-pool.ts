import { readFile } from 'node:fs/promises'
import { checkServerIdentity, type ConnectionOptions } from 'node:tls'
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import pg from 'pg'
import type { PostgresUrl } from '../config/store-url.ts'
import { SigningError } from '../errors.ts'

/** A database of PostgreSQL, and the files with the password of its user and the authorities its certificate must come from. */
export type PostgresLocation = PostgresUrl & Readonly<{ passwordFile?: string | undefined; ca?: string | undefined }>

/**
 * How long things may take, in milliseconds; `statementMs` 0: as long as they need. `silenceMs` after the end of a statement's time, when
 * PostgreSQL itself would have said so, the network is taken for dead.
 */
export type Patience = Readonly<{ connectMs: number; statementMs: number; lockMs: number; silenceMs: number }>

const INT8_OID = 20

/**
 * A pool of at most `max` connections, which are made when they are needed and ended after ten idle seconds. A connection on which
 * anything but a statement failed is not used again: who was cut off, or not answered in time, gets a new one with the next statement.
 * @throws Error when the file of authorities cannot be read; the connections, SigningError `STORE_FAILED` when the password cannot
 */
export async function openPool(location: PostgresLocation, max: number, { connectMs, statementMs, lockMs, silenceMs }: Patience): Promise<PostgresPool> {
  const { user, host, port, database, passwordFile } = location
  const pool = new pg.Pool({
    user,
    host,
    port,
    database,
    password: async () => (passwordFile === undefined ? '' : await readPassword(passwordFile)),
    ssl: await tlsOf(location),
    max,
    application_name: 'signing-server',
    connectionTimeoutMillis: connectMs,
    keepAlive: true,
    lock_timeout: lockMs,
    ...(statementMs === 0 ? {} : { statement_timeout: statementMs, idle_in_transaction_session_timeout: statementMs, query_timeout: statementMs + silenceMs }),
    types: { getTypeParser },
  })
  // Errors of nobody's statement: a connection breaks while it is idle, or between two statements. The pool drops it, and the next
  // statement fails or makes another; without a listener they would end the process.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return { options: {}, connect: async () => guarded(await pool.connect()), end: async () => await pool.end() }
}

/** Integers of 8 bytes are counts, sizes and times, all of them safe integers; pg gives them as text. */
const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') => (oid === INT8_OID ? Number : pg.types.getTypeParser(oid, format))

/** A client that is thrown away after an error that PostgreSQL did not report: nobody knows what state it is in. */
function guarded(client: pg.PoolClient): PostgresPoolClient {
  let broken = false
  const query = async (sql: string, parameters: readonly unknown[]): Promise<unknown> => {
    if (broken) throw new Error('the connection is broken')
    try {
      return await client.query(sql, [...parameters])
    } catch (cause) {
      broken = !(cause instanceof pg.DatabaseError)
      throw cause
    }
  }
  return { query: query as PostgresPoolClient['query'], release: (discard) => client.release(broken || discard === true) }
}

async function readPassword(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new SigningError('STORE_FAILED', 'the file of store.passwordFile cannot be read', { errno: error.code })
  })
  return text.split(/\r?\n/, 1)[0] as string
}

async function tlsOf({ tls, host, ca }: PostgresLocation): Promise<ConnectionOptions | false> {
  if (tls === 'disable') return false
  if (tls === 'require') return { rejectUnauthorized: false }
  return {
    ...(ca === undefined ? {} : { ca: await readFile(ca, 'utf8') }),
    // Said here, because pg names no host to TLS when it is an address, and Node then looks for `localhost` in the certificate.
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
  }
}
