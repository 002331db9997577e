import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/**
 * The catalogue: signatures, their records, and for each file the latest signature. Every column is NOT NULL, primary keys by name
 * too: SQLite lets NULL into a text primary key, and node:sqlite binds `undefined` as NULL without a word.
 */
export const signatures: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('signatures')
      .addColumn('id', 'text', (column) => column.notNull().primaryKey())
      .addColumn('signed_at', 'text', (column) => column.notNull())
      .addColumn('client', 'text', (column) => column.notNull())
      .addColumn('spki_sha256', 'text', (column) => column.notNull())
      .addColumn('root', 'text', (column) => column.notNull())
      .addColumn('relative_path', 'text', (column) => column.notNull())
      .addColumn('filename', 'text', (column) => column.notNull())
      .addColumn('size_bytes', 'bigint', (column) => column.notNull())
      .addColumn('modified_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('sha256', 'text', (column) => column.notNull())
      .addColumn('keyid', 'text', (column) => column.notNull())
      .addColumn('algorithm', 'text', (column) => column.notNull())
      .addColumn('covers', 'text', (column) => column.notNull())
      .addColumn('signature', 'text', (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('signature_records')
      .addColumn('signature_id', 'text', (column) => column.notNull().references('signatures.id'))
      .addColumn('position', 'integer', (column) => column.notNull())
      .addColumn('keyid', 'text', (column) => column.notNull())
      .addColumn('package', 'text', (column) => column.notNull())
      .addColumn('timestamp', 'text', (column) => column.notNull())
      .addColumn('fileset', 'text', (column) => column.notNull())
      .addColumn('ftype', 'text', (column) => column.notNull())
      .addColumn('vrmf', 'text', (column) => column.notNull())
      .addColumn('signature', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('signature_records_key', ['signature_id', 'position'])
      .execute()
    // A listing asks for the latest signature of thousands of files: one look-up each, however often a file was signed. The order is
    // that of the commits, which no clock can turn back.
    await db.schema
      .createTable('latest_signatures')
      .addColumn('root', 'text', (column) => column.notNull())
      .addColumn('relative_path', 'text', (column) => column.notNull())
      .addColumn('signature_id', 'text', (column) => column.notNull().references('signatures.id'))
      .addPrimaryKeyConstraint('latest_signatures_key', ['root', 'relative_path'])
      .execute()
  },
}
