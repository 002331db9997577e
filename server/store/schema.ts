import { sql, type Kysely } from 'kysely'
import { DEFAULT_MIGRATION_TABLE, Migrator } from 'kysely/migration'
import { SigningError } from '../errors.ts'
import { storeFault } from './faults.ts'
import { MIGRATIONS } from './migrations/index.ts'
import type { StoreTables } from './tables.ts'

/**
 * Brings the schema of a database up to date; each step is made whole or not at all, and by one process of several.
 * @throws SigningError `STORE_FAILED`
 */
export async function bringUpToDate(db: Kysely<StoreTables>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } })
  const { error } = await migrator.migrateToLatest()
  if (error !== undefined) throw storeFault('the schema of the catalogue could not be brought up to date', error)
}

/**
 * Refuses a database of another program, or of a newer version of this server.
 * @throws SigningError `STORE_FAILED`; an error of the driver as it is
 */
export async function refuseForeignSchema(db: Kysely<StoreTables>): Promise<void> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true })
  if (tables.length === 0) return
  if (!tables.some(({ name }) => name === DEFAULT_MIGRATION_TABLE)) {
    throw new SigningError('STORE_FAILED', 'the database belongs to another program', { tables: tables.map(({ name }) => name) })
  }
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(DEFAULT_MIGRATION_TABLE)}`.execute(db)
  const unknown = rows.map(({ name }) => name).filter((name) => !Object.hasOwn(MIGRATIONS, name))
  if (unknown.length > 0) {
    throw new SigningError('STORE_FAILED', 'the catalogue was written by a newer version of this server: start that version', { unknown })
  }
}
