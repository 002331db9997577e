import { PostgresAdapter, sql, type Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/**
 * In PostgreSQL a key of a B-tree has at most 2,704 bytes, and a path may have 4,096: there the paths are found by their hash. That each
 * file has one row is then kept by the writer, who is alone and removes before it inserts.
 * @see https://www.postgresql.org/docs/current/limits.html
 */
export const longPaths: Migration = {
  async up(db: Kysely<unknown>) {
    if (!(db.getExecutor().adapter instanceof PostgresAdapter)) return
    await sql`alter table latest_signatures drop constraint latest_signatures_key`.execute(db)
    await sql`create index latest_signatures_path on latest_signatures using hash (relative_path)`.execute(db)
  },
}
