import { CompiledQuery, type Expression, type ExpressionBuilder, type SqlBool, type Transaction } from 'kysely'
import { padded } from './padded.ts'
import { addToSum, weighRow, type SealKey, type Sums } from './seal.ts'
import { COLUMNS, type SealedTable, type StoreTables } from './tables.ts'

type Row<T extends SealedTable> = StoreTables[T]

/** Which rows: each member is as given, or one of those given. */
type Where<R> = { readonly [Column in keyof R]?: R[Column] | readonly R[Column][] }

/**
 * The only way to write into the sealed tables: what it does to the rows it does to the sums. Everything belongs to one transaction;
 * `sums` are those that must be sealed before its end.
 */
export interface Ledger {
  readonly transaction: Transaction<StoreTables>
  readonly sums: Sums
  /** Inserts rows; the constraints of the table decide. */
  insert<T extends SealedTable>(table: T, rows: readonly Row<T>[]): Promise<void>
  /** Changes the rows in which all members of `where` are as given. */
  change<T extends SealedTable>(table: T, where: Partial<Row<T>>, changes: Partial<Row<T>>): Promise<void>
  /** Removes the rows in which all members of `where` are as given, or one of those given. */
  remove<T extends SealedTable>(table: T, where: Where<Row<T>>): Promise<void>
}

/**
 * A lone surrogate becomes U+FFFD in UTF-8, `undefined` the default of its column, and an integer may be too big to be read again: the row
 * that is read would not weigh what the written one did.
 */
function isKeptAsItIs(value: unknown): boolean {
  return typeof value === 'string' ? value.isWellFormed() : Number.isSafeInteger(value)
}

/**
 * Rows of one statement, a power of two: with a text for each number of rows the engines would know none of them already. Small enough for
 * the parameters of one statement, of which there may be 32,766 in SQLite and 65,535 in PostgreSQL.
 */
const ROWS_MAX = 256

function groupsOf<R>(rows: readonly R[]): R[][] {
  const groups: R[][] = []
  for (let at = 0, size = ROWS_MAX; at < rows.length; at += size) {
    while (size > rows.length - at) size /= 2
    groups.push(rows.slice(at, at + size))
  }
  return groups
}

/** The texts that insert rows, by the transaction's compiler (its dialect), the table and the number of rows. */
const insertTexts = new WeakMap<object, Map<string, string>>()

/** Compiled once: kysely takes longer to write such a statement than SQLite to run it. */
function insertText(transaction: Transaction<StoreTables>, table: SealedTable, count: number): string {
  const dialect = transaction.getExecutor().adapter.constructor
  const texts = insertTexts.get(dialect) ?? new Map<string, string>()
  insertTexts.set(dialect, texts)
  const known = texts.get(`${table} ${count}`)
  if (known !== undefined) return known
  const columns = COLUMNS[table]
  const rows = Array.from({ length: count }, () => Object.fromEntries(columns.map((column) => [column, ''])))
  const { sql } = transaction.insertInto(table).values(rows).compile()
  texts.set(`${table} ${count}`, sql)
  return sql
}

function parametersOf<T extends SealedTable>(table: T, rows: readonly Row<T>[]): unknown[] {
  return rows.flatMap((row) => COLUMNS[table].map((column) => (row as Readonly<Record<string, unknown>>)[column]))
}

function matching<T extends SealedTable>(eb: ExpressionBuilder<StoreTables, T>, where: Where<Row<T>>): Expression<SqlBool> {
  const members = Object.entries(where) as [never, unknown][]
  return eb.and(members.map(([column, wanted]) => (Array.isArray(wanted) ? eb(column, 'in' as never, padded(wanted) as never) : eb(column, '=' as never, wanted as never))))
}

/** Returns a ledger over the sums that the head of the log had when the transaction began. It changes `sums`. */
export function createLedger(transaction: Transaction<StoreTables>, key: SealKey, sums: Map<SealedTable, bigint>): Ledger {
  const add = <T extends SealedTable>(table: T, rows: readonly Row<T>[], sign: 1n | -1n): void => {
    let sum = sums.get(table) as bigint
    for (const row of rows) sum = addToSum(sum, sign * weighRow(key, table, row))
    sums.set(table, sum)
  }
  const remove = async <T extends SealedTable>(table: T, where: Where<Row<T>>): Promise<Row<T>[]> => {
    const name: SealedTable = table
    const rows = (await transaction.selectFrom(name).selectAll().where((eb) => matching(eb, where)).execute()) as unknown as Row<T>[]
    if (rows.length === 0) return rows
    await transaction.deleteFrom(name).where((eb) => matching(eb, where)).execute()
    add(table, rows, -1n)
    return rows
  }
  const insert = async <T extends SealedTable>(table: T, rows: readonly Row<T>[]): Promise<void> => {
    if (!rows.every((row) => COLUMNS[table].every((column) => isKeptAsItIs((row as Readonly<Record<string, unknown>>)[column])))) throw new TypeError('a row has a value that the database would not keep as it is')
    for (const group of groupsOf(rows)) await transaction.executeQuery(CompiledQuery.raw(insertText(transaction, table, group.length), parametersOf(table, group)))
    add(table, rows, 1n)
  }
  return {
    transaction,
    sums,
    insert,
    remove: async (table, where) => void (await remove(table, where)),
    change: async (table, where, changes) => {
      const rows = await remove(table, where)
      await insert(table, rows.map((row) => ({ ...row, ...changes })))
    },
  }
}
