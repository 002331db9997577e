import { randomUUID } from 'node:crypto'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { openCheckpoint, parseEntry, parseProof, parseVerifierKey, verifyProof, type LogEntry } from '../../../formats/index.ts'
import type { Asked, Catalogued, Search, Store } from '../../../server/store/store.ts'
import { COLUMNS, SEALED_TABLES } from '../../../server/store/tables.ts'
import { ENGINES, type TestDatabase, type TestEngine } from '../../helpers/engines.ts'
import { count } from '../../helpers/full-size.ts'
import { recording, TEST_LOG, type Choice } from '../../helpers/store.ts'

const TRUST = { keys: [parseVerifierKey(TEST_LOG.verifierKey)] } as const

async function record(store: Store, choice: Choice = {}): ReturnType<Store['record']> {
  const { subject, signature } = recording(choice)
  return await store.record(subject, signature)
}

/** Two stores over one database, as two replicas are. */
async function pair(database: TestDatabase): Promise<readonly [Store, Store]> {
  return [await database.open(), await database.open()]
}

const asked = (more: Partial<Asked> = {}): Asked => ({ client: 'release-bot', key: 'key', fingerprint: 'fingerprint', requestId: randomUUID(), ...more })
const sizeOf = async (store: Store): Promise<number> => openCheckpoint(await store.checkpoint(), TRUST).size

/** What each engine must do, just alike. */
const PROMISES: readonly (readonly [string, (t: Test, database: TestDatabase) => Promise<void>])[] = [
  ['a signature that one records, the other knows, finds, lists and proves', async (t, database) => {
    const [one, other] = await pair(database)
    const { subject, signature } = recording({ filesets: ['PkgA.rte', 'PkgA.adt'], content: 'PkgA' })
    t.equal(await one.lookUp(subject), undefined)
    const recorded = await one.record(subject, signature)
    if (recorded.kind !== 'recorded') throw new Error(recorded.kind)
    t.match(recorded.signature, { ...signature, replayed: false, receipt: { index: 0 } })
    t.strictSame(await other.get(signature.id), { signature: recorded.signature, client: 'release-bot' })
    t.strictSame(await other.lookUp(subject), { kind: 'signed', signature: { ...recorded.signature, replayed: true } })
    t.strictSame(await other.findByDigest(signature.sha256), [{ signature: recorded.signature, client: 'release-bot' }])
    t.strictSame([...await other.signedAmong('nim', [{ relativePath: 'ppc/PkgA.bff', sizeBytes: 51_200, modifiedAtMs: 1_375_425_475_000 }])], ['ppc/PkgA.bff'])
    const { entry } = verifyProof({ proof: parseProof(await other.proof(signature.id) as string), trust: TRUST })
    t.match(parseEntry(entry), { kind: 'signature', id: signature.id, sha256: signature.sha256 })
    t.equal(entry.toString(), recorded.signature.receipt.entry)
  }],
  ['the first commit wins: the loser gets the winner\'s signature, or is told that the level is taken', async (t, database) => {
    const stores = await pair(database)
    const same = await Promise.all(Array.from({ length: 10 }, async (_, index) => await record(stores[index % 2] as Store, { content: 'same', filesets: ['PkgA.rte'] })))
    const winners = same.flatMap((each) => (each.kind === 'recorded' ? [each.signature.id] : []))
    t.equal(winners.length, 1)
    t.strictSame(new Set(same.flatMap((each) => (each.kind === 'signed' ? [each.signature.id] : []))), new Set(winners))
    t.match(await record(stores[1], { content: 'other', filesets: ['PkgA.rte'] }), { kind: 'taken', level: { fileset: 'PkgA.rte', vrmf: '1.0.0.0' }, earlier: winners[0] as string })
    const again = await record(stores[0], { content: 'other', filesets: ['PkgA.rte'], resign: true })
    t.equal(again.kind, 'recorded', 'unless it is allowed')
    t.match(await record(stores[1], { content: 'same', filesets: ['PkgA.rte'], force: true, resign: true }), { kind: 'recorded' }, 'forced')
    t.strictSame(await stores[0].audit().then(({ intact, findings }) => [intact, findings]), [true, []])
  }],
  ['a signature is shown to whom it was handed, and to nobody else', async (t, database) => {
    const [one, other] = await pair(database)
    const { subject, signature } = recording()
    await one.record(subject, signature)
    t.notOk(await other.wasHandedTo(signature.id, 'auditor'))
    await other.lookUp({ ...subject, recipient: { client: 'auditor', spkiSha256: 'cd'.repeat(32) } })
    t.ok(await one.wasHandedTo(signature.id, 'auditor'))
    t.strictSame((await one.find({ visibleTo: 'auditor', limit: 10 })).map((found) => found.signature.id), [signature.id])
    t.strictSame(await one.find({ visibleTo: 'nobody', limit: 10 }), [])
  }],
  ['a group of which one fault is a row\'s records the others', async (t, database) => {
    const store = await database.open()
    const twice = recording()
    const results = await Promise.allSettled([record(store), store.record(twice.subject, twice.signature), record(store, { id: twice.signature.id, content: 'other' }), record(store)])
    t.strictSame(results.map(({ status }) => status), ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    t.match(results[2], { reason: { code: 'STORE_FAILED', message: 'the store could not be written' } })
    t.equal(await sizeOf(store), 3)
    t.match(await store.audit(), { intact: true })
  }],
  ['any path is kept as it is', async (t, database) => {
    const store = await database.open()
    // No NUL: no file has one in its name.
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).map((value) => value.replaceAll('\0', 'x'))
    await fc.assert(fc.asyncProperty(text, fc.maxSafeNat(), async (folder, sizeBytes) => {
      const file = { relativePath: `${folder}/PkgA.bff`, sizeBytes, modifiedAtMs: sizeBytes }
      const { subject, signature } = recording(file)
      const recorded = await store.record(subject, signature)
      t.match(await store.get(signature.id), { signature: recorded.kind === 'recorded' ? recorded.signature : {} })
      t.strictSame([...await store.signedAmong('nim', [file])], [file.relativePath])
    }), { numRuns: count(20, 200) })
    const long = Array.from({ length: 128 }, () => randomUUID()).join('/').slice(0, 4096)
    t.match(await record(store, { relativePath: long }), { kind: 'recorded' }, 'a path as long as a path can be')
    t.strictSame([...await store.signedAmong('nim', [{ relativePath: long, sizeBytes: 51_200, modifiedAtMs: 1_375_425_475_000 }])], [])
    const deep = long.slice(0, 2600)
    await record(store, { relativePath: deep })
    t.equal((await store.signedAmong('nim', [{ relativePath: deep, sizeBytes: 51_200, modifiedAtMs: 1_375_425_475_000 }])).size, 1)
    t.match(await store.audit(), { intact: true })
  }],
  ['a search finds what a plain look at every signature finds', async (t, database) => {
    const store = await database.open()
    const pick = <T>(values: readonly T[], number: number): T => values[number % values.length] as T
    const all: Catalogued[] = []
    for (let at = 0; at < 60; at += 1) {
      const recorded = await record(store, {
        client: pick(['a', 'b', 'c'], at), keyid: pick(['1001', '1002'], at >> 1), package: pick(['PkgA', 'PkgB', 'PkgC'], at), vrmf: pick(['1.0.0.0', '1.0.0.1'], at), filesets: at % 5 === 0 ? [] : [`F${at % 7}.${at}`, 'shared.rte'].slice(0, 1 + (at % 2)),
        signedAt: new Date(Date.UTC(2026, 0, 1, 0, 0, at)).toISOString(), resign: true,
      })
      if (recorded.kind === 'recorded') all.unshift({ signature: recorded.signature, client: pick(['a', 'b', 'c'], at) })
    }
    const fits = ({ signature, client }: Catalogued, search: Search): boolean =>
      (search.client ?? client) === client && (search.keyid ?? signature.keyid) === signature.keyid && (search.since ?? '') <= signature.signedAt && signature.signedAt < (search.until ?? '9') &&
      (search.before ?? Infinity) > signature.receipt.index && (search.form === undefined || (search.form === 'record') === signature.records.length > 0) &&
      ((search.package ?? search.fileset ?? search.vrmf) === undefined || signature.records.some((each) => (search.package ?? each.package) === each.package && (search.fileset ?? each.fileset) === each.fileset && (search.vrmf ?? each.vrmf) === each.vrmf))
    const some = <T>(values: readonly T[]) => fc.option(fc.constantFrom(...values), { nil: undefined, freq: 2 })
    const time = some(all.map(({ signature }) => signature.signedAt))
    const searches = fc.record({ client: some(['a', 'b']), keyid: some(['1001']), package: some(['PkgA', 'PkgB', 'none']), fileset: some(['shared.rte', 'F1.1']), vrmf: some(['1.0.0.0']), form: some(['record', 'sig'] as const), since: time, until: time, before: some([10, 30]), limit: fc.integer({ min: 1, max: 70 }) })
    await fc.assert(fc.asyncProperty(searches, async ({ limit, ...wanted }) => {
      const search = { limit, ...Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)) } as Search
      t.strictSame(await store.find(search), all.filter((each) => fits(each, search)).slice(0, limit))
    }), { numRuns: count(30, 300) })
  }],
  ['entries of two replicas make one log, whose tiles and bundles are those of its size', async (t, database) => {
    const stores = await pair(database)
    const entry = (at: number): LogEntry => ({ kind: 'stop', at: new Date(Date.UTC(2026, 0, 1, 0, 0, 0, at)).toISOString() })
    await Promise.all(Array.from({ length: 300 }, async (_, at) => await (stores[at % 2] as Store).append(entry(at))))
    t.equal(await sizeOf(stores[0]), 300)
    t.equal((await stores[1].tile({ level: 0, index: 0, width: 256 }))?.length, 256 * 32)
    t.equal((await stores[1].tile({ level: 1, index: 0, width: 1 }))?.length, 32)
    t.equal((await stores[0].tile({ level: 0, index: 1, width: 44 }))?.length, 44 * 32)
    t.equal(await stores[0].tile({ level: 0, index: 1, width: 45 }), undefined)
    t.ok(await stores[1].entries({ index: 1, width: 44 }))
    t.equal(await stores[1].entries({ index: 2, width: 1 }), undefined)
    t.match(await stores[1].audit(), { intact: true })
  }],
  ['a request is begun once: others wait, another request with its key is told, and the answer is read again in order', async (t, database) => {
    const stores = await pair(database)
    const attempts = Array.from({ length: 8 }, () => asked())
    const said = await Promise.all(attempts.map(async (attempt, index) => await (stores[index % 2] as Store).ask(attempt)))
    t.strictSame(said.map(({ kind }) => kind).sort(), ['begun', ...Array.from({ length: 7 }, () => 'running')])
    t.match(await stores[1].ask(asked({ fingerprint: 'another' })), { kind: 'other' })
    t.match(await stores[1].ask(asked({ client: 'auditor', fingerprint: 'another' })), { kind: 'begun' }, 'a key belongs to its client')
    const mine = attempts[said.findIndex(({ kind }) => kind === 'begun')] as Asked
    const recorded = await record(stores[0])
    const id = recorded.kind === 'recorded' ? recorded.signature.id : ''
    const items = Array.from({ length: 300 }, (_, listed) => (listed % 3 === 0 ? { kind: 'signed', name: `n\ud800${listed}`, listed, signatureId: id, filename: 'PkgA.bff', replayed: true } as const : listed % 3 === 1 ? { kind: 'failed', name: `${listed}`, listed, code: 'NOT_A_PACKAGE', detail: 'no\0' } as const : { kind: 'skipped', name: `${listed}`, listed, reason: 'TOC' } as const))
    t.equal(await stores[1].answer(asked(), { kind: 'directory', path: '/x', warnings: [] }, items), false, 'another attempt may not answer')
    t.equal(await stores[1].answer(mine, { kind: 'directory', path: '/x', warnings: [] }, items), true)
    t.strictSame(await stores[0].ask(asked()), { kind: 'finished', requestId: mine.requestId, head: { kind: 'directory', path: '/x', warnings: [] }, items: 300 })
    const read = [...await stores[0].items(mine, 0), ...await stores[0].items(mine, 256)]
    t.strictSame(read.map(({ name, listed, kind }) => [name, listed, kind]), items.map(({ name, listed, kind }) => [name, listed, kind]))
    t.match(read[0], { signature: { id, replayed: true } })
  }],
  ['a request that was given up is begun again at once', async (t, database) => {
    const stores = await pair(database)
    const attempt = asked()
    t.match(await stores[0].ask(attempt), { kind: 'begun' })
    await stores[0].giveUp(attempt)
    t.match(await stores[1].ask(asked()), { kind: 'begun' })
    t.match(await stores[1].audit(), { intact: true })
  }],
  ['a start is in the log with what it changed: configuration and keys', async (t, database) => {
    const stores = await pair(database)
    const started = { at: '2026-11-24T09:00:00.000Z', version: '1.2.3', configurationSha256: 'ab'.repeat(32), keys: new Map([['1001', 'cd'.repeat(32)]]) }
    await stores[0].begin(started)
    const first = await sizeOf(stores[0])
    await stores[1].begin(started)
    t.strictSame([first, await sizeOf(stores[1])], [3, 4], 'start, configuration, key; then only the start')
  }],
  ['it answers a probe, and is closed once', async (t, database) => {
    const store = await database.open()
    await store.probe()
    const recorded = record(store)
    await store.close()
    t.match(await recorded, { kind: 'recorded' }, 'close writes what is waiting')
    await t.rejects(store.probe(), { code: 'STORE_FAILED', message: 'the store is closed' })
    await t.rejects(record(store), { code: 'STORE_FAILED' })
    const again = await database.open()
    t.equal(await sizeOf(again), 1)
  }],
  ['a row that is changed, removed or added behind its back is found, whichever it is', async (t, database) => {
    const store = await database.open()
    await fillEveryTable(store)
    t.match(await store.audit(), { intact: true })
    for (const table of SEALED_TABLES) {
      const rows = await database.query(`select * from ${table}`)
      t.ok(rows.length > 0, table)
      const literal = (value: unknown): string => (typeof value === 'string' ? `'${value.replaceAll(`'`, `''`)}'` : String(value))
      const where = (row: Readonly<Record<string, unknown>>) => COLUMNS[table].map((column) => `${column} = ${literal(row[column])}`).join(' and ')
      const insert = (row: Readonly<Record<string, unknown>>) => `insert into ${table} (${COLUMNS[table].join(', ')}) values (${COLUMNS[table].map((column) => literal(row[column])).join(', ')})`
      for (const row of rows.slice(0, count(1, 100))) {
        for (const column of COLUMNS[table]) {
          const changed = { ...row, [column]: typeof row[column] === 'string' ? `${row[column]}x` : Number(row[column]) + 1000 }
          const set = (value: unknown) => `set ${column} = ${literal(value)}`
          // A key that other rows point to cannot be changed at all.
          const done = await database.query(`update ${table} ${set(changed[column])} where ${where(row)}`).then(() => true, () => false)
          if (!done) continue
          t.match(await store.audit(), { intact: false }, `${table}.${column}`)
          await database.query(`update ${table} ${set(row[column])} where ${where(changed)}`)
        }
        if (await database.query(`delete from ${table} where ${where(row)}`).then(() => true, () => false)) {
          const { intact, findings } = await store.audit()
          t.ok(!intact && findings.some((finding) => finding.table === table), `a row of ${table} is gone`)
          await database.query(insert(row))
        }
      }
    }
    t.match(await store.audit(), { intact: true }, 'put back as it was')
  }],
]

async function fillEveryTable(store: Store): Promise<void> {
  const { subject, signature } = recording()
  await store.record(subject, signature)
  await store.lookUp({ ...subject, recipient: { client: 'auditor', spkiSha256: 'cd'.repeat(32) } })
  const attempt = asked()
  await store.ask(attempt)
  await store.answer(attempt, { kind: 'file', path: '/x', warnings: [] }, [{ kind: 'signed', name: 'x', listed: 0, signatureId: signature.id, filename: 'PkgA.bff', replayed: false }])
  // A node above the first tile is stored once the tile is full.
  await Promise.all(Array.from({ length: 256 }, async (_, at) => await store.append({ kind: 'stop', at: new Date(Date.UTC(2026, 0, 1, 0, 0, at)).toISOString() })))
}

const runOn = ({ name, skip, makeDatabase }: TestEngine): void => {
  for (const [promise, check] of PROMISES) void t.test(`${name}: ${promise}`, { skip }, async (t) => await check(t, await makeDatabase(t)))
}
ENGINES.forEach(runOn)
