import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/**
 * What a signature was made of besides a package that lay on the server: uploads, digests, other formats. Whatever was signed before
 * was a package by path. A signature without a file of ours has an empty root and path. A verification looks up by digest.
 */
export const sources: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema.alterTable('signatures').addColumn('format', 'text', (column) => column.notNull().defaultTo('installp')).execute()
    await db.schema.alterTable('signatures').addColumn('source', 'text', (column) => column.notNull().defaultTo('path')).execute()
    await db.schema.createIndex('signatures_sha256').on('signatures').columns(['sha256', 'signed_at']).execute()
  },
}
