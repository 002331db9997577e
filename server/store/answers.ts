import type { Kysely } from 'kysely'
import type { SkipReason, Warning } from '../schemas/sign.ts'
import type { Signature } from '../schemas/signature.ts'
import type { ErrorCode } from '../errors.ts'
import type { LogIdentity } from './head.ts'
import type { Ledger } from './ledger.ts'
import { readSignaturesById } from './signatures.ts'
import type { AnswerHead, AnsweredAlso, AnswerItem, Asked, Asking, ReadItem } from './store.ts'
import type { AnswerItemRow, AnswerRow, StoreTables } from './tables.ts'

/** How long a request that was begun belongs to its attempt without a sign of life, and how often that gives one. */
export const LEASE_MS = 5_000
export const RENEW_MS = 1_500

/** Items of one read. */
const ITEMS_PER_READ = 256

type When = Readonly<{ now: number; keepMs: number }>

/** Begins a request, takes over one whose attempt has gone silent, or says what is known of it. */
export async function askAnswer(ledger: Ledger, { client, key, fingerprint, requestId }: Asked, { now, keepMs }: When): Promise<Asking> {
  const row = await readRow(ledger.transaction, { client, key })
  const known = row === undefined ? undefined : await knownOf(ledger.transaction, row, { fingerprint, now })
  if (known !== undefined) return known
  if (row !== undefined) await forget(ledger, row)
  await ledger.insert('answers', [{
    client, idempotency_key: key, fingerprint, request_id: requestId, state: 'running', lease_until_ms: now + LEASE_MS, expires_at_ms: now + keepMs, kind: '', path: '""', warnings: '[]',
  }])
  return { kind: 'begun' }
}

/** Says what is known of a request without beginning it, and so without a transaction: undefined when it may be begun. */
export async function peekAnswer(db: Kysely<StoreTables>, { client, key, fingerprint }: Asked, now: number): Promise<Asking | undefined> {
  const row = await readRow(db, { client, key })
  return row === undefined ? undefined : await knownOf(db, row, { fingerprint, now })
}

/** What a row says of a request: undefined when its time is over, or its attempt has gone silent. */
async function knownOf(db: Kysely<StoreTables>, row: AnswerRow, { fingerprint, now }: Readonly<{ fingerprint: string; now: number }>): Promise<Asking | undefined> {
  if (row.expires_at_ms <= now) return undefined
  if (row.fingerprint !== fingerprint) return { kind: 'other' }
  if (row.state === 'finished') return await finished(db, row)
  return row.lease_until_ms > now ? { kind: 'running', retryAfterMs: row.lease_until_ms - now } : undefined
}

/** Keeps an answer; false when the request is not this attempt's. */
export async function keepAnswer(ledger: Ledger, { asked, head, items }: Readonly<{ asked: Asked; head: AnswerHead; items: readonly AnswerItem[] }>, { now, keepMs }: When): Promise<boolean> {
  const row = await readRow(ledger.transaction, asked)
  if (row?.request_id !== asked.requestId || row.state !== 'running') return false
  const { client, idempotency_key } = row
  await ledger.insert('answer_items', items.map((item, position) => itemRow({ client, idempotency_key, position }, item)))
  await ledger.change('answers', { client, idempotency_key }, { state: 'finished', expires_at_ms: now + keepMs, kind: head.kind, path: JSON.stringify(head.path), warnings: JSON.stringify(head.warnings) })
  return true
}

/** Forgets a request that this attempt began and did not finish. */
export async function giveUpAnswer(ledger: Ledger, asked: Asked): Promise<void> {
  const row = await readRow(ledger.transaction, asked)
  if (row?.request_id === asked.requestId && row.state === 'running') await forget(ledger, row)
}

/** Gives the requests of these attempts that still run another lease. */
export async function renewAnswers(ledger: Ledger, running: readonly Asked[], now: number): Promise<void> {
  for (const { client, key, requestId } of running) {
    await ledger.change('answers', { client, idempotency_key: key, request_id: requestId, state: 'running' }, { lease_until_ms: now + LEASE_MS })
  }
}

/** Forgets some of the requests whose time is over; true when there may be more. */
export async function purgeAnswers(ledger: Ledger, now: number): Promise<boolean> {
  const rows = await ledger.transaction.selectFrom('answers').selectAll().where('expires_at_ms', '<=', now).limit(ITEMS_PER_READ).execute()
  for (const row of rows) await forget(ledger, row)
  return rows.length === ITEMS_PER_READ
}

/** Returns items of a finished answer, from a position on. */
export async function readItems(db: Kysely<StoreTables>, { asked: { client, key }, from }: Readonly<{ asked: Asked; from: number }>, identity: LogIdentity): Promise<ReadItem[]> {
  const rows = await db
    .selectFrom('answer_items')
    .selectAll()
    .where('client', '=', client)
    .where('idempotency_key', '=', key)
    .where('position', '>=', from)
    .orderBy('position')
    .limit(ITEMS_PER_READ)
    .execute()
  const signatures = await readSignaturesById(db, rows.flatMap(signatureIdsIn), identity)
  return rows.map((row): ReadItem => {
    const { listed } = row
    const name = JSON.parse(row.name) as string
    if (row.kind === 'failed') return { name, listed, kind: 'failed', code: row.code as ErrorCode, detail: JSON.parse(row.detail) as string }
    if (row.kind === 'skipped') return { name, listed, kind: 'skipped', reason: row.code as SkipReason }
    const { filename, also } = signedDetail(row.detail)
    const find = ({ signatureId, replayed }: AnsweredAlso): Signature => {
      const found = signatures.get(signatureId)
      if (found === undefined) throw new TypeError('an answer names a signature that is gone')
      return { ...found.signature, filename, replayed }
    }
    const signature = find({ signatureId: row.signature_id, replayed: row.replayed === 1 })
    return { name, listed, kind: 'signed', signature: also === undefined ? signature : { ...signature, also: also.map(find) } }
  })
}

/** What the detail of a signed item says: its file name, and what else was signed with it in an overlap. */
type SignedDetail = Readonly<{ filename: string; also?: readonly AnsweredAlso[] }>

/** A name alone, as every item had it once, or a {@link SignedDetail}; JSON of either. */
function signedDetail(text: string): SignedDetail {
  const detail = JSON.parse(text) as string | SignedDetail
  return typeof detail === 'string' ? { filename: detail } : detail
}

function signatureIdsIn({ kind, signature_id, detail }: AnswerItemRow): readonly string[] {
  return kind === 'signed' ? [signature_id, ...(signedDetail(detail).also ?? []).map(({ signatureId }) => signatureId)] : []
}

async function readRow(db: Kysely<StoreTables>, { client, key }: Pick<Asked, 'client' | 'key'>): Promise<AnswerRow | undefined> {
  return await db.selectFrom('answers').selectAll().where('client', '=', client).where('idempotency_key', '=', key).executeTakeFirst()
}

async function finished(db: Kysely<StoreTables>, { client, idempotency_key, request_id, kind, path, warnings }: AnswerRow): Promise<Asking> {
  const { items } = await db
    .selectFrom('answer_items')
    .select((eb) => eb.fn.countAll<number>().as('items'))
    .where('client', '=', client)
    .where('idempotency_key', '=', idempotency_key)
    .executeTakeFirstOrThrow()
  return { kind: 'finished', requestId: request_id, head: { kind: kind as AnswerHead['kind'], path: JSON.parse(path) as string, warnings: JSON.parse(warnings) as Warning[] }, items }
}

async function forget(ledger: Ledger, { client, idempotency_key }: AnswerRow): Promise<void> {
  await ledger.remove('answer_items', { client, idempotency_key })
  await ledger.remove('answers', { client, idempotency_key })
}

function itemRow(place: Pick<AnswerItemRow, 'client' | 'idempotency_key' | 'position'>, item: AnswerItem): AnswerItemRow {
  const { name, listed, kind } = item
  // As JSON: what a client called a file may be no text that a database takes.
  const common = { ...place, listed, name: JSON.stringify(name), kind, signature_id: '', replayed: 0, code: '', detail: '' }
  switch (item.kind) {
    case 'signed':
      return { ...common, signature_id: item.signatureId, replayed: item.replayed ? 1 : 0, detail: JSON.stringify(item.also === undefined ? item.filename : { filename: item.filename, also: item.also }) }
    case 'failed':
      return { ...common, code: item.code, detail: JSON.stringify(item.detail) }
    case 'skipped':
      return { ...common, code: item.reason }
  }
}
