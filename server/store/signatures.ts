import type { Kysely } from 'kysely'
import { inclusionNodes, rangeNodes, readRange } from '../../formats/index.ts'
import type { Receipt } from '../schemas/receipt.ts'
import type { Signature } from '../schemas/signature.ts'
import { checkpointOf, type LogIdentity } from './head.ts'
import { receiptOf } from './leaves.ts'
import { readNodes } from './tiles.ts'
import { padded } from './padded.ts'
import type { Catalogued, SignedFile, Subject, Unrecorded } from './store.ts'
import type { LatestSignatureRow, SignatureRecordRow, SignatureRow, StoreTables } from './tables.ts'

/** Where a new signature stands in the log, and how big the tree of its receipt is. */
export type Placed = Readonly<{ leafIndex: number; receiptSize: number }>

/** The row of a signature. */
export function signatureRow({ artefact, force, recipient }: Subject, signature: Unrecorded, { leafIndex, receiptSize }: Placed): SignatureRow {
  const { client, spkiSha256, file } = recipient
  return {
    id: signature.id,
    signed_at: signature.signedAt,
    client,
    spki_sha256: spkiSha256,
    root: file?.root ?? '',
    relative_path: file?.relativePath ?? '',
    filename: signature.filename,
    size_bytes: signature.sizeBytes,
    modified_at_ms: wholeMs(file?.modifiedAtMs ?? 0),
    sha256: signature.sha256,
    keyid: signature.keyid,
    algorithm: signature.algorithm,
    covers: signature.covers,
    signature: signature.signature,
    format: signature.format,
    source: signature.source,
    leaf_index: leafIndex,
    receipt_size: receiptSize,
    artefact,
    forced: force ? 1 : 0,
  }
}

/** The rows of its records. */
export function recordRows({ id, records }: Pick<Signature, 'id' | 'records'>): SignatureRecordRow[] {
  return records.map(({ keyid, package: name, timestamp, fileset, ftype, vrmf, signature }, position) =>
    ({ signature_id: id, position, keyid, package: name, timestamp, fileset, ftype, vrmf, signature }))
}

/**
 * A modification time as the catalogue compares it: file systems give fractions that a column of integers cannot keep, and times beyond
 * the safe integers, which could be written and not be read again.
 */
export function wholeMs(timeMs: number): number {
  return Math.min(Math.max(Math.floor(timeMs), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
}

/** Returns the signatures of these rows with their records and receipts, in the order of the rows. */
export async function readSignatures(db: Kysely<StoreTables>, rows: readonly SignatureRow[], identity: LogIdentity): Promise<Catalogued[]> {
  if (rows.length === 0) return []
  const records = await readRecords(db, rows)
  const receipts = await readReceipts(db, rows, identity)
  return rows.map((row) => ({
    client: row.client,
    signature: toSignature(row, records.get(row.id) ?? [], receipts.get(row.leaf_index) as Receipt),
    ...(row.root === '' ? {} : { place: { root: row.root, relativePath: row.relative_path } }),
  }))
}

/** Returns the signatures with these ids, as far as they are there, by id; an id may be named more than once. */
export async function readSignaturesById(db: Kysely<StoreTables>, ids: readonly string[], identity: LogIdentity): Promise<ReadonlyMap<string, Catalogued>> {
  const rows = ids.length === 0 ? [] : await db.selectFrom('signatures').selectAll().where('id', 'in', padded([...new Set(ids)])).execute()
  return new Map((await readSignatures(db, rows, identity)).map((one) => [one.signature.id, one]))
}

/** Whether this was the signature of a file as it is now: of its size and modification time. */
export function isOfFile(row: LatestSignatureRow | undefined, { sizeBytes, modifiedAtMs }: Pick<SignedFile, 'sizeBytes' | 'modifiedAtMs'>): row is LatestSignatureRow {
  return row?.size_bytes === sizeBytes && row.modified_at_ms === wholeMs(modifiedAtMs)
}

async function readRecords(db: Kysely<StoreTables>, rows: readonly SignatureRow[]): Promise<Map<string, SignatureRecordRow[]>> {
  const records = await db.selectFrom('signature_records').selectAll().where('signature_id', 'in', rows.map(({ id }) => id)).orderBy('signature_id').orderBy('position').execute()
  return Map.groupBy(records, (record) => record.signature_id)
}

async function readReceipts(db: Kysely<StoreTables>, rows: readonly SignatureRow[], identity: LogIdentity): Promise<Map<number, Receipt>> {
  const places = rows.map(({ leaf_index: index, receipt_size: size }) => ({ index, size }))
  const nodes = places.flatMap((place) => [...inclusionNodes(place), ...rangeNodes(place.size)])
  const read = await readNodes(db, Math.max(...places.map(({ size }) => size)), nodes)
  const leaves = await db.selectFrom('log_leaves').select(['leaf_index', 'entry']).where('leaf_index', 'in', places.map(({ index }) => index)).execute()
  const entries = new Map(leaves.map(({ leaf_index: index, entry }) => [index, entry]))
  const checkpoints = new Map(places.map(({ size }) => [size, checkpointOf(readRange(size, read), identity)]))
  return new Map(places.map((place) => [
    place.index,
    receiptOf({ ...place, entry: entries.get(place.index) as string, checkpoint: checkpoints.get(place.size) as string }, read),
  ]))
}

/** The signature that the rows hold; `records` must be in the order of `position`. */
function toSignature(row: SignatureRow, records: readonly SignatureRecordRow[], receipt: Receipt): Signature {
  return {
    id: row.id,
    filename: row.filename,
    format: row.format,
    source: row.source,
    sha256: row.sha256,
    sizeBytes: row.size_bytes,
    keyid: row.keyid,
    algorithm: row.algorithm,
    covers: row.covers,
    signature: row.signature,
    signedAt: row.signed_at,
    replayed: false,
    records: records.map(({ keyid, package: name, timestamp, fileset, ftype, vrmf, signature }) =>
      ({ keyid, package: name, timestamp, fileset, ftype, vrmf, signature })),
    receipt,
  }
}
