import { sql, type Kysely, type SchemaModule } from 'kysely'
import type { Migration } from 'kysely/migration'
import { appendLeaves, emptyRange, formatEntry, hashLeaf, TILE_WIDTH, type EntryRecord, type SignatureEntry } from '../../../formats/index.ts'

/**
 * The tamper-evident log, the guard over fileset levels, whom a signature was handed to, and answers that can be given again. What was
 * signed before becomes the first leaves of the log, in the order of signing.
 */
export const log: Migration = {
  async up(db: Kysely<unknown>) {
    await createTables(db.schema)
    await extendSignatures(db)
    await logEarlier(db.withTables<Earlier>())
    await createIndexes(db.schema)
  },
}

async function createTables(schema: SchemaModule): Promise<void> {
  await table(schema, 'levels', { level: 'text', sha256: 'text', signature_id: 'text' }, ['level'])
  await table(schema, 'handed', { signature_id: 'text', client: 'text' }, ['signature_id', 'client'])
  await table(schema, 'log_leaves', { leaf_index: 'bigint', kind: 'text', hash: 'text', entry: 'text' }, ['leaf_index'])
  await table(schema, 'log_nodes', { level: 'integer', node_index: 'bigint', hash: 'text' }, ['level', 'node_index'])
  await table(schema, 'log_head', { id: 'integer', size: 'bigint', hashes: 'text', log_key: 'text', salt: 'text', seal: 'text' }, ['id'])
  await table(
    schema,
    'answers',
    {
      client: 'text', idempotency_key: 'text', fingerprint: 'text', request_id: 'text', state: 'text', lease_until_ms: 'bigint', expires_at_ms: 'bigint', kind: 'text', path: 'text', warnings: 'text',
    },
    ['client', 'idempotency_key'],
  )
  await table(
    schema,
    'answer_items',
    {
      client: 'text', idempotency_key: 'text', position: 'integer', listed: 'integer', name: 'text', kind: 'text', signature_id: 'text', replayed: 'integer', code: 'text', detail: 'text',
    },
    ['client', 'idempotency_key', 'position'],
  )
}

async function table(schema: SchemaModule, name: string, columns: Readonly<Record<string, 'text' | 'integer' | 'bigint'>>, key: readonly string[]): Promise<void> {
  let builder = schema.createTable(name)
  for (const [column, type] of Object.entries(columns)) builder = builder.addColumn(column, type, (definition) => definition.notNull())
  await builder.addPrimaryKeyConstraint(`${name}_key`, key as never).execute()
}

async function extendSignatures({ schema }: Kysely<unknown>): Promise<void> {
  for (const name of ['leaf_index', 'receipt_size']) await schema.alterTable('signatures').addColumn(name, 'bigint', (column) => column.notNull().defaultTo(-1)).execute()
  await schema.alterTable('signatures').addColumn('artefact', 'text', (column) => column.notNull().defaultTo('')).execute()
  await schema.alterTable('signatures').addColumn('forced', 'integer', (column) => column.notNull().defaultTo(0)).execute()
  for (const name of ['size_bytes', 'modified_at_ms']) await schema.alterTable('latest_signatures').addColumn(name, 'bigint', (column) => column.notNull().defaultTo(0)).execute()
}

/** The tables as they are at this step; those of tables.ts go on changing. */
type Earlier = {
  signatures: Readonly<{ id: string; signed_at: string; client: string; spki_sha256: string; filename: string; sha256: string; size_bytes: number; keyid: string; algorithm: string; covers: 'file' | 'unverified'; source: 'path' | 'upload' | 'digest'; format: string; signature: string; leaf_index: number; receipt_size: number; artefact: string }>
  signature_records: EntryRecord & Readonly<{ signature_id: string; position: number; signature: string }>
  log_leaves: Readonly<{ leaf_index: number; kind: string; hash: string; entry: string }>
  log_nodes: Readonly<{ level: number; node_index: number; hash: string }>
  log_head: Readonly<{ id: number; size: number; hashes: string; log_key: string; salt: string; seal: string }>
}

async function logEarlier(db: Kysely<Earlier>): Promise<void> {
  let range = emptyRange()
  for (;;) {
    const rows = await db.selectFrom('signatures').selectAll().where('leaf_index', '=', -1).orderBy('signed_at').orderBy('id').limit(TILE_WIDTH).execute()
    if (rows.length === 0) break
    for (const row of rows) {
      const records = await db.selectFrom('signature_records').selectAll().where('signature_id', '=', row.id).orderBy('position').execute()
      const entry = formatEntry(entryOf(row, records))
      const appended = appendLeaves(range, [hashLeaf(entry)])
      await db.insertInto('log_leaves').values({ leaf_index: range.size, kind: 'signature', hash: hashLeaf(entry).toString('base64'), entry: entry.toString() }).execute()
      await db.updateTable('signatures').set({ leaf_index: range.size, receipt_size: range.size + 1, artefact: `before the log: ${row.id}` }).where('id', '=', row.id).execute()
      for (const { level, index, hash } of appended.nodes) {
        if (level > 0 && level % 8 === 0) await db.insertInto('log_nodes').values({ level, node_index: index, hash: hash.toString('base64') }).execute()
      }
      range = appended.range
    }
  }
  await db.insertInto('log_head').values({ id: 1, size: range.size, hashes: range.hashes.map((hash) => hash.toString('base64')).join(' '), log_key: '', salt: '', seal: '' }).execute()
  await sql`update latest_signatures set
    size_bytes = (select size_bytes from signatures where signatures.id = latest_signatures.signature_id),
    modified_at_ms = (select modified_at_ms from signatures where signatures.id = latest_signatures.signature_id)`.execute(db)
  await sql`insert into levels (level, sha256, signature_id)
    select r.package || ' ' || r.fileset || ' ' || r.vrmf || ' ' || r.ftype, s.sha256, s.id
    from signature_records r join signatures s on s.id = r.signature_id
    where s.leaf_index = (select max(t.leaf_index) from signature_records q join signatures t on t.id = q.signature_id
      where q.package = r.package and q.fileset = r.fileset and q.vrmf = r.vrmf and q.ftype = r.ftype)
    group by 1, 2, 3`.execute(db)
}

function entryOf(row: Earlier['signatures'], records: readonly Earlier['signature_records'][]): SignatureEntry {
  const { id, client, filename, sha256, keyid, algorithm, covers, source, format, signature } = row
  return {
    kind: 'signature', at: row.signed_at, client, spki: row.spki_sha256, id, filename, sha256, sizeBytes: row.size_bytes, keyid, algorithm, covers, source, format, signature,
    records: records.map(({ package: name, fileset, vrmf, ftype, timestamp, signature: own }) => ({ package: name, fileset, vrmf, ftype, timestamp, ...(own === signature ? {} : { signature: own }) })),
  }
}

async function createIndexes(schema: SchemaModule): Promise<void> {
  await schema.createIndex('signatures_leaf').unique().on('signatures').column('leaf_index').execute()
  // What makes a signature over the same content, by the same key, about the same thing happen once.
  await schema.createIndex('signatures_artefact_once').unique().on('signatures').column('artefact').where('forced' as never, '=', sql.lit(0)).execute()
  await schema.createIndex('signatures_artefact').on('signatures').columns(['artefact', 'leaf_index']).execute()
  await schema.createIndex('signatures_client').on('signatures').columns(['client', 'leaf_index']).execute()
  await schema.createIndex('signatures_keyid').on('signatures').columns(['keyid', 'leaf_index']).execute()
  await schema.createIndex('signature_records_fileset').on('signature_records').columns(['fileset', 'vrmf']).execute()
  await schema.createIndex('signature_records_package').on('signature_records').column('package').execute()
  await schema.createIndex('handed_client').on('handed').column('client').execute()
  // Few among very many: what is looked up by kind at a start.
  await schema.createIndex('log_leaves_kind').on('log_leaves').columns(['kind', 'leaf_index']).where('kind' as never, 'in', [sql.lit('key'), sql.lit('configuration')] as never).execute()
  await schema.createIndex('answers_expiry').on('answers').column('expires_at_ms').execute()
}
