import { hash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import * as fc from 'fast-check'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse as Response } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { writePackage } from '../../../formats/index.ts'
import { SigningError } from '../../../server/errors.ts'
import { findPath } from '../../../server/roots/find.ts'
import type { Root } from '../../../server/roots/resolve.ts'
import type { Problem } from '../../../server/schemas/problem.ts'
import type { Store } from '../../../server/store/store.ts'
import { clientNamed, buildTestApp, makeApp, type TestApp, type TestDeps } from '../../helpers/app.ts'
import { count } from '../../helpers/full-size.ts'
import { packageSource, putPackage, putPackages } from '../../helpers/packages.ts'
import { eventually } from '../../helpers/processes.ts'
import { KEEP_MS, openTestStore } from '../../helpers/store.ts'

const NDJSON = 'application/x-ndjson'
const policy = ['bot', 'other'].map((name) => clientNamed(name, { digestOnly: true, resign: true }))

/** What is asked; an upload has bytes. */
type Ask = Readonly<{ json: object } | { upload: Uint8Array; query?: Readonly<Record<string, string>> }>
type Keyed = Readonly<{ key?: string; accept?: string }>

async function ask(app: FastifyInstance, what: Ask, { key, accept = 'application/json' }: Keyed = {}): Promise<Response> {
  const headers = { accept, ...(key === undefined ? {} : { 'idempotency-key': key }) }
  const options: InjectOptions = 'json' in what
    ? { payload: JSON.stringify(what.json), headers: { ...headers, 'content-type': 'application/json' } }
    : { payload: Buffer.from(what.upload), query: { filename: 'sent.bff', ...what.query }, headers: { ...headers, 'content-type': 'application/octet-stream' } }
  return await app.inject({ method: 'POST', url: '/sign', ...options })
}

/** An app on a store that the test may close, open again, or change on the way. */
async function makeOnce(test: Test, change: (store: Store) => Partial<Store> = () => ({}), more: Partial<TestDeps> = {}): Promise<TestApp & Readonly<{ reopened: () => Promise<FastifyInstance> }>> {
  const made = await makeApp(test, ({ store }) => ({ policy, store: bound(store, change(store)), ...more }))
  return {
    ...made,
    reopened: async () => {
      await made.app.close()
      await made.deps.store.close()
      const store = await openTestStore(join(made.folder, 'signing.db'))
      const app = await buildTestApp({ ...made.deps, store })
      test.teardown(async () => {
        await app.close()
        await store.close()
      })
      return app
    },
  }
}

/** The store with some of its methods changed. */
function bound(store: Store, changes: Partial<Store>): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const own = (changes as Record<string | symbol, unknown>)[name]
      const value: unknown = own ?? Reflect.get(target, name, target)
      return typeof value === 'function' ? (value as () => unknown).bind(own === undefined ? target : changes) : value
    },
  })
}

const problemOf = (response: Response): Problem => response.json<Problem>()
const idOf = ({ headers }: Response): string => String(headers['request-id'])
const isRepeated = ({ headers }: Response): boolean => headers['idempotent-replayed'] === 'true'
const item = (content: string, changes: object = {}) => ({ digest: { sha256: hash('sha256', content) }, sizeBytes: 1, filename: `${content}.bff`, ...changes })

void t.test('the same key and request give the same answer again, marked, under a request id of its own, in the form that is asked for', async (t) => {
  const { app, root, lines, files, reopened } = await makeOnce(t)
  putPackages(root, 3)
  writeFileSync(join(root, 'note.txt'), 'no package')
  writeFileSync(join(root, 'broken.bff'), writePackage(packageSource()).subarray(0, 300))
  const json = { path: root, recursive: false }
  const first = await ask(app, { json }, { key: 'one' })
  t.equal(first.statusCode, 200)
  t.notOk(isRepeated(first))
  const linesBefore = lines.length
  const again = await ask(app, { json: { recursive: false, path: root } }, { key: '"one"' })
  t.ok(isRepeated(again))
  t.equal(again.body, first.body)
  t.not(idOf(again), idOf(first))
  t.equal(again.json<{ failures: Record<string, Problem> }>().failures['broken.bff']?.instance, `urn:uuid:${idOf(first)}`)
  t.match(lines.slice(linesBefore), [{ msg: 'request done', repeated: true }], 'what was signed then is not logged again')
  t.equal(files.length, 5, 'nor counted')

  const streamed = await ask(app, { json }, { key: 'one', accept: NDJSON })
  t.ok(isRepeated(streamed))
  t.match(streamed.body.trimEnd().split('\n').map((line) => JSON.parse(line) as object), [{ event: 'listing', files: again.json<{ files: string[] }>().files }, ...Array.from({ length: 5 }, () => ({ name: String })), { event: 'end', signed: 3, failed: 1, skipped: 1 }])

  const later = await reopened()
  t.equal((await ask(later, { json }, { key: 'one' })).body, first.body, 'also after a restart')
  t.equal((await ask(later, { json }, { key: 'one', accept: NDJSON })).body, streamed.body)
})

void t.test('what was signed with a key that is revoked since is not given again, in any way; with a key that is retired it is', async (t) => {
  const { app, deps, root } = await makeOnce(t)
  putPackages(root, 2)
  const requests: readonly Ask[] = [{ json: item('a') }, { json: { items: [item('b')] } }, { json: { path: root } }, { upload: writePackage(packageSource()) }]
  const first = await Promise.all(requests.map(async (what, index) => await ask(app, what, { key: String(index) })))
  t.strictSame(first.map(({ statusCode }) => statusCode), [200, 200, 200, 200])
  const whenKeysAre = async (state: 'retired' | 'revoked') => {
    const later = await buildTestApp({ ...deps, keyring: new Map([...deps.keyring].map(([keyid, key]) => [keyid, { ...key, life: { state } }])) })
    t.teardown(async () => await later.close())
    return later
  }
  const [retired, revoked] = [await whenKeysAre('retired'), await whenKeysAre('revoked')]
  for (const [index, what] of requests.entries()) {
    const key = String(index)
    if ('json' in what) t.equal((await ask(retired, what, { key })).body, first[index]?.body)
    t.match(problemOf(await ask(revoked, what, { key })), { code: 'KEY_REVOKED', status: 422 }, 'the same request again')
    t.match(problemOf(await ask(revoked, what, { key, accept: NDJSON })), { code: 'KEY_REVOKED', status: 422 }, 'as a stream')
    t.match(problemOf(await ask(revoked, what)), { code: 'KEY_REVOKED', status: 422 }, 'the same content')
  }
})

void t.test('without the header, with another key, and for another client a request is a new one', async (t) => {
  const { app, root, become } = await makeOnce(t)
  const what = { json: { path: putPackage(root), force: true } }
  const idsOf = async (keyed: Keyed = {}) => Object.values((await ask(app, what, keyed)).json<{ signatures: Record<string, { id: string }> }>().signatures)[0]?.id
  const ids = [await idsOf(), await idsOf(), await idsOf({ key: 'one' }), await idsOf({ key: 'two' })]
  become('other')
  ids.push(await idsOf({ key: 'one' }))
  t.equal(new Set(ids).size, 5)
  t.equal(await idsOf({ key: 'one' }), ids[4])
})

void t.test('an upload is the same request when its parameters and what arrives are the same', async (t) => {
  const { app, become } = await makeOnce(t)
  const bytes = writePackage(packageSource())
  const first = await ask(app, { upload: bytes }, { key: 'one' })
  t.equal(first.statusCode, 200)
  const again = await ask(app, { upload: bytes }, { key: 'one' })
  t.ok(isRepeated(again) && again.body === first.body)
  const others: readonly Ask[] = [
    { upload: writePackage(packageSource('PkgB')) }, { upload: bytes, query: { filename: 'other.bff' } }, { upload: bytes, query: { keyid: '1001' } }, { upload: bytes, query: { force: 'true' } }, { json: item('content') },
  ]
  for (const what of others) t.match(problemOf(await ask(app, what, { key: 'one' })), { status: 422, code: 'IDEMPOTENCY_KEY_REUSED', retryable: false })
  become('other')
  t.notOk(isRepeated(await ask(app, { upload: bytes, query: { force: 'true' } }, { key: 'one' })), 'another client has keys of its own')
})

void t.test('the same key for another request is refused, whatever became of the first', async (t) => {
  const { app, root } = await makeOnce(t)
  const path = putPackage(root)
  const keyed = { key: 'one' }
  await ask(app, { json: { path } }, keyed)
  for (const json of [{ path: root }, { path, recursive: true }, { path, keyid: '1001' }, { path, force: true }, item('content'), { items: [item('content')] }]) {
    const refused = await ask(app, { json }, keyed)
    t.match(problemOf(refused), { status: 422, code: 'IDEMPOTENCY_KEY_REUSED' })
    t.notOk(isRepeated(refused))
  }
  await ask(app, { json: { path: join(root, 'nothing') } }, { key: 'two' })
  t.match(problemOf(await ask(app, { json: { path } }, { key: 'two' })), { code: 'IDEMPOTENCY_KEY_REUSED' })
  t.match(problemOf(await ask(app, { json: { path: 1 } }, keyed)), { code: 'REQUEST_INVALID' }, 'what is no request is not compared')
})

void t.test('a problem that would come again is kept, status and body, also when its cause is gone', async (t) => {
  const { app, root, lines } = await makeOnce(t, undefined, { policy: [clientNamed('bot')] })
  const path = join(root, 'late.bff')
  writeFileSync(path, 'no package')
  const rows: readonly (readonly [string, Ask, number, string])[] = [
    ['a file that is no package', { json: { path } }, 422, 'NOT_A_PACKAGE'],
    ['a path outside the roots', { json: { path: join(root, 'nothing') } }, 403, 'PATH_OUTSIDE_ROOTS'],
    ['a key of somebody else', { json: { path, keyid: '1002' } }, 403, 'KEY_NOT_AVAILABLE'],
    ['a digest', { json: item('content') }, 403, 'DIGEST_NOT_ALLOWED'],
    ['a batch', { json: { items: [item('content')] } }, 403, 'DIGEST_NOT_ALLOWED'],
    ['resign', { json: { path, resign: true } }, 403, 'RESIGN_NOT_ALLOWED'],
    ['an upload that is no package', { upload: Buffer.from('no package') }, 422, 'NOT_A_PACKAGE'],
  ]
  const answers = new Map<string, Response>()
  for (const [key, what, status, code] of rows) {
    const first = await ask(app, what, { key: hash('sha256', key) })
    t.match(problemOf(first), { status, code, instance: `urn:uuid:${idOf(first)}` }, key)
    t.notOk(isRepeated(first))
    answers.set(key, first)
  }
  rmSync(path)
  putPackage(root, 'PkgA', { filename: 'late.bff' })
  for (const [key, what, status] of rows) {
    const again = await ask(app, what, { key: hash('sha256', key), accept: NDJSON })
    t.strictSame([again.statusCode, again.body, again.headers['content-type']], [status, answers.get(key)?.body, 'application/problem+json'], key)
    t.ok(isRepeated(again))
    t.not(idOf(again), idOf(answers.get(key) as Response))
  }
  t.match(lines.at(-1), { msg: 'request refused', repeated: true, code: 'NOT_A_PACKAGE' })
  t.equal((await ask(app, { json: { path } }, { key: 'new' })).statusCode, 200)
})

void t.test('a request that fails for now, or by a fault of the server, is given up: a retry runs', async (t) => {
  const failures: unknown[] = [new SigningError('SIGNER_TIMEOUT', 'too slow'), new SigningError('SIGNER_BUSY', 'too many'), new TypeError('a fault')]
  const { app, root } = await makeOnce(t, undefined, {
    inspector: { find: async (path: string, roots: readonly Root[]) => findPath({ kind: 'find', path, roots }), open: async () => { throw failures.shift() ?? new SigningError('NOT_A_PACKAGE', 'no package') } } as unknown as TestDeps['inspector'],
  })
  const what = { json: { path: putPackage(root) } }
  const codes: string[] = []
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const answer = await ask(app, what, { key: 'one' })
    codes.push(`${problemOf(answer).code} ${isRepeated(answer)}`)
  }
  t.strictSame(codes, ['SIGNER_TIMEOUT false', 'SIGNER_BUSY false', 'INTERNAL false', 'NOT_A_PACKAGE false', 'NOT_A_PACKAGE true'])
})

void t.test('a directory or a batch of which some fail is an answer and is kept', async (t) => {
  const { app, root } = await makeOnce(t)
  writeFileSync(join(root, 'broken.bff'), writePackage(packageSource()).subarray(0, 300))
  const directory = await ask(app, { json: { path: root } }, { key: 'directory' })
  const items = [item('a'), item('a/b'), item('b', { package: 'PkgA' }), item('a')]
  const batch = await ask(app, { json: { items } }, { key: 'batch' })
  t.match(batch.json(), { items: [{ signature: { replayed: false } }, { problem: { code: 'FILE_NAME_REFUSED' } }, { problem: { code: 'REQUEST_INVALID' } }, { filename: 'a.bff' }] })
  rmSync(join(root, 'broken.bff'))
  putPackage(root, 'PkgA', { filename: 'broken.bff' })
  for (const [first, what, key] of [[directory, { path: root }, 'directory'], [batch, { items }, 'batch']] as const) {
    const again = await ask(app, { json: what }, { key })
    t.ok(isRepeated(again) && again.body === first.body, key)
  }
})

void t.test('an empty directory, and one of which nothing is signed, say so again', async (t) => {
  const { app, root } = await makeOnce(t)
  const first = [await ask(app, { json: { path: root } }, { key: 'empty' }), await ask(app, { json: { path: root } }, { key: 'streamed', accept: NDJSON })]
  t.match(first[0]?.json(), { files: [], warnings: [{ code: 'NO_PACKAGES' }] })
  t.strictSame([(await ask(app, { json: { path: root } }, { key: 'empty' })).body, (await ask(app, { json: { path: root } }, { key: 'streamed', accept: NDJSON })).body], first.map((answer) => answer?.body))
})

/** A signer that holds everything back until it is let go. */
function stalling(): Readonly<{ change: Pick<TestDeps, 'signer'>; begun: () => number; go: () => void }> {
  const gate = Promise.withResolvers<void>()
  let begun = 0
  return {
    change: { signer: { sign: async (_signable, _key, signal) => {
      begun += 1
      await Promise.race([gate.promise, new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)))])
      throw new SigningError('SIGNER_NO_RECORD', 'it was only held back')
    } } },
    begun: () => begun,
    go: gate.resolve,
  }
}

void t.test('while the first request runs the second is told when to come again', async (t) => {
  const signer = stalling()
  const { app } = await makeOnce(t, undefined, signer.change)
  const what = { json: item('content') }
  const first = ask(app, what, { key: 'one' })
  await eventually(() => signer.begun() === 1)
  const second = await ask(app, what, { key: 'one' })
  t.match(problemOf(second), { status: 409, code: 'REQUEST_IN_PROGRESS', retryable: true, instance: `urn:uuid:${idOf(second)}` })
  t.match(second.headers['retry-after'], /^[1-9]\d*$/)
  t.match(problemOf(await ask(app, { json: item('other') }, { key: 'one' })), { code: 'IDEMPOTENCY_KEY_REUSED' })
  signer.go()
  t.match(problemOf(await first), { status: 502, code: 'SIGNER_NO_RECORD' })
  const third = await ask(app, what, { key: 'one' })
  t.ok(isRepeated(third) && third.body === (await first).body)
  t.equal(signer.begun(), 1)
})

void t.test('of twenty requests at once with one key one is run: all end with its bytes, or are told to come again', async (t) => {
  const { app, root } = await makeOnce(t)
  putPackages(root, 5)
  const bodies = new Set<string>()
  const askAll = async (key: string, what: Ask, length = 20): Promise<void> => {
    bodies.clear()
    const answers = await Promise.all(Array.from({ length }, async () => await ask(app, what, { key })))
    for (const answer of answers) {
      if (answer.statusCode === 200) bodies.add(answer.body)
      else t.match(problemOf(answer), { status: 409, code: 'REQUEST_IN_PROGRESS' })
    }
    t.equal(answers.filter((answer) => answer.statusCode === 200 && !isRepeated(answer)).length, 1)
    bodies.add((await ask(app, what, { key })).body)
    t.equal(bodies.size, 1)
  }
  await askAll('directory', { json: { path: root, force: true } })
  await askAll('digest', { json: item('content', { force: true }) })
  await askAll('upload', { upload: writePackage(packageSource()), query: { force: 'true' } }, 8)
})

void t.test('an answer that cannot be kept does not end as if it were complete', async (t) => {
  const obstacles: (Error | 'lost')[] = []
  const { app, root, lines } = await makeOnce(t, (store) => ({
    answer: async (...given) => {
      const obstacle = obstacles.shift()
      if (obstacle instanceof Error) throw obstacle
      // As when the attempt was silent for so long that another one took the request over, and gave it up.
      if (obstacle === 'lost') await store.giveUp(given[0])
      return await store.answer(...given)
    },
  }))
  const path = putPackage(root)
  const full = new SigningError('STORAGE_FULL', 'no room')
  for (const [obstacle, status, code] of [['lost', 409, 'REQUEST_IN_PROGRESS'], [full, 507, 'STORAGE_FULL']] as const) {
    for (const what of [{ json: { path } }, { json: item('content') }, { json: { items: [item('content')] } }, { upload: writePackage(packageSource('PkgB')) }, { json: { path: join(root, 'nothing') } }]) {
      obstacles.push(obstacle)
      t.match(problemOf(await ask(app, what, { key: 'one' })), { status, code })
    }
    for (const accept of [NDJSON, 'application/json']) {
      obstacles.push(obstacle)
      const text = await ask(app, { json: { path: root } }, { key: 'one', accept }).then(({ body }) => body, () => 'cut off')
      t.equal(text, 'cut off')
      t.match(lines.at(-1), { level: 'error', msg: 'request failed', err: { code } })
    }
  }
  t.equal((await ask(app, { json: { path: root } }, { key: 'one' })).statusCode, 200, 'it can be tried again at once')
  t.ok(isRepeated(await ask(app, { json: { path: root } }, { key: 'one' })))
})

void t.test('an answer of which something is not there any more is a problem, or is cut off', async (t) => {
  let pages = Infinity
  const { app, root } = await makeOnce(t, (store) => ({ items: async (...given) => (pages-- > 0 ? await store.items(...given) : []) }))
  putPackages(root, 2)
  const problem = { json: { path: join(root, 'nothing') } }
  await ask(app, { json: { path: root } }, { key: 'directory' })
  await ask(app, problem, { key: 'problem' })
  pages = 0
  t.match(problemOf(await ask(app, { json: { path: root } }, { key: 'directory' })), { status: 503, code: 'STORE_FAILED' })
  t.match(problemOf(await ask(app, problem, { key: 'problem' })), { status: 503, code: 'STORE_FAILED' })
  pages = 1
  t.equal(await ask(app, { json: { path: root } }, { key: 'directory' }).then(({ body }) => body, () => 'cut off'), 'cut off')
})

/** Lets time pass for the store. */
function passTime(test: Test, ms: number): void {
  const { now } = Date
  Date.now = () => now() + ms
  test.teardown(() => void (Date.now = now))
}

void t.test('an answer is forgotten when its time is over', async (t) => {
  const { app, root } = await makeOnce(t)
  const what = { json: { path: putPackage(root) } }
  await ask(app, what, { key: 'one' })
  passTime(t, KEEP_MS - 60_000)
  t.ok(isRepeated(await ask(app, what, { key: 'one' })))
  passTime(t, 60_001)
  const late = await ask(app, what, { key: 'one' })
  t.notOk(isRepeated(late))
  t.match(late.json(), { signatures: { 'PkgA.1.0.0.0.bff': { replayed: true } } }, 'the same content is not signed again for that')
})

void t.test('a request whose server went away belongs to whoever asks when that has been silent', async (t) => {
  const { app, deps, reopened } = await makeOnce(t)
  const what = { json: item('content') }
  let asked: Parameters<Store['ask']>[0] | undefined
  const spying = bound(deps.store, { ask: async (given) => await deps.store.ask(asked = given) })
  const probe = await buildTestApp({ ...deps, store: spying })
  await ask(probe, what, { key: 'another' })
  const lost = { ...(asked as NonNullable<typeof asked>), key: 'one', requestId: randomUUID() }
  t.strictSame(await deps.store.ask(lost), { kind: 'begun' }, 'and then the server is gone')
  t.match(problemOf(await ask(app, what, { key: 'one' })), { code: 'REQUEST_IN_PROGRESS' })
  const next = await reopened()
  passTime(t, 60_000)
  const answer = await ask(next, what, { key: 'one' })
  t.equal(answer.statusCode, 200)
  t.notOk(isRepeated(answer))
  t.equal((await ask(next, what, { key: 'one' })).body, answer.body)
})

/** Asks over a connection that is cut when `cut` resolves. */
async function askAndGo(test: Test, app: FastifyInstance, { json, key, cut }: Readonly<{ json: object; key: string; cut: Promise<unknown> }>): Promise<void> {
  const server = createServer((request, response) => app.routing(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  test.teardown(() => server.close())
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined)
  const body = JSON.stringify(json)
  socket.write(`POST /sign HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nIdempotency-Key: ${key}\r\n\r\n${body}`)
  await cut
  socket.destroy()
}

void t.test('a request whose client goes away is given up, and a retry begins it anew', async (t) => {
  let [asking, recorded] = [0, 0]
  const [given, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const { app, root, requests } = await makeOnce(t, (store) => ({
    ask: async (asked) => {
      const answer = await store.ask(asked)
      asking += 1
      if (asked.key === 'unread') await held.promise
      return answer
    },
    record: async (...all) => {
      recorded += 1
      return await store.record(...all)
    },
    giveUp: async (asked) => {
      await store.giveUp(asked)
      given.resolve()
    },
  }))
  putPackages(root, 60)
  await askAndGo(t, app, { json: { path: root }, key: 'middle', cut: eventually(() => recorded > 4) })
  await given.promise
  const retry = await ask(app, { json: { path: root } }, { key: 'middle' })
  t.equal(retry.statusCode, 200)
  t.notOk(isRepeated(retry))
  t.ok(Object.values(retry.json<{ signatures: Record<string, { replayed: boolean }> }>().signatures).some(({ replayed }) => replayed), 'what was signed is not signed again')

  const before = asking
  await askAndGo(t, app, { json: { path: root }, key: 'unread', cut: eventually(() => asking > before) })
  await eventually(() => requests.length === 3)
  held.resolve()
  t.equal((await ask(app, { json: { path: root } }, { key: 'unread' })).statusCode, 200)
})

void t.test('an answer that was made is kept, though its client went away before it had it', async (t) => {
  const signed = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  const { app, requests } = await makeOnce(t, (store) => ({
    record: async (...given) => {
      const recorded = await store.record(...given)
      signed.resolve()
      await gone.promise
      return recorded
    },
  }))
  const json = item('content', { force: true })
  await askAndGo(t, app, { json, key: 'one', cut: signed.promise })
  await eventually(() => requests.length === 1)
  gone.resolve()
  let again = await ask(app, { json }, { key: 'one' })
  for (let tries = 0; again.statusCode === 409 && tries < 100; tries += 1) again = await ask(app, { json }, { key: 'one' })
  t.ok(isRepeated(again))
  t.equal(again.statusCode, 200)
})

void t.test('what the deadline of a stop cut short is no answer to keep', async (t) => {
  const stop = new AbortController()
  const signer = stalling()
  const { app, root, reopened } = await makeOnce(t, undefined, { ...signer.change, stop: stop.signal })
  putPackages(root, 3)
  const what = [{ json: { path: root } }, { json: { items: [item('a'), item('b')] } }, { json: item('content') }]
  const answers = what.map(async (one, index) => await ask(app, one, { key: String(index) }).then(({ statusCode }) => statusCode, () => 'cut off'))
  await eventually(() => signer.begun() === 6)
  stop.abort(new SigningError('SHUTTING_DOWN', 'the server is shutting down'))
  t.strictSame(await Promise.all(answers), ['cut off', 503, 503])
  signer.go()
  const next = await reopened()
  for (const [index, one] of what.entries()) t.not((await ask(next, one, { key: String(index) }).catch(() => undefined))?.statusCode, 409, 'it was given up')
})

/** A directory, a batch, a digest or an upload, of which anything may fail. */
const entries = fc.uniqueArray(fc.record({ name: fc.constantFrom('a', '10', '9', 'b b', 'ü', '__proto__', 'z'), kind: fc.constantFrom('package', 'broken', 'text', 'link', 'outside', 'directory', 'taken', '.Z') }), { selector: ({ name }) => name, maxLength: 7 })
const items = fc.array(fc.record({ content: fc.constantFrom('a', 'b', 'c', 'a/b'), described: fc.boolean() }), { minLength: 1, maxLength: 6 })
const scenes = fc.oneof(
  fc.record({ kind: fc.constant('directory' as const), entries, force: fc.boolean() }),
  fc.record({ kind: fc.constant('batch' as const), items }),
  fc.record({ kind: fc.constant('digest' as const), items }),
  fc.record({ kind: fc.constant('upload' as const), entries: fc.constantFrom('package', 'broken', 'text', '.Z', 'taken') }),
)

const CONTENTS: Readonly<Record<string, (name: string) => Uint8Array>> = {
  package: (name) => writePackage(packageSource(`Pkg${hash('sha256', name).slice(0, 8)}`)),
  // Other content each time, under a level that another package has.
  taken: () => writePackage(packageSource('Taken', { payload: [{ path: '/usr/x', bytes: Buffer.from(randomUUID()) }] })),
  broken: () => writePackage(packageSource()).subarray(0, 300),
  text: () => Buffer.from('no package'),
  '.Z': (name) => Buffer.concat([Buffer.from([0x1f, 0x9d]), Buffer.from(name)]),
}

function furnish(root: string, wanted: readonly Readonly<{ name: string; kind: string }>[]): void {
  for (const { name, kind } of wanted) {
    const path = join(root, name)
    if (kind === 'directory') mkdirSync(path)
    else if (kind === 'link') symlinkSync('nowhere', path)
    else if (kind === 'outside') symlinkSync('/etc/hostname', path)
    else writeFileSync(path, CONTENTS[kind]?.(name) ?? '')
  }
}

function digestItem({ content, described }: Readonly<{ content: string; described: boolean }>): object {
  return item(content, described ? { package: 'Taken', filesets: [{ fileset: 'Taken.rte', vrmf: '1.0.0.0' }] } : {})
}

void t.test('whatever is asked for, and whatever fails of it: the second answer is the first, byte for byte, in both forms, also after a restart', async (t) => {
  const { app, folder, root, reopened } = await makeOnce(t)
  const asked: Readonly<{ what: Ask; keyed: Keyed; status: number; body: string }>[] = []
  let scene = 0
  await fc.assert(fc.asyncProperty(scenes, async (wanted) => {
    const place = join(root, String(scene++))
    mkdirSync(place)
    const what = askOf(wanted, place)
    for (const accept of ['application/json', NDJSON]) {
      const keyed = { key: randomUUID(), accept }
      const first = await ask(app, what, keyed)
      const second = await ask(app, what, keyed)
      asked.push({ what, keyed, status: first.statusCode, body: first.body })
      if (isRepeated(first) || !isRepeated(second) || second.statusCode !== first.statusCode || second.body !== first.body) return false
    }
    return true
  }), { numRuns: count(30, 1000) })
  t.ok(new Set(asked.map(({ status }) => status)).size > 1, 'problems among them')
  const later = await reopened()
  rmSync(join(folder, 'nim'), { recursive: true })
  for (const { what, keyed, status, body } of asked) {
    const again = await ask(later, what, keyed)
    if (again.statusCode !== status || again.body !== body) t.fail(`${JSON.stringify(what)} ${JSON.stringify(keyed)}`)
  }
})

function askOf(wanted: typeof scenes extends fc.Arbitrary<infer Scene> ? Scene : never, place: string): Ask {
  switch (wanted.kind) {
    case 'directory':
      furnish(place, wanted.entries)
      return { json: { path: place, force: wanted.force } }
    case 'batch':
      return { json: { items: wanted.items.map(digestItem) } }
    case 'digest':
      return { json: digestItem(wanted.items[0] as (typeof wanted.items)[number]) }
    case 'upload':
      return { upload: CONTENTS[wanted.entries]?.('sent') as Uint8Array }
  }
}

void t.test('an answer of more items than one page is given again whole', async (t) => {
  const { app } = await makeOnce(t, undefined, { bodyBytes: 1_000_000 })
  const what = { json: { items: Array.from({ length: 600 }, (_, index) => item(index % 7 === 0 ? 'a/b' : `content ${index}`)) } }
  const first = await ask(app, what, { key: 'one' })
  const second = await ask(app, what, { key: 'one' })
  t.ok(isRepeated(second) && second.body === first.body)
})
