import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { createLedger } from '../../../server/store/ledger.ts'
import { addToSum, deriveSealKey, emptySums, openSeal, sealSums, weighRow } from '../../../server/store/seal.ts'
import { sumTables } from '../../../server/store/audit.ts'
import { takenLevel, levelKey, obstacleOf } from '../../../server/store/guard.ts'
import { COLUMNS, SEALED_TABLES, type SealedTable, type StoreTables } from '../../../server/store/tables.ts'
import { ENGINES } from '../../helpers/engines.ts'
import { count } from '../../helpers/full-size.ts'
import { recording, TEST_LOG } from '../../helpers/store.ts'

const KEY = deriveSealKey(TEST_LOG.privateKey)
const STATE = { size: 3, hashes: 'a b' }
const handed = (id: string, client = 'c') => ({ signature_id: id, client })
const sumOf = (rows: readonly ReturnType<typeof handed>[], key = KEY) => rows.reduce((sum, row) => addToSum(sum, weighRow(key, 'handed', row)), 0n)

void t.test('a sum does not depend on the order of the rows, and what is taken away is as if it had never been', async (t) => {
  const rows = fc.uniqueArray(fc.string(), { maxLength: 20 }).map((ids) => ids.map((id) => handed(id)))
  fc.assert(fc.property(rows, rows, fc.infiniteStream(fc.nat()), (some, others, numbers) => {
    const shuffled = some.map((row) => ({ row, at: numbers.next().value as number })).sort((one, other) => one.at - other.at).map(({ row }) => row)
    t.equal(sumOf(shuffled), sumOf(some))
    const both = others.reduce((sum, row) => addToSum(sum, weighRow(KEY, 'handed', row)), sumOf(some))
    t.equal(some.reduce((sum, row) => addToSum(sum, -weighRow(KEY, 'handed', row)), both), sumOf(others))
  }), { numRuns: count(30, 500) })
  t.equal(addToSum(0n, -1n), (1n << 256n) - 1n)
  t.equal(addToSum((1n << 256n) - 1n, 1n), 0n)
})

void t.test('a row weighs something else in another table, under another key, with its values in other columns', async (t) => {
  const other = deriveSealKey(generateKeyPairSync('ed25519').privateKey)
  const weights = [
    weighRow(KEY, 'handed', handed('a', 'b')), weighRow(KEY, 'handed', handed('b', 'a')), weighRow(KEY, 'handed', handed('ab', '')), weighRow(KEY, 'handed', handed('', 'ab')),
    weighRow(KEY, 'kysely_migration', { name: 'a', timestamp: 'b' }), weighRow(other, 'handed', handed('a', 'b')), weighRow(KEY, 'handed', handed('a","b', '')),
  ]
  t.equal(new Set(weights).size, weights.length)
  t.equal(weighRow(KEY, 'handed', { client: 'b', signature_id: 'a' }), weights[0], 'but the order of its members is nothing')
  t.equal(weighRow(deriveSealKey(TEST_LOG.privateKey), 'handed', handed('a', 'b')), weights[0], 'and the key of a log is always the same')
})

void t.test('a seal opens to its sums, never twice the same, and not for another key or another state of the log', async (t) => {
  const sums = new Map([...emptySums(), ['handed', (1n << 256n) - 1n], ['answers', 7n]] as [SealedTable, bigint][])
  const sealed = sealSums(KEY, STATE, sums)
  t.strictSame([...openSeal(KEY, { ...STATE, ...sealed })], [...sums])
  t.strictSame([...sums.keys()], SEALED_TABLES)
  const again = sealSums(KEY, STATE, sums)
  t.notOk(again.salt === sealed.salt || again.seal === sealed.seal)
  const refused = { code: 'STORE_FAILED', message: /was not written by this server/ }
  t.throws(() => openSeal(deriveSealKey(generateKeyPairSync('ed25519').privateKey), { ...STATE, ...sealed }), refused)
  for (const change of [{ size: 4 }, { hashes: 'a  b' }, { hashes: '' }, { salt: again.salt }, { seal: again.seal }, { seal: '' }, { seal: 'AAAA' }, { salt: '' }]) {
    t.throws(() => openSeal(KEY, { ...STATE, ...sealed, ...change }), refused, JSON.stringify(change))
  }
})

void t.test('a seal with any byte changed does not open, nor one that is spelled otherwise', async (t) => {
  const sealed = sealSums(KEY, STATE, emptySums())
  const refused = { code: 'STORE_FAILED' }
  for (const name of ['salt', 'seal'] as const) {
    const bytes = Buffer.from(sealed[name], 'base64')
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes)
      flipped[at] = (flipped[at] as number) ^ (1 << at % 8)
      t.throws(() => openSeal(KEY, { ...STATE, ...sealed, [name]: flipped.toString('base64') }), refused)
      t.throws(() => openSeal(KEY, { ...STATE, ...sealed, [name]: bytes.subarray(0, at).toString('base64') }), refused)
    }
    for (const text of [`${sealed[name]}=`, `${sealed[name]}\n`, ` ${sealed[name]}`, bytes.toString('base64url')]) t.throws(() => openSeal(KEY, { ...STATE, ...sealed, [name]: text }), refused, text)
  }
})

void t.test('every column of every table is weighed', async (t) => {
  for (const table of SEALED_TABLES) {
    const row = Object.fromEntries(COLUMNS[table].map((column) => [column, 'x'])) as unknown as StoreTables[typeof table]
    for (const column of COLUMNS[table]) t.not(weighRow(KEY, table, { ...row, [column]: 'y' }), weighRow(KEY, table, row), `${table}.${column}`)
  }
})

for (const { name, skip, fresh } of ENGINES) {
  void t.test(`${name}: the ledger does to the sums what it does to the rows, and refuses what the database would keep differently`, { skip }, async (t) => {
    const engine = await (await fresh(t)).engine()
    t.teardown(async () => await engine.close())
    await engine.write(async (transaction) => {
      const ledger = createLedger(transaction, KEY, await sumTables(transaction, KEY))
      const check = async (message: string) => t.strictSame([...await sumTables(transaction, KEY)], [...ledger.sums], message)
      await ledger.insert('handed', Array.from({ length: 20_000 }, (_, at) => handed(`${at}`, `${at % 3}`)))
      await check('more rows than one statement takes')
      await ledger.insert('handed', [])
      await ledger.remove('handed', { client: '1' })
      await ledger.remove('handed', { client: 'nobody' })
      await ledger.change('handed', { signature_id: '0' }, { client: 'x' })
      await ledger.change('handed', { signature_id: 'none' }, { client: 'x' })
      await check('removed and changed')
      t.same(await transaction.selectFrom('handed').select('client').where('signature_id', '=', '0').execute().then((rows) => rows.map(({ client }) => client)), ['x'])
      const answer = { client: 'c', idempotency_key: 'k', fingerprint: 'f', request_id: 'r', state: 'running', lease_until_ms: 1, expires_at_ms: 2, kind: '', path: '', warnings: '' } as const
      for (const value of [undefined, null, 1.5, 2 ** 53, Number.NaN, 1n, true]) await t.rejects(ledger.insert('answers', [{ ...answer, lease_until_ms: value as number }]), TypeError, `${value}`)
      await t.rejects(ledger.insert('handed', [handed('\udc00')]), TypeError)
      await check('nothing of what was refused')
    }, 'volatile')
  })

  void t.test(`${name}: two rows with one key cannot hide between two pages of the audit`, { skip }, async (t) => {
    const database = await fresh(t)
    const store = await database.open()
    const forged = (at: number) => `('nim', '${String(at).padStart(4, '0')}', 'x', 1, 1)`
    await database.execute(`insert into latest_signatures values ${Array.from({ length: 1000 }, (_, at) => forged(at)).join()}`)
    const engine = await database.engine()
    const sums = await sumTables(engine.db, KEY)
    // As whoever may change tables can do: without its primary key.
    for (const statement of ['create table forged as select * from latest_signatures', 'drop table latest_signatures', 'alter table forged rename to latest_signatures']) await database.execute(statement)
    t.strictSame([...await sumTables(engine.db, KEY)], [...sums])
    await database.execute(`insert into latest_signatures values ${forged(999)}`)
    t.not((await sumTables(engine.db, KEY)).get('latest_signatures'), sums.get('latest_signatures'))
    t.match(await store.audit(), { intact: false, findings: [{ table: 'latest_signatures' }] })
    await engine.close()
  })
}

void t.test('an obstacle is the newest signature of the artefact before a level with other content; force and resign each leave one of them out', async (t) => {
  const { subject } = recording({ content: 'x', filesets: ['PkgA.rte', 'PkgA.adt'] })
  const [first, second] = subject.levels.map((level) => levelKey(level)) as [string, string]
  t.equal(first, 'PkgA PkgA.rte 1.0.0.0 I')
  const past = (sha256: string | undefined, artefacts: readonly string[] = []) => ({
    artefacts: new Map(artefacts.map((id) => [subject.artefact, id])),
    levels: new Map(sha256 === undefined ? [] : [[second, { level: second, sha256, signature_id: 'earlier' }]]),
    counts: new Map<string, number>(),
  })
  const taken = { kind: 'taken', level: subject.levels[1], earlier: 'earlier' }
  t.equal(obstacleOf(subject, past(undefined)), undefined)
  t.equal(obstacleOf(subject, past(subject.sha256)), undefined)
  t.strictSame(obstacleOf(subject, past('other')), taken)
  t.strictSame(obstacleOf(subject, past('other', ['one', 'two'])), { kind: 'signed', id: 'two' })
  t.strictSame(obstacleOf({ ...subject, force: true }, past('other', ['one'])), taken)
  t.strictSame(obstacleOf({ ...subject, resign: true }, past('other', ['one'])), { kind: 'signed', id: 'one' })
  t.equal(obstacleOf({ ...subject, force: true, resign: true }, past('other', ['one'])), undefined)
  t.strictSame(takenLevel(subject, past('other')), taken)
})
