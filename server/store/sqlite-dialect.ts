import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { SqliteAdapter, SqliteDialect } from 'kysely'
import type { SqliteDatabase, SqliteStatement } from 'kysely'

/** SQLite as kysely knows it, over an open node:sqlite database; `destroy()` of the Kysely object closes the database. */
export function sqliteDialect(database: DatabaseSync): SqliteDialect {
  return new NodeSqliteDialect({ database: asBetterSqlite(database) })
}

/** kysely holds DDL to be outside of transactions; SQLite rolls it back like anything else, so a migration is made whole or not at all. */
class NodeSqliteDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new TransactionalDdlAdapter()
  }
}

class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

/** The texts of statements differ by the number of rows that they write; more than this many are prepared anew. */
const PREPARED_MAX = 500

function asBetterSqlite(database: DatabaseSync): SqliteDatabase {
  const prepared = new Map<string, SqliteStatement>()
  return {
    prepare: (sql) => {
      const text = translate(sql, database)
      const known = prepared.get(text)
      if (known !== undefined) return known
      const statement = asBetterStatement(database.prepare(text))
      if (prepared.size >= PREPARED_MAX) prepared.clear()
      prepared.set(text, statement)
      return statement
    },
    close: () => database.close(),
  }
}

/**
 * `begin` takes the write lock at once: a transaction that reads first and writes later cannot wait for the lock, it fails.
 * `rollback` is skipped where SQLite has already rolled back (disk full, I/O error): its own error would hide the first one.
 */
function translate(sql: string, database: DatabaseSync): string {
  if (sql === 'begin') return 'begin immediate'
  if (sql === 'rollback' && !database.isTransaction) return 'select 1'
  return sql
}

function asBetterStatement(statement: StatementSync): SqliteStatement {
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...(parameters as readonly SQLInputValue[])),
    run: (parameters) => statement.run(...(parameters as readonly SQLInputValue[])),
    iterate: (parameters) => statement.iterate(...(parameters as readonly SQLInputValue[])),
  }
}
