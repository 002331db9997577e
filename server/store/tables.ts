import type { Signature, SignatureRecord } from '../schemas/signature.ts'

// Text and integers only, so that every database kysely speaks to keeps the same values. Every row of every table is sealed (seal.ts):
// a table or column that is added here is added to COLUMNS, KEYS and a migration.

/** A signature. `root` and `relative_path` are empty for what the server could not read itself. */
export type SignatureRow = Readonly<{
  id: string
  /** RFC 3339, as in {@link Signature}. */
  signed_at: string
  client: string
  spki_sha256: string
  root: string
  relative_path: string
  filename: string
  size_bytes: number
  modified_at_ms: number
  sha256: string
  keyid: string
  algorithm: Signature['algorithm']
  covers: Signature['covers']
  signature: string
  format: Signature['format']
  source: Signature['source']
  /** Where it stands in the log. */
  leaf_index: number
  /** The size of the tree that its receipt is about. */
  receipt_size: number
  /** Stands for content, key and subject; unique among the signatures that were not forced. */
  artefact: string
  /** 1 for a signature that was made although there was one; else 0. */
  forced: number
}>

/** A line of the signature file, `position` counted from 0 in the order of `lpp_name`. */
export type SignatureRecordRow = SignatureRecord & Readonly<{ signature_id: string; position: number }>

/** For each file the signature that it got last, and what the file was then. */
export type LatestSignatureRow = Readonly<{ root: string; relative_path: string; size_bytes: number; modified_at_ms: number; signature_id: string }>

/** The one content of a fileset level. `level`: package, fileset, VRMF and type with a space between. */
export type LevelRow = Readonly<{ level: string; sha256: string; signature_id: string }>

/** A signature that was handed to another client than the one it was made for. */
export type HandedRow = Readonly<{ signature_id: string; client: string }>

/** A leaf of the log: its entry, and its hash in base64. */
export type LogLeafRow = Readonly<{ leaf_index: number; kind: string; hash: string; entry: string }>

/** A complete subtree of the log whose level is a multiple of 8 above 0, as the tiles have them; the hash in base64. */
export type LogNodeRow = Readonly<{ level: number; node_index: number; hash: string }>

/** The one row that says how far the log goes: size and compact range (hashes in base64, a space between), whose log it is, and the seal over all tables. */
export type LogHeadRow = Readonly<{ id: number; size: number; hashes: string; log_key: string; salt: string; seal: string }>

/** A request that was made with an Idempotency-Key: `running` until its lease is over, or `finished`. */
export type AnswerRow = Readonly<{
  client: string
  idempotency_key: string
  fingerprint: string
  request_id: string
  state: 'running' | 'finished'
  lease_until_ms: number
  expires_at_ms: number
  kind: string
  path: string
  warnings: string
}>

/** An item of a finished answer, `position` counted from 0 in the order in which they were written. What an item does not have is empty. */
export type AnswerItemRow = Readonly<{
  client: string
  idempotency_key: string
  position: number
  listed: number
  name: string
  kind: 'signed' | 'failed' | 'skipped'
  signature_id: string
  replayed: number
  code: string
  detail: string
}>

/** A step of the schema that was made; kysely's own, like its lock. */
export type MigrationRow = Readonly<{ name: string; timestamp: string }>
export type MigrationLockRow = Readonly<{ id: string; is_locked: number }>

/** The tables as kysely types them. */
export type StoreTables = Readonly<{
  signatures: SignatureRow
  signature_records: SignatureRecordRow
  latest_signatures: LatestSignatureRow
  levels: LevelRow
  handed: HandedRow
  log_leaves: LogLeafRow
  log_nodes: LogNodeRow
  log_head: LogHeadRow
  answers: AnswerRow
  answer_items: AnswerItemRow
  kysely_migration: MigrationRow
  kysely_migration_lock: MigrationLockRow
}>

/** A table whose rows the seal covers: all but the one that carries it. */
export type SealedTable = Exclude<keyof StoreTables, 'log_head'>

type Columns = Readonly<{ [T in SealedTable]: readonly (keyof StoreTables[T] & string)[] }>

/** The columns in the order in which they are sealed. */
export const COLUMNS: Columns = {
  signatures: [
    'id', 'signed_at', 'client', 'spki_sha256', 'root', 'relative_path', 'filename', 'size_bytes', 'modified_at_ms', 'sha256', 'keyid', 'algorithm', 'covers', 'signature',
    'format', 'source', 'leaf_index', 'receipt_size', 'artefact', 'forced',
  ],
  signature_records: ['signature_id', 'position', 'keyid', 'package', 'timestamp', 'fileset', 'ftype', 'vrmf', 'signature'],
  latest_signatures: ['root', 'relative_path', 'size_bytes', 'modified_at_ms', 'signature_id'],
  levels: ['level', 'sha256', 'signature_id'],
  handed: ['signature_id', 'client'],
  log_leaves: ['leaf_index', 'kind', 'hash', 'entry'],
  log_nodes: ['level', 'node_index', 'hash'],
  answers: ['client', 'idempotency_key', 'fingerprint', 'request_id', 'state', 'lease_until_ms', 'expires_at_ms', 'kind', 'path', 'warnings'],
  answer_items: ['client', 'idempotency_key', 'position', 'listed', 'name', 'kind', 'signature_id', 'replayed', 'code', 'detail'],
  kysely_migration: ['name', 'timestamp'],
  kysely_migration_lock: ['id', 'is_locked'],
}

/** The primary keys. */
export const KEYS: Columns = {
  signatures: ['id'],
  signature_records: ['signature_id', 'position'],
  latest_signatures: ['root', 'relative_path'],
  levels: ['level'],
  handed: ['signature_id', 'client'],
  log_leaves: ['leaf_index'],
  log_nodes: ['level', 'node_index'],
  answers: ['client', 'idempotency_key'],
  answer_items: ['client', 'idempotency_key', 'position'],
  kysely_migration: ['name'],
  kysely_migration_lock: ['id'],
}

/** The sealed tables, from the one that is written to at every signature down. */
export const SEALED_TABLES = Object.keys(COLUMNS) as readonly SealedTable[]
