import { setImmediate } from 'node:timers/promises'
import { Buffer } from 'node:buffer'
import { sql, type Kysely } from 'kysely'
import { appendLeaves, emptyRange, hashLeaf, parseEntry, type CompactRange } from '../../formats/index.ts'
import type { LogAudit, LogFinding } from '../schemas/log.ts'
import { checkpointOf, headOf, rangeOf, readHead, type LogIdentity } from './head.ts'
import { TILE_LEVELS } from './leaves.ts'
import { addToSum, emptySums, openSeal, weighRow, type SealKey, type Sums } from './seal.ts'
import { KEYS, SEALED_TABLES, type LogHeadRow, type SealedTable, type StoreTables } from './tables.ts'

const ROWS_PER_READ = 1_000

/**
 * Compares every row of a database with what was written: the sums of the tables with those in the seal, and the log with itself. The
 * executor must read in one state of the database. Nothing is held but a page of rows.
 * @throws SigningError `STORE_FAILED` when the head itself is gone or not ours
 */
export async function auditTables(db: Kysely<StoreTables>, { identity, sealKey }: Readonly<{ identity: LogIdentity; sealKey: SealKey }>): Promise<LogAudit> {
  const head = await readHead(db)
  const sealed = sealedSums(head, { identity, sealKey })
  if (sealed === undefined) return { checkpoint: checkpointOf(rangeOf(emptyHead), identity), intact: false, findings: [{ table: 'log_head', detail: 'the row was not written by a server with this log key' }] }
  const found = await sumTables(db, sealKey)
  const changed = SEALED_TABLES.filter((table) => found.get(table) !== sealed.get(table))
  const findings: LogFinding[] = [...changed.map((table) => ({ table, detail: 'a row was changed, removed or added by somebody else than the server' })), ...(await auditLog(db, head))]
  return { checkpoint: checkpointOf(rangeOf(head), identity), intact: findings.length === 0, findings }
}

const emptyHead = headOf(emptyRange())

function sealedSums(head: LogHeadRow, { identity, sealKey }: Readonly<{ identity: LogIdentity; sealKey: SealKey }>): Sums | undefined {
  try {
    return head.log_key === identity.verifierKey ? openSeal(sealKey, head) : undefined
  } catch {
    return undefined
  }
}

/** Returns the sums over the rows that are there. */
export async function sumTables(db: Kysely<StoreTables>, sealKey: SealKey): Promise<Map<SealedTable, bigint>> {
  const sums = emptySums()
  for (const table of SEALED_TABLES) {
    let [sum, seen] = [0n, 0]
    for await (const rows of pages(db, table)) {
      for (const row of rows) sum = addToSum(sum, weighRow(sealKey, table, row))
      seen += rows.length
    }
    sums.set(table, seen === (await countRows(db, table)) ? sum : NO_SUM)
  }
  return sums
}

/** Where two rows have one key, a page may end between them and the next begin behind them: no row of the server's is like that. */
const NO_SUM = -1n

async function countRows(db: Kysely<StoreTables>, table: keyof StoreTables): Promise<number> {
  const { rows } = await db.selectFrom(table).select((eb) => eb.fn.countAll<number>().as('rows')).executeTakeFirstOrThrow()
  return rows
}

/** Compares the head and the nodes of the log with its leaves, and the leaves with their entries. */
async function auditLog(db: Kysely<StoreTables>, head: LogHeadRow): Promise<LogFinding[]> {
  const findings = new Map<string, LogFinding>()
  const fault = (table: string, detail: string): void => void findings.set(table, { table, detail })
  let range = emptyRange()
  for await (const rows of pages(db, 'log_leaves')) {
    for (const { leaf_index, hash, entry, kind } of rows) {
      const leaf = hashLeaf(Buffer.from(entry))
      if (leaf_index !== range.size || leaf.toString('base64') !== hash || kindOf(entry) !== kind) fault('log_leaves', `the leaf at ${range.size} is not what the server wrote`)
      range = await appendChecked(db, range, leaf, fault)
    }
  }
  const { size, hashes } = headOf(range)
  if ((await countRows(db, 'log_head')) !== 1) fault('log_head', 'there is more than one head')
  if (size !== head.size || hashes !== head.hashes) fault('log_head', 'the head does not belong to the leaves')
  return [...findings.values()]
}

async function appendChecked(db: Kysely<StoreTables>, range: CompactRange, leaf: Buffer, fault: (table: string, detail: string) => void): Promise<CompactRange> {
  const appended = appendLeaves(range, [leaf])
  for (const { level, index, hash } of appended.nodes) {
    if (level === 0 || level % TILE_LEVELS !== 0) continue
    const row = await db.selectFrom('log_nodes').select('hash').where('level', '=', level).where('node_index', '=', index).executeTakeFirst()
    if (row?.hash !== hash.toString('base64')) fault('log_nodes', `the node ${index} of level ${level} does not belong to the leaves`)
  }
  return appended.range
}

function kindOf(entry: string): string | undefined {
  try {
    return parseEntry(Buffer.from(entry)).kind
  } catch {
    return undefined
  }
}

/** Yields the rows of a table in the order of its key. */
async function* pages<T extends SealedTable>(db: Kysely<StoreTables>, table: T): AsyncGenerator<StoreTables[T][], void, undefined> {
  const key = KEYS[table]
  const columns = sql.join(key.map((column) => sql.ref(column)))
  let after: Readonly<Record<string, unknown>> | undefined
  do {
    const last = after
    const behind = last === undefined ? sql`` : sql`where (${columns}) > (${sql.join(key.map((column) => last[column]))})`
    const { rows } = await sql<StoreTables[T]>`select * from ${sql.table(table)} ${behind} order by ${columns} limit ${sql.lit(ROWS_PER_READ)}`.execute(db)
    yield rows
    after = rows.length < ROWS_PER_READ ? undefined : rows.at(-1)
    // SQLite answers on this thread: writers have their turn between two pages.
    await setImmediate()
  } while (after !== undefined)
}
