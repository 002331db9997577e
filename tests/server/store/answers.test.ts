import { randomUUID } from 'node:crypto'
import { mock } from 'node:test'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { LEASE_MS, RENEW_MS } from '../../../server/store/answers.ts'
import type { AnswerHead, AnswerItem, Asked, ReadItem, Store } from '../../../server/store/store.ts'
import type { Signature } from '../../../server/schemas/signature.ts'
import { ENGINES, rowsOf, type Row } from '../../helpers/engines.ts'
import { count } from '../../helpers/full-size.ts'
import { KEEP_MS, recording } from '../../helpers/store.ts'

const HEAD: AnswerHead = { kind: 'directory', path: 'ppc', warnings: [] }
const asked = (change: Partial<Asked> = {}): Asked => ({ client: 'release-bot', key: 'k', fingerprint: 'f', requestId: randomUUID(), ...change })

async function recorded(store: Store): Promise<Signature> {
  const { subject, signature } = recording()
  const result = await store.record(subject, signature)
  if (result.kind !== 'recorded') throw new Error(`not recorded: ${result.kind}`)
  return result.signature
}

async function readAll(store: Store, request: Asked, items: number): Promise<ReadItem[]> {
  const read: ReadItem[] = []
  while (read.length < items) read.push(...await store.items(request, read.length))
  return read
}

/** A clock that a test moves. */
function clock() {
  let now = 1_800_000_000_000
  return { now: () => now, pass: (ms: number): void => void (now += ms) }
}

for (const { name: engine, skip, fresh } of ENGINES) {
  const test = (name: string, body: (t: Test) => Promise<void>) => void t.test(`${engine}: ${name}`, { skip, timeout: 120_000 }, body)

  test('an answer of every kind of item is read again as it was written', async (t) => {
    const store = await (await fresh(t)).open()
    const signature = await recorded(store)
    const request = asked()
    const head: AnswerHead = { kind: 'batch', path: 'a\0b \ud800 ü', warnings: [{ code: 'NO_PACKAGES', detail: 'was\nchanged' }] }
    const items: AnswerItem[] = [
      { name: 'a.bff', listed: 2, kind: 'signed', signatureId: signature.id, filename: 'again.bff', replayed: false },
      { name: 'b\0\ud800\udfff日本.bff', listed: 0, kind: 'signed', signatureId: signature.id, filename: 'again.bff', replayed: true },
      { name: '', listed: 1, kind: 'failed', code: 'FILE_CHANGED', detail: 'no "such" file \ud83d' },
      { name: 'c', listed: 3, kind: 'skipped', reason: 'DIRECTORY' },
    ]
    t.strictSame(await store.ask(request), { kind: 'begun' })
    t.equal(await store.answer(request, head, items), true)
    const again = asked()
    t.strictSame(await store.ask(again), { kind: 'finished', requestId: request.requestId, head, items: 4 })
    t.strictSame(await store.items(again, 0), [
      { name: 'a.bff', listed: 2, kind: 'signed', signature: { ...signature, filename: 'again.bff' } },
      { name: 'b\0\ud800\udfff日本.bff', listed: 0, kind: 'signed', signature: { ...signature, filename: 'again.bff', replayed: true } },
      ...items.slice(2),
    ])
    t.strictSame(await store.items(again, 3), items.slice(3))
    t.strictSame(await store.items(again, 4), [])
    t.strictSame(await store.items(asked({ key: 'other' }), 0), [])
    t.match(await store.audit(), { intact: true })
  })

  test('an answer of a thousand items is read in pages, in the order in which it was written', async (t) => {
    const store = await (await fresh(t)).open()
    const signatures = await Promise.all(Array.from({ length: 70 }, async () => await recorded(store)))
    const items = Array.from({ length: 1000 }, (_, at): AnswerItem => {
      if (at % 7 === 3) return { name: `${at}`, listed: 999 - at, kind: 'failed', code: 'FILE_CHANGED', detail: 'gone' }
      return { name: `${at}`, listed: 999 - at, kind: 'signed', signatureId: signatures[at % 70]?.id as string, filename: 'PkgA.bff', replayed: at % 2 === 0 }
    })
    const request = asked()
    await store.ask(request)
    await store.answer(request, HEAD, items)
    t.equal((await store.items(request, 0)).length, 256)
    const read = await readAll(store, request, 1000)
    t.strictSame(read.map((item) => (item.kind === 'signed' ? { ...item, signature: item.signature.id } : item)), items.map((item) => {
      if (item.kind !== 'signed') return item
      const { signatureId, filename: _filename, replayed: _replayed, ...rest } = item
      return { ...rest, signature: signatureId }
    }))
    t.strictSame(read.flatMap((item) => (item.kind === 'signed' ? [item.signature] : [])).slice(0, 3), [0, 1, 2].map((at) => ({ ...signatures[at], replayed: at % 2 === 0 })))
  })

  test('a key belongs to the client and to one request: another request with it is told so, another client has its own', async (t) => {
    const store = await (await fresh(t)).open()
    const first = asked()
    t.match(await store.ask(first), { kind: 'begun' })
    t.match(await store.ask(asked({ fingerprint: 'g' })), { kind: 'other' })
    t.match(await store.ask(asked()), { kind: 'running' })
    t.match(await store.ask(asked({ client: 'auditor' })), { kind: 'begun' })
    t.match(await store.ask(asked({ key: 'K' })), { kind: 'begun' })
    await store.answer(first, HEAD, [])
    t.match(await store.ask(asked({ fingerprint: 'g' })), { kind: 'other' })
    t.match(await store.ask(asked({ client: 'auditor' })), { kind: 'running' })
  })

  test('of requests that race with one key one begins, on one replica and on two', async (t) => {
    const database = await fresh(t)
    const stores = [await database.open(), await database.open()]
    const attempts = Array.from({ length: count(40, 300) }, () => asked())
    const results = await Promise.all(attempts.map(async (attempt, at) => await (stores[at % 2] as Store).ask(attempt)))
    t.equal(results.filter(({ kind }) => kind === 'begun').length, 1)
    t.equal(results.filter(({ kind }) => kind === 'running').length, attempts.length - 1)
    for (const result of results) if (result.kind === 'running') t.ok(result.retryAfterMs > 0 && result.retryAfterMs <= LEASE_MS)
    const answers = await Promise.all(attempts.map(async (attempt, at) => await (stores[at % 2] as Store).answer(attempt, HEAD, [])))
    t.strictSame(answers, results.map(({ kind }) => kind === 'begun'), 'and only its answer is kept')
  })

  test('what was given up can be begun at once, by its attempt alone and only before it is finished', async (t) => {
    const store = await (await fresh(t)).open()
    const first = asked()
    await store.ask(first)
    await store.giveUp(asked())
    t.match(await store.ask(asked()), { kind: 'running' })
    await store.giveUp(first)
    t.equal(await store.answer(first, HEAD, []), false)
    const second = asked()
    t.match(await store.ask(second), { kind: 'begun' })
    await store.answer(second, HEAD, [])
    await store.giveUp(second)
    t.match(await store.ask(asked()), { kind: 'finished', requestId: second.requestId })
    await store.giveUp(asked({ key: 'never' }))
    t.match(await store.audit(), { intact: true })
  })

  test('an attempt that is silent until its lease is over loses the request, and its answer is not kept', async (t) => {
    const database = await fresh(t)
    const { now, pass } = clock()
    const [lost, other] = [await database.open({ now }), await database.open({ now })]
    const first = asked()
    await lost.ask(first)
    pass(LEASE_MS - 1)
    t.strictSame(await other.ask(asked()), { kind: 'running', retryAfterMs: 1 })
    pass(1)
    const second = asked()
    t.match(await other.ask(second), { kind: 'begun' })
    t.equal(await lost.answer(first, HEAD, []), false)
    t.equal(await other.answer(second, HEAD, []), true)
    t.match(await lost.ask(asked()), { kind: 'finished', requestId: second.requestId })
    const third = asked({ key: 'nobody took it' })
    await lost.ask(third)
    pass(10 * LEASE_MS)
    t.equal(await lost.answer(third, HEAD, []), true, 'what nobody took over may still be answered')
  })

  test('an answer is kept for the configured time and then forgotten with its items', async (t) => {
    const database = await fresh(t)
    const { now, pass } = clock()
    const store = await database.open({ now, keepMs: 10_000 })
    const signature = await recorded(store)
    const request = asked()
    await store.ask(request)
    pass(5_000)
    await store.answer(request, HEAD, [{ name: 'a', listed: 0, kind: 'signed', signatureId: signature.id, filename: 'again.bff', replayed: false }])
    pass(9_999)
    t.match(await store.ask(asked()), { kind: 'finished' })
    pass(1)
    const next = asked({ fingerprint: 'g' })
    t.match(await store.ask(next), { kind: 'begun' }, 'the key is free for another request')
    t.equal((await rowsOf(database, 'answer_items')).length, 0)
    t.equal((await rowsOf(database, 'answers')).length, 1)
    t.match(await store.audit(), { intact: true })
  })

  test('whatever a client writes is kept: keys, paths and names of any text', async (t) => {
    const store = await (await fresh(t)).open()
    const text = fc.string({ unit: 'binary', maxLength: 12 })
    const key = fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCodePoint(code)), minLength: 1, maxLength: 12 })
    await fc.assert(fc.asyncProperty(key, text, fc.array(fc.tuple(text, text)), async (name, path, texts) => {
      const request = asked({ key: `${randomUUID()}${name}` })
      const items = texts.map(([first, detail], listed): AnswerItem => ({ name: first, listed, kind: 'failed', code: 'FILE_CHANGED', detail }))
      await store.ask(request)
      await store.answer(request, { kind: 'file', path, warnings: [] }, items)
      t.strictSame([await store.ask({ ...request, requestId: 'x' }), await store.items(request, 0)], [{ kind: 'finished', requestId: request.requestId, head: { kind: 'file', path, warnings: [] }, items: items.length }, items])
    }), { numRuns: count(15, 300) })
    t.match(await store.audit(), { intact: true })
  })

  test('an answer that names a signature that is gone is not read', async (t) => {
    const database = await fresh(t)
    const store = await database.open()
    const { id } = await recorded(store)
    const request = asked()
    await store.ask(request)
    await store.answer(request, HEAD, [{ name: 'a', listed: 0, kind: 'signed', signatureId: id, filename: 'a', replayed: false }])
    await database.execute('delete from latest_signatures')
    await database.execute('delete from levels')
    await database.execute('delete from signature_records')
    await database.execute('delete from signatures')
    await t.rejects(store.items(request, 0), { code: 'STORE_FAILED' })
  })
}

const [sqlite] = ENGINES

void t.test('a store renews the leases of what it works on, and purges all that is over, as long as it is open', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const { now, pass } = clock()
  const database = await (sqlite as (typeof ENGINES)[0]).fresh(t)
  const store = await database.open({ now })
  const settled = async () => await store.append({ kind: 'stop', at: '2026-11-24T05:06:07.089Z' })
  const [working, done, dropped] = [asked({ key: 'working' }), asked({ key: 'done' }), asked({ key: 'dropped' })]
  for (const request of [working, done, dropped]) await store.ask(request)
  await store.answer(done, HEAD, [])
  await store.giveUp(dropped)
  const leases = async () => Object.fromEntries((await rowsOf(database, 'answers')).map((row: Row) => [row['idempotency_key'], (row['lease_until_ms'] as number) - now()]))
  for (let turn = 0; turn < 5; turn++) {
    pass(RENEW_MS)
    mock.timers.tick(RENEW_MS)
    await settled()
    t.equal((await leases())['working'], LEASE_MS)
  }
  await store.answer(working, HEAD, [])
  t.equal((await rowsOf(database, 'answers')).length, 2)
  await Promise.all(Array.from({ length: 600 }, async (_, at) => {
    const request = asked({ key: `${at}` })
    await store.ask(request)
    await store.answer(request, HEAD, [])
  }))
  pass(KEEP_MS)
  const kept = asked({ key: 'kept' })
  await store.ask(kept)
  await store.answer(kept, HEAD, [])
  mock.timers.tick(60_000)
  for (let turn = 0; turn < 6; turn++) await settled()
  t.strictSame((await rowsOf(database, 'answers')).map((row) => row['idempotency_key']), ['kept'], 'also more than one turn takes')
  t.match(await store.audit(), { intact: true })
})

void t.test('what fails in the background is tried again at its next turn', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const { now, pass } = clock()
  const database = await (sqlite as (typeof ENGINES)[0]).fresh(t)
  const store = await database.open({ now })
  const request = asked()
  await store.ask(request)
  const [head] = await rowsOf(database, 'log_head') as [Row]
  await database.execute('update log_head set size = 9')
  mock.timers.tick(RENEW_MS)
  await t.rejects(store.append({ kind: 'stop', at: '2026-11-24T05:06:07.089Z' }), { code: 'STORE_FAILED' })
  await database.execute('update log_head set size = ?', [head['size'] as number])
  pass(RENEW_MS)
  mock.timers.tick(RENEW_MS)
  await store.append({ kind: 'stop', at: '2026-11-24T05:06:07.089Z' })
  t.match(await rowsOf(database, 'answers'), [{ lease_until_ms: now() + LEASE_MS }])
})
