import type { Transaction } from 'kysely'
import { addToSum, weighRow, type SealKey, type Sums } from './seal.ts'
import { COLUMNS, type SealedTable, type StoreTables } from './tables.ts'

type Row<T extends SealedTable> = StoreTables[T]

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
  /** Removes the rows in which all members of `where` are as given. */
  remove<T extends SealedTable>(table: T, where: Partial<Row<T>>): Promise<void>
}

/**
 * A lone surrogate becomes U+FFFD in UTF-8, `undefined` the default of its column, and an integer may be too big to be read again: the row
 * that is read would not weigh what the written one did.
 */
function isKeptAsItIs(value: unknown): boolean {
  return typeof value === 'string' ? value.isWellFormed() : Number.isSafeInteger(value)
}

// Parameters of one statement are limited (32,766 in SQLite, 65,535 in PostgreSQL).
const PARAMETERS_MAX = 30_000

/** Returns a ledger over the sums that the head of the log had when the transaction began. It changes `sums`. */
export function createLedger(transaction: Transaction<StoreTables>, key: SealKey, sums: Map<SealedTable, bigint>): Ledger {
  const add = <T extends SealedTable>(table: T, rows: readonly Row<T>[], sign: 1n | -1n): void => {
    let sum = sums.get(table) as bigint
    for (const row of rows) sum = addToSum(sum, sign * weighRow(key, table, row))
    sums.set(table, sum)
  }
  const select = async <T extends SealedTable>(table: T, where: Partial<Row<T>>): Promise<Row<T>[]> => {
    const name: SealedTable = table
    const matching = transaction.selectFrom(name).selectAll().where((eb) => eb.and(where as never))
    return (await matching.execute()) as unknown as Row<T>[]
  }
  const remove = async <T extends SealedTable>(table: T, where: Partial<Row<T>>): Promise<Row<T>[]> => {
    const rows = await select(table, where)
    if (rows.length === 0) return rows
    const name: SealedTable = table
    await transaction.deleteFrom(name).where((eb) => eb.and(where as never)).execute()
    add(table, rows, -1n)
    return rows
  }
  const insert = async <T extends SealedTable>(table: T, rows: readonly Row<T>[]): Promise<void> => {
    if (!rows.every((row) => COLUMNS[table].every((column) => isKeptAsItIs((row as Readonly<Record<string, unknown>>)[column])))) throw new TypeError('a row has a value that the database would not keep as it is')
    const name: SealedTable = table
    const size = Math.floor(PARAMETERS_MAX / COLUMNS[table].length)
    for (let at = 0; at < rows.length; at += size) {
      await transaction.insertInto(name).values(rows.slice(at, at + size)).execute()
    }
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
