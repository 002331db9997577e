import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { formatEntry, hashLeaf, type LogEntry } from '../../../formats/index.ts'
import type { AnswerItem, Asked, Store } from '../../../server/store/store.ts'
import { COLUMNS, SEALED_TABLES } from '../../../server/store/tables.ts'
import { changeRow, deleteRow, ENGINES, insertRow, keyOf, rowsOf, type Row, type TableName, type TestDatabase, type Value } from '../../helpers/engines.ts'
import { FULL } from '../../helpers/full-size.ts'
import { recording } from '../../helpers/store.ts'

const TABLES: readonly TableName[] = [...SEALED_TABLES, 'log_head']
const START: LogEntry = { kind: 'start', at: '2026-11-24T05:06:07.089Z', version: '1.0.0' }

/** A database in which every table has rows, those with signatures several. */
async function filled(t: Test, fresh: (t: Test) => Promise<TestDatabase>) {
  const database = await fresh(t)
  const writer = await database.open()
  await fill(writer)
  // Whoever began a request renews its lease, and that changes rows: nobody does any more.
  await writer.close()
  for (const table of TABLES) t.ok((await rowsOf(database, table)).length > 0, `${table} has rows`)
  const store = await database.open()
  t.match(await store.audit(), { intact: true, findings: [] })
  return { database, store }
}

async function fill(store: Store): Promise<void> {
  await store.begin({ at: START.at, version: '1.0.0', configurationSha256: 'c0'.repeat(32), keys: new Map([['1001', 'aa'.repeat(32)]]) })
  const first = recording({ filesets: ['PkgA.rte', 'PkgA.adt'], relativePath: 'ppc/a.bff', content: 'a' })
  await store.record(first.subject, first.signature)
  await store.lookUp({ ...first.subject, recipient: { ...first.subject.recipient, client: 'auditor' } })
  for (const choice of [{ relativePath: 'ppc/b.bff' }, { sent: true, filesets: [] }]) {
    const { subject, signature } = recording(choice)
    await store.record(subject, signature)
  }
  // The first node above the leaves comes with the 256th.
  await Promise.all(Array.from({ length: 300 }, async (_, at) => await store.append({ kind: 'refusal', at: START.at, client: 'guest', spki: 'ab'.repeat(32), operation: 'sign', code: at % 2 === 0 ? 'FORBIDDEN' : 'RATE_LIMITED' })))
  await answered(store, first.signature.id)
  await store.ask({ client: 'auditor', key: 'running', fingerprint: 'f', requestId: randomUUID() })
}

async function answered(store: Store, signatureId: string): Promise<void> {
  const asked: Asked = { client: 'release-bot', key: 'k', fingerprint: 'f', requestId: randomUUID() }
  const items: AnswerItem[] = [
    { name: 'a.bff', listed: 0, kind: 'signed', signatureId, filename: 'a.bff', replayed: false },
    { name: 'b.bff', listed: 2, kind: 'failed', code: 'FILE_CHANGED', detail: 'there is no such file' },
    { name: 'c.txt', listed: 1, kind: 'skipped', reason: 'NOT_A_PACKAGE' },
  ]
  await store.ask(asked)
  await store.answer(asked, { kind: 'directory', path: 'ppc', warnings: [] }, items)
}

/** What the audit says of a change: the tables it names, or the code of its rejection. */
async function verdict(store: Store): Promise<readonly string[]> {
  try {
    const { intact, findings } = await store.audit()
    return intact ? [] : findings.map(({ table }) => table)
  } catch (error) {
    return [(error as { code: string }).code]
  }
}

/** Other values than this one that the column could hold; where they must be unique, none of another row. */
function others(value: Value, isUnique: boolean): Value[] {
  if (typeof value === 'number') return [value + (isUnique ? 100_000 : 1)]
  if (typeof value !== 'string') throw new TypeError('a column has neither text nor a number')
  const flipped = value.endsWith('A') ? 'B' : 'A'
  const changed = `${value.slice(0, -1)}${flipped}`
  return FULL ? [changed, `${value} `, ...(value === '' ? [] : [''])] : [changed]
}

/** Every column of a row with its value and another one, or several: of the leaves, which are hundreds, one, and in a quick run those of the last row alone. */
function changesOf(table: TableName, row: Row, isLast: boolean): (readonly [string, Value, Value])[] {
  const changes = allChangesOf(table, row)
  if (isLast) return changes
  return FULL ? changes.filter(([column], at) => table !== 'log_leaves' || changes[at - 1]?.[0] !== column) : []
}

function allChangesOf(table: TableName, row: Row): (readonly [string, Value, Value])[] {
  return Object.entries(row).flatMap(([column, value]) => others(value, keyOf(table).includes(column) || column === 'leaf_index').map((other) => [column, value, other] as const))
}

/** All rows, but of hundreds only some in a quick run. */
function sample(rows: readonly Row[]): readonly Row[] {
  return FULL || rows.length < 50 ? rows : rows.slice(-2)
}

for (const { name: engine, skip, fresh } of ENGINES) {
  void t.test(`${engine}: a row that was deleted or changed past the server is found in every table, and an undone change leaves no trace`, { skip, timeout: 600_000 }, async (t) => {
    const { database, store } = await filled(t, fresh)
    const names = (table: TableName, tables: readonly string[]) => tables.includes(table) || (table === 'log_head' && tables.includes('STORE_FAILED'))
    for (const table of TABLES) {
      const rows = sample(await rowsOf(database, table))
      for (const [at, row] of rows.entries()) {
        await deleteRow(database, table, row)
        t.ok(names(table, await verdict(store)), `${table}: a deleted row`)
        await insertRow(database, table, row)
        for (const [column, value, other] of changesOf(table, row, at === rows.length - 1)) {
          await changeRow(database, table, row, { [column]: other })
          const tables = await verdict(store)
          if (!names(table, tables)) t.fail(`${table}.${column}: ${String(value)} became ${String(other)}, and the audit says ${tables.join()}`)
          await changeRow(database, table, { ...row, [column]: other }, { [column]: value })
        }
        t.same(await verdict(store), [], `${table}: everything undone`)
      }
    }
  })

  void t.test(`${engine}: rows that were swapped, forged, emptied or taken from an earlier time are found`, { skip }, async (t) => {
    const { database, store } = await filled(t, fresh)
    const earlier = (await rowsOf(database, 'log_head'))[0] as Row
    await store.append(START)
    for (const table of TABLES) {
      const rows = await rowsOf(database, table)
      await database.execute(`delete from ${table}`)
      t.not((await verdict(store)).length, 0, `${table}: emptied`)
      for (const row of rows) await insertRow(database, table, row)
      t.same(await verdict(store), [])
      const forged = forge(table, rows.at(-1) as Row)
      await insertRow(database, table, forged)
      t.ok((await verdict(store)).includes(table), `${table}: a forged row`)
      await deleteRow(database, table, forged)
      await swapped(database, table, async (columns) => t.ok((await verdict(store)).includes(table), `${table}: ${columns} of two rows swapped`))
    }
    const head = (await rowsOf(database, 'log_head'))[0] as Row
    await changeRow(database, 'log_head', head, earlier)
    t.ok((await verdict(store)).includes('log_leaves'), 'an earlier head beside later leaves')
    t.ok((await verdict(store)).includes('log_head'))
    await changeRow(database, 'log_head', head, head)
    t.same(await verdict(store), [])
  })

  void t.test(`${engine}: a number beyond those of JavaScript is found, and a leaf with a hash that fits to it`, { skip }, async (t) => {
    const { database, store } = await filled(t, fresh)
    const leaf = (await rowsOf(database, 'log_leaves')).at(-1) as Row
    for (const [kind, entry] of [['refusal', 'not JSON'], ['start', leaf['entry'] as string], ['start', formatEntry(START).toString()]] as const) {
      await changeRow(database, 'log_leaves', leaf, { kind, entry, hash: hashLeaf(Buffer.from(entry)).toString('base64') })
      t.strictSame([...new Set(await verdict(store))], entry === leaf['entry'] ? ['log_leaves'] : ['log_leaves', 'log_head'], entry)
    }
    await changeRow(database, 'log_leaves', leaf, leaf)
    const row = (await rowsOf(database, 'latest_signatures'))[0] as Row
    await database.execute('update latest_signatures set modified_at_ms = 9007199254740993 where relative_path = ?', [row['relative_path'] as string])
    t.not((await verdict(store)).length, 0)
    await changeRow(database, 'latest_signatures', row, row)
    t.same(await verdict(store), [])
  })

  void t.test(`${engine}: whoever makes the log look as if it had not begun gets no new seal`, { skip }, async (t) => {
    const { database, store } = await filled(t, fresh)
    await store.close()
    const head = (await rowsOf(database, 'log_head'))[0] as Row
    await database.execute(`update signatures set client = 'mallory'`)
    await changeRow(database, 'log_head', head, { log_key: '', salt: '', seal: '' })
    await t.rejects(database.open(), { code: 'STORE_FAILED', message: /the seal of the log is gone/ })
    await database.execute(`delete from log_leaves where kind <> 'signature'`)
    await t.rejects(database.open(), { code: 'STORE_FAILED' })
  })

  void t.test(`${engine}: a log of another key, and a head that somebody else wrote, are refused at the start`, { skip }, async (t) => {
    const { database, store } = await filled(t, fresh)
    await store.close()
    const head = (await rowsOf(database, 'log_head'))[0] as Row
    await changeRow(database, 'log_head', head, { log_key: 'other/log+00000000+AAAA' })
    await t.rejects(database.open(), { code: 'STORE_FAILED', message: /begun with another key or name, other\/log\+00000000\+AAAA: put back/ })
    await changeRow(database, 'log_head', head, { log_key: head['log_key'] as string, size: (head['size'] as number) - 1 })
    await t.rejects(database.open(), { code: 'STORE_FAILED', message: /was not written by this server/ })
    await deleteRow(database, 'log_head', head)
    await t.rejects(database.open(), { code: 'STORE_FAILED', message: /the head of the log is gone/ })
    await insertRow(database, 'log_head', head)
    t.match(await (await database.open()).audit(), { intact: true })
  })
}

/** A row like this one under a key that nobody has. */
function forge(table: TableName, row: Row): Row {
  const uniques = table === 'signatures' ? ['id', 'leaf_index', 'artefact'] : keyOf(table)
  return { ...row, ...Object.fromEntries(uniques.map((column) => [column, typeof row[column] === 'number' ? row[column] + 1000 : `${row[column] as string}x`])) }
}

/** Swaps what two rows of a table have outside of their keys, column by column, and swaps it back. */
async function swapped(database: TestDatabase, table: TableName, check: (column: string) => Promise<unknown>): Promise<void> {
  const [one, two] = await rowsOf(database, table)
  if (one === undefined || two === undefined || table === 'log_head') return
  for (const column of COLUMNS[table].filter((name) => !keyOf(table).includes(name) && one[name] !== two[name])) {
    if (column === 'leaf_index' || column === 'artefact') continue
    await changeRow(database, table, one, { [column]: two[column] as Value })
    await changeRow(database, table, two, { [column]: one[column] as Value })
    await check(column)
    await changeRow(database, table, one, { [column]: one[column] as Value })
    await changeRow(database, table, two, { [column]: two[column] as Value })
  }
}
