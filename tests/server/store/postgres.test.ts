import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { sql } from 'kysely'
import t from 'tap'
import type { PostgresUrl } from '../../../server/config/store-url.ts'
import { parseStoreUrl } from '../../../server/config/store-url.ts'
import { SigningError } from '../../../server/errors.ts'
import type { Engine } from '../../../server/store/engine.ts'
import { storeFault } from '../../../server/store/faults.ts'
import { MIGRATIONS } from '../../../server/store/migrations/index.ts'
import { postgresOpenFault } from '../../../server/store/postgres-faults.ts'
import { openPostgres } from '../../../server/store/postgres.ts'
import type { Patience, PostgresLocation } from '../../../server/store/postgres-pool.ts'
import { freePort } from '../../helpers/daemon.ts'
import { NO_POSTGRES, startPostgres, type Cluster, type Database } from '../../helpers/postgres.ts'
import { startWire } from '../../helpers/slow-wire.ts'

const QUICK: Patience = { connectMs: 5_000, statementMs: 400, lockMs: 200, silenceMs: 200 }
const SQLSTATE = { lockNotAvailable: '55P03', queryCanceled: '57014' }

const skip = NO_POSTGRES
let cluster: Cluster

if (skip === false) cluster = await startPostgres(t)

function locationOf({ url, passwordFile, ca }: Database, change: Partial<PostgresUrl & { passwordFile: string | undefined; ca: string | undefined }> = {}): PostgresLocation {
  return { ...(parseStoreUrl(url) as PostgresUrl), passwordFile, ca, ...change }
}

async function opened(t: Pick<Tap, 'teardown'>, location: PostgresLocation, patience?: Patience): Promise<Engine> {
  const engine = await openPostgres(location, patience)
  t.teardown(async () => await engine.close())
  return engine
}

type Tap = typeof t

const HEAD = { id: 2, size: 0, hashes: '', log_key: '', salt: '', seal: '' }

/** Adds one to the size of a row that the test made, after reading it: what two at once would lose. */
async function count(engine: Engine): Promise<number> {
  return await engine.write(async (transaction) => {
    const { size } = await transaction.selectFrom('log_head').select('size').where('id', '=', 2).executeTakeFirstOrThrow()
    await transaction.updateTable('log_head').set({ size: size + 1 }).where('id', '=', 2).execute()
    return size + 1
  }, 'durable')
}

async function withRow(engine: Engine): Promise<Engine> {
  await engine.write(async (transaction) => await transaction.insertInto('log_head').values(HEAD).execute(), 'durable')
  return engine
}

const sizeOf = async (engine: Engine): Promise<number> => (await engine.db.selectFrom('log_head').select('size').where('id', '=', 2).executeTakeFirstOrThrow()).size

// These two first: a crash is the slower to come back from, the more databases there are.
void t.test('a database that restarts or crashes fails what is running, and serves what comes after', { skip }, async (t) => {
  const engine = await withRow(await opened(t, locationOf(await cluster.createDatabase())))
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    const began = Promise.withResolvers<void>()
    const running = engine.write(async (transaction) => {
      await transaction.updateTable('log_head').set({ size: 99 }).execute()
      began.resolve()
      await sql`select pg_sleep(20)`.execute(transaction)
    }, 'durable')
    await began.promise
    const lost = t.rejects(running, Error, 'what runs')
    await cluster.stop(signal)
    await lost
    await t.rejects(count(engine), { code: 'ECONNREFUSED' }, 'while it is away')
    await t.rejects(sizeOf(engine), { code: 'ECONNREFUSED' })
    await cluster.start()
    t.equal(await count(engine), signal === 'SIGINT' ? 1 : 2)
    t.equal(await sizeOf(engine), signal === 'SIGINT' ? 1 : 2)
  }
})

void t.test('a PostgreSQL that could lose what it committed, or only reads, is refused', { skip }, async (t) => {
  const database = await cluster.createDatabase()
  await cluster.stop('SIGQUIT')
  await cluster.start(['fsync=off'])
  t.equal(await refusal(locationOf(database)), 'STORE_FAILED: fsync of PostgreSQL is off: a power cut would take back what was answered')
  await cluster.stop('SIGQUIT')
  writeFileSync(join(cluster.folder, 'data', 'standby.signal'), '')
  await cluster.start()
  t.equal(await refusal(locationOf(database)), 'STORE_FAILED: the database is a standby, which may only be read: name the primary')
  await cluster.stop('SIGQUIT')
  rmSync(join(cluster.folder, 'data', 'standby.signal'))
  await cluster.start()
})

void t.test('replicas that start at once on an empty database bring its schema up to date together', { skip }, async (t) => {
  const database = await cluster.createDatabase()
  const engines = await Promise.all(Array.from({ length: 4 }, async () => await opened(t, locationOf(database))))
  for (const { db } of engines) t.equal((await sql<{ total: number }>`select count(*) as total from kysely_migration`.execute(db)).rows[0]?.total, Object.keys(MIGRATIONS).length)
  await opened(t, locationOf(database))
})

void t.test('a write runs beside no other, of the same replica or another, and sees what the one before it wrote', { skip }, async (t) => {
  const database = await cluster.createDatabase()
  const engines = await Promise.all([1, 2, 3].map(async () => await opened(t, locationOf(database))))
  await withRow(engines[0] as Engine)
  const counted = await Promise.all(Array.from({ length: 60 }, async (_, index) => await count(engines[index % 3] as Engine)))
  t.strictSame(counted.sort((a, b) => a - b), Array.from({ length: 60 }, (_, index) => index + 1))
})

void t.test('a write that fails leaves nothing, and the next one works', { skip }, async (t) => {
  const engine = await withRow(await opened(t, locationOf(await cluster.createDatabase())))
  await t.rejects(engine.write(async (transaction) => {
    await transaction.updateTable('log_head').set({ size: 99 }).execute()
    throw new TypeError('no')
  }, 'durable'), { name: 'TypeError', message: 'no' })
  t.equal(await sizeOf(engine), 0)
  t.equal(await count(engine), 1)
})

void t.test('a durable commit waits for the disk whatever the database\'s default is, a volatile one does not, and a stricter default stays', { skip }, async (t) => {
  const database = await cluster.createDatabase()
  const settings: string[] = []
  for (const fallback of ['on', 'off', 'remote_apply']) {
    await database.query(`alter database ${database.name} set synchronous_commit = ${fallback}`)
    const engine = await opened(t, locationOf(database))
    for (const durability of ['durable', 'volatile'] as const) {
      settings.push(await engine.write(async (transaction) => (await sql<{ it: string }>`select current_setting('synchronous_commit') as it`.execute(transaction)).rows[0]?.it ?? '', durability))
    }
  }
  t.strictSame(settings, ['on', 'off', 'on', 'off', 'remote_apply', 'off'])
})

void t.test('a snapshot stays in one state of the database beside writers, and writes nothing', { skip }, async (t) => {
  const engine = await withRow(await opened(t, locationOf(await cluster.createDatabase())))
  const seen = await engine.snapshot(async (db) => {
    const before = await sizeOf({ ...engine, db })
    await count(engine)
    return [before, await sizeOf({ ...engine, db })]
  })
  t.strictSame(seen, [0, 0])
  t.equal(await sizeOf(engine), 1)
  await t.rejects(engine.snapshot(async (db) => await db.deleteFrom('log_head').execute()), { code: '25006' })
})

void t.test('now is the time of the database, and integers of eight bytes are numbers', { skip }, async (t) => {
  const engine = await opened(t, locationOf(await cluster.createDatabase()))
  const [before, now, after] = [Date.now(), await engine.now(), Date.now()]
  t.ok(Number.isSafeInteger(now) && before - 1 <= now && now <= after + 1, `${before} ${now} ${after}`)
  t.strictSame((await sql`select ${Number.MAX_SAFE_INTEGER}::bigint as most, 1.5::float8 as other`.execute(engine.db)).rows, [{ most: Number.MAX_SAFE_INTEGER, other: 1.5 }])
})

void t.test('what PostgreSQL holds against a row is told from what it holds against itself', { skip }, async (t) => {
  const engine = await withRow(await opened(t, locationOf(await cluster.createDatabase())))
  const faultOf = async (row: object): Promise<unknown> => await engine.write(async (transaction) => await transaction.insertInto('log_head').values({ ...HEAD, ...row }).execute(), 'durable').catch((cause: unknown) => cause)
  for (const row of [HEAD, { id: 3, size: null as unknown as number }, { id: 3, hashes: '\0' }, { id: 3, size: 1e30 }]) t.ok(engine.isRowFault(await faultOf(row)), JSON.stringify(row))
  t.notOk(engine.isRowFault(await sql`select * from nothing`.execute(engine.db).catch((cause: unknown) => cause)))
  t.notOk(engine.isRowFault('nothing'))
  // No disk can be filled here: an error with the SQLSTATE of one that is.
  const full = await sql`do $$ begin raise exception 'could not extend file' using errcode = '53100'; end $$`.execute(engine.db).catch((cause: unknown) => cause)
  t.match(storeFault('not recorded', full), { code: 'STORAGE_FULL', message: 'the server has no room left to keep signatures' })
})

void t.test('a connection that is cut or silent is replaced', { skip }, async (t) => {
  const database = await cluster.createDatabase()
  const wire = await startWire(t, cluster.port)
  const engine = await withRow(await opened(t, locationOf(database, { port: wire.port }), QUICK))
  t.equal(await count(engine), 1)
  wire.cut()
  await count(engine).catch(() => undefined)
  t.equal(await count(engine), 2)
  const [size] = [await sizeOf(engine)]
  wire.silence()
  const from = performance.now()
  await t.rejects(Promise.all([count(engine), sizeOf(engine)]), { message: 'Query read timeout' })
  t.ok(performance.now() - from < 10_000)
  t.equal(await sizeOf(engine), size)
  // PostgreSQL holds the lock of the silent connection until it gives up waiting for its next statement.
  for (let tries = 0; tries < 20 && (await count(engine).catch(() => 0)) === 0; tries += 1);
  t.equal(await sizeOf(engine), size + 1)
})

void t.test('a statement that takes too long, and a lock that somebody keeps, are given up', { skip }, async (t) => {
  const database = await cluster.createDatabase()
  const [holder, engine] = [await withRow(await opened(t, locationOf(database))), await opened(t, locationOf(database), QUICK)]
  await t.rejects(sql`select pg_sleep(5)`.execute(engine.db), { code: SQLSTATE.queryCanceled })
  const [held, free] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const holding = holder.write(async () => {
    held.resolve()
    await free.promise
  }, 'durable')
  await held.promise
  await t.rejects(count(engine), { code: SQLSTATE.lockNotAvailable })
  t.equal(await sizeOf(engine), 0, 'readers do not wait')
  free.resolve()
  await holding
  t.equal(await count(engine), 1)
})

void t.test('close waits for what is being written', { skip }, async (t) => {
  const database = await cluster.createDatabase()
  const engine = await withRow(await openPostgres(locationOf(database)))
  const counting = [count(engine), count(engine)]
  await engine.close()
  t.strictSame(await Promise.all(counting), [1, 2])
})

void t.test('the password is read at each connection, so that it can be changed while the server runs', { skip }, async (t) => {
  const database = await cluster.createDatabase()
  await database.query(`drop role if exists changing; create role changing login password 'one'; alter database ${database.name} owner to changing`)
  const passwordFile = join(t.testdir(), 'password')
  writeFileSync(passwordFile, 'one\r\nnot this line', { mode: 0o600 })
  const engine = await opened(t, locationOf(database, { user: 'changing', passwordFile }))
  await database.query(`alter role changing password 'two'`)
  writeFileSync(passwordFile, 'two\n')
  await database.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', ['changing'])
  await engine.now().catch(() => undefined)
  t.ok(await engine.now())
  t.equal((await database.query('select distinct application_name from pg_stat_activity where usename = $1', ['changing']))[0]?.['application_name'], 'signing-server')
})

/** Opens and gives the sentence of the refusal. */
async function refusal(location: PostgresLocation, patience?: Patience): Promise<string> {
  const error: unknown = await openPostgres(location, patience).then(async (engine) => await engine.close(), (cause: unknown) => cause)
  if (!(error instanceof SigningError)) return String(error)
  return `${error.code}: ${error.message}`
}

void t.test('what is wrong at the start is said in a sentence for the operator', { skip }, async (t) => {
  const [database, foreign, newer, latin, closed] = await Promise.all([
    cluster.createDatabase(), cluster.createDatabase(), cluster.createDatabase(), cluster.createDatabase(`template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'`), cluster.createDatabase(),
  ])
  await foreign.query('create table orders (id integer)')
  await (await openPostgres(locationOf(newer))).close()
  await newer.query(`insert into kysely_migration values ('9999-later', '2030-01-01')`)
  await closed.query(`create role lonely login connection limit 0 password '${readFileSync(database.passwordFile, 'utf8').trim()}'`)
  await closed.query(`alter database ${closed.name} owner to postgres`)
  const port = await freePort()
  const folder = t.testdir({ empty: '', wrong: 'wrong' })
  const other = (await import('../../helpers/pki.ts')).testPki
  const rows: readonly (readonly [string, PostgresLocation, string | RegExp])[] = [
    ['nobody listens', locationOf(database, { port }), `STORE_FAILED: nobody listens at localhost:${port}: is PostgreSQL running there, and do its listen_addresses name this address?`],
    ['no socket', locationOf(database, { host: `${cluster.folder}/absent`, tls: 'disable' }), `STORE_FAILED: there is no socket of PostgreSQL in ${cluster.folder}/absent that this user may reach`],
    ['no host', locationOf(database, { host: 'no-such-host.invalid' }), 'STORE_FAILED: there is no host no-such-host.invalid'],
    ['a wrong password', locationOf(database, { passwordFile: join(folder, 'wrong') }), 'STORE_FAILED: PostgreSQL does not accept the password of signing: look at store.passwordFile'],
    ['no password', locationOf(database, { passwordFile: undefined }), 'STORE_FAILED: PostgreSQL asks for the password of signing: put it into a file and name that in store.passwordFile'],
    ['an empty password', locationOf(database, { passwordFile: join(folder, 'empty') }), 'STORE_FAILED: PostgreSQL asks for the password of signing: put it into a file and name that in store.passwordFile'],
    ['a password file that is gone', locationOf(database, { passwordFile: join(folder, 'absent') }), 'STORE_FAILED: the file of store.passwordFile cannot be read'],
    ['no such database', locationOf(database, { database: 'absent' }), 'STORE_FAILED: PostgreSQL has no database absent'],
    ['nobody who may connect', locationOf(database, { tls: 'disable' }), `STORE_FAILED: PostgreSQL does not let signing connect to ${database.name} from here: look at its pg_hba.conf`],
    ['another host than its certificate names', locationOf(database, { host: '127.0.0.2', port: (await startWire(t, cluster.port, '127.0.0.2')).port }), 'STORE_FAILED: the certificate of PostgreSQL is not for 127.0.0.2'],
    ['too many connections', locationOf(database, { user: 'lonely' }), `STORE_FAILED: PostgreSQL has no connection left: look at max_connections, and at the connection limits of lonely and ${database.name}`],
    ['another user of the system', locationOf(database, { host: cluster.folder, tls: 'disable' }), `STORE_FAILED: PostgreSQL does not let signing connect to ${database.name} from here: look at its pg_hba.conf`],
    ['a database of somebody else', locationOf(closed), `STORE_FAILED: signing may not make tables in ${closed.name}: it must own the database`],
    ['another authority', locationOf(database, { ca: (await other()).server.certPath }), 'STORE_FAILED: the certificate of PostgreSQL does not come from an authority that store.ca names'],
    ['no authority', locationOf(database, { ca: undefined }), 'STORE_FAILED: the certificate of PostgreSQL does not come from an authority that store.ca names'],
    ['an authority that cannot be read', locationOf(database, { ca: folder }), 'STORE_FAILED: the database could not be opened'],
    ['another program', locationOf(foreign), 'STORE_FAILED: the database belongs to another program'],
    ['a newer version', locationOf(newer), 'STORE_FAILED: the catalogue was written by a newer version of this server: start that version'],
    ['another encoding', locationOf(latin), "STORE_FAILED: the encoding of the database is LATIN1: create it with encoding 'UTF8'"],
  ]
  for (const [name, location, want] of rows) t.equal(await refusal(location), want, name)
  t.equal(await refusal(locationOf(database, { tls: 'require', ca: undefined })), 'undefined', 'require asks nobody')
  t.equal(await refusal(locationOf(database, { host: '127.0.0.1' })), 'undefined', 'the certificate is for the address too')
})

void t.test('what listens in the place of PostgreSQL is not waited for', { skip }, async (t) => {
  const database = await cluster.createDatabase()
  const serve = async (listener: Parameters<typeof createServer>[1]): Promise<number> => {
    const server = createServer(listener as () => void).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    return (server.address() as AddressInfo).port
  }
  const mute = await serve((socket) => t.teardown(() => socket.destroy()))
  const rude = await serve((socket) => void socket.end())
  const plain = await serve((socket) => void socket.once('data', () => socket.end('N')))
  t.equal(await refusal(locationOf(database, { port: mute }), { ...QUICK, connectMs: 300 }), `STORE_FAILED: PostgreSQL at localhost:${mute} does not answer`)
  t.equal(await refusal(locationOf(database, { port: rude })), `STORE_FAILED: what listens at localhost:${rude} closed the connection: is it PostgreSQL?`)
  t.match(await refusal(locationOf(database, { port: plain })), /has no TLS: turn ssl on there/)
})

void t.test('what no test can bring about is said too', async (t) => {
  const location: PostgresLocation = { kind: 'postgres', user: 'signing', host: 'db', port: 5432, database: 'signing', tls: 'verify-full' }
  const rows: readonly (readonly [string, string])[] = [
    ['ETIMEDOUT', 'PostgreSQL at db:5432 does not answer'],
    ['57P03', 'PostgreSQL is just starting or stopping: try again'],
    ['CERT_HAS_EXPIRED', 'the certificate of PostgreSQL has expired, or is not valid yet'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'the certificate of PostgreSQL does not come from an authority that store.ca names'],
    ['ECONNRESET', 'what listens at db:5432 closed the connection: is it PostgreSQL?'],
  ]
  for (const [code, want] of rows) t.equal(postgresOpenFault(Object.assign(new Error('no'), { code }), location), want)
  t.equal(postgresOpenFault(Object.assign(new Error('no'), { code: 'EISDIR' }), location), undefined)
})
