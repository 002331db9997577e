import { Buffer } from 'node:buffer'
import type { KeyObject } from 'node:crypto'
import type { Kysely } from 'kysely'
import { rangeRoot, signCheckpoint, type CompactRange } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import type { LogHeadRow, StoreTables } from './tables.ts'

/** A log of its own: its name in checkpoints, its Ed25519 key, and that key's name for the world (a verifier key of C2SP signed notes). */
export type LogIdentity = Readonly<{ origin: string; privateKey: KeyObject; verifierKey: string }>

const HEAD_ID = 1

/** Reads the head of the log. @throws SigningError `STORE_FAILED` when it is gone */
export async function readHead(db: Kysely<StoreTables>): Promise<LogHeadRow> {
  const row = await db.selectFrom('log_head').selectAll().where('id', '=', HEAD_ID).executeTakeFirst()
  if (row === undefined) throw new SigningError('STORE_FAILED', 'the head of the log is gone: somebody changed the database')
  return row
}

/** Writes the head of the log. */
export async function writeHead(db: Kysely<StoreTables>, head: Omit<LogHeadRow, 'id'>): Promise<void> {
  await db.updateTable('log_head').set(head).where('id', '=', HEAD_ID).execute()
}

/** The compact range of the log as its head keeps it. */
export function rangeOf({ size, hashes }: Pick<LogHeadRow, 'size' | 'hashes'>): CompactRange {
  return { size, hashes: hashes === '' ? [] : hashes.split(' ').map((hash) => Buffer.from(hash, 'base64')) }
}

/** A compact range as the head keeps it. */
export function headOf({ size, hashes }: CompactRange): Pick<LogHeadRow, 'size' | 'hashes'> {
  return { size, hashes: hashes.map((hash) => hash.toString('base64')).join(' ') }
}

/** Returns the signed note that says: the log is as long as this range, and this is its root. The same range always gives the same bytes. */
export function checkpointOf(range: CompactRange, { origin, privateKey }: LogIdentity): string {
  return signCheckpoint({ origin, size: range.size, root: rangeRoot(range), extensions: [] }, privateKey)
}
