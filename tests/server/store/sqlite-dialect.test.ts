import { DatabaseSync } from 'node:sqlite'
import { Kysely, sql } from 'kysely'
import t from 'tap'
import { sqliteDialect } from '../../../server/store/sqlite-dialect.ts'

// tap's types know no property of node:sqlite's errors.
const sqliteError = (errcode: number) => ({ errcode }) as unknown as Error

type Tables = { letters: { letter: string } }

function letters(file = ':memory:') {
  const database = new DatabaseSync(file, { timeout: 1 })
  database.exec('create table if not exists letters (letter text not null primary key)')
  const db = new Kysely<Tables>({ dialect: sqliteDialect(database) })
  t.teardown(() => {
    if (database.isOpen) database.close()
  })
  return { database, db }
}

void t.test('the dialect inserts, selects and streams', async (t) => {
  const { database, db } = letters()
  const [result] = await db.insertInto('letters').values([{ letter: 'a' }, { letter: 'b' }]).execute()
  t.equal(result?.numInsertedOrUpdatedRows, 2n)
  const rows = await db.selectFrom('letters').selectAll().orderBy('letter').execute()
  t.same(rows.map(({ letter }) => letter), ['a', 'b'])
  const streamed: string[] = []
  for await (const { letter } of db.selectFrom('letters').selectAll().orderBy('letter').stream()) streamed.push(letter)
  t.same(streamed, ['a', 'b'])
  await db.destroy()
  t.equal(database.isOpen, false, 'destroy closes the database')
})

void t.test('a transaction holds the write lock from its first statement', async (t) => {
  const file = `${t.testdir()}/letters.db`
  const { db } = letters(file)
  const other = letters(file)
  await db.transaction().execute(async (transaction) => {
    await transaction.selectFrom('letters').selectAll().execute()
    t.throws(() => other.database.exec('begin immediate'), sqliteError(5))
  })
  other.database.exec('begin immediate; rollback')
})

void t.test('a transaction that SQLite rolled back itself fails with the error that made it do so', async (t) => {
  const { db } = letters()
  await sql`pragma max_page_count = 3`.execute(db)
  const filling = db.transaction().execute(async (transaction) => {
    for (let count = 0; ; count++) await transaction.insertInto('letters').values({ letter: `${count}`.repeat(1000) }).execute()
  })
  await t.rejects(filling, sqliteError(13))
  t.same(await db.selectFrom('letters').selectAll().execute(), [])
})

void t.test('a transaction that fails in the middle leaves nothing, tables included', async (t) => {
  const { database, db } = letters()
  await t.rejects(db.transaction().execute(async (transaction) => {
    await transaction.schema.createTable('more').addColumn('letter', 'text').execute()
    await transaction.insertInto('letters').values([{ letter: 'a' }, { letter: 'a' }]).execute()
  }), sqliteError(1555))
  t.equal(database.isTransaction, false)
  t.same((await db.introspection.getTables()).map(({ name }) => name), ['letters'])
})

void t.test('more statements than are kept prepared all work, the first ones again too', async (t) => {
  const { db } = letters()
  for (let turn = 0; turn < 2; turn++) {
    for (let at = 0; at < 600; at++) t.same((await sql<{ at: number }>`select ${sql.lit(at)} as at`.execute(db)).rows.map((row) => row.at), [at])
  }
})
