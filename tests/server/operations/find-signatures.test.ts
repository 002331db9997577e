import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { eachSignature, findSignatures } from '../../../server/operations/find-signatures.ts'
import { normaliseWindow } from '../../../server/operations/time-window.ts'
import type { DigestItem } from '../../../server/schemas/digest.ts'
import type { BatchAnswer, SignAnswer } from '../../../server/schemas/sign.ts'
import type { Signature } from '../../../server/schemas/signature.ts'
import type { FoundSignature, SignatureList } from '../../../server/schemas/signatures.ts'
import { createTurns } from '../../../server/threads/turns.ts'
import { clientNamed, makeApp, NOW, type TestApp } from '../../helpers/app.ts'
import { count } from '../../helpers/full-size.ts'
import { eventually } from '../../helpers/processes.ts'
import { spoiledStore } from '../../helpers/store.ts'

const NDJSON = 'application/x-ndjson'
const CLIENTS = ['bot', 'second', 'overseer'] as const
type ClientName = (typeof CLIENTS)[number]
type Of<A> = A extends fc.Arbitrary<infer T> ? T : never

/** An app with two clients that see their own, and one that sees all; `nowMs` is what its clock says. */
async function scene(t: Test): Promise<TestApp & { nowMs: number }> {
  const clock = { nowMs: NOW.getTime() }
  const common = { keys: ['1001', '1002'], digestOnly: true, resign: true }
  const policy = [clientNamed('bot', common), clientNamed('second', common), clientNamed('overseer', { ...common, sees: 'all' })]
  const test = await makeApp(t, () => ({ policy, clock: () => new Date(clock.nowMs), bodyBytes: 1_000_000 }))
  return Object.assign(clock, test)
}

async function sign(test: TestApp, client: ClientName, payload: object): Promise<Readonly<{ status: number; signature: Signature | undefined }>> {
  test.become(client)
  const answer = await test.app.inject({ method: 'POST', url: '/sign', payload })
  const signature = answer.statusCode === 200 ? Object.values(answer.json<SignAnswer>().signatures)[0] : undefined
  return { status: answer.statusCode, signature }
}

/** Signs so many digests at once and returns their signatures. */
async function signMany(test: TestApp, total: number): Promise<readonly Signature[]> {
  const items: DigestItem[] = Array.from({ length: total }, (_, index) => ({ digest: { sha256: randomBytes(32).toString('hex') }, sizeBytes: index, filename: `file-${index}` }))
  const answer = await test.app.inject({ method: 'POST', url: '/sign', payload: { items, keyid: '1001' } })
  return answer.json<BatchAnswer>().items.map(({ signature }) => signature as Signature)
}

type Query = Readonly<Record<string, string>>

async function page(test: TestApp, query: Query): Promise<SignatureList> {
  const answer = await test.app.inject({ url: '/signatures', query })
  if (answer.statusCode !== 200) throw new Error(answer.body)
  return answer.json<SignatureList>()
}

/** Every page, the cursor of one leading to the next. */
async function pages(test: TestApp, query: Query, limit: number): Promise<readonly FoundSignature[]> {
  const found: FoundSignature[] = []
  for (let cursor: string | null | undefined; cursor !== null;) {
    const { signatures, nextCursor } = await page(test, { ...query, limit: String(limit), ...(cursor === undefined ? {} : { cursor }) })
    if (signatures.length > limit || (nextCursor !== null && signatures.length < limit)) throw new Error(`a page of ${signatures.length}, of at most ${limit}`)
    found.push(...signatures)
    cursor = nextCursor
  }
  return found
}

async function lines(test: TestApp, query: Query): Promise<readonly FoundSignature[]> {
  const answer = await test.app.inject({ url: '/signatures', query, headers: { accept: NDJSON } })
  if (answer.statusCode !== 200 || answer.headers['content-type'] !== NDJSON) throw new Error(answer.body)
  return answer.body.split('\n').slice(0, -1).map((line) => JSON.parse(line) as FoundSignature)
}

/** What the run itself remembers of a signature: the oracle. */
type Remembered = Readonly<{ signature: Signature; client: ClientName; handedTo: Set<ClientName> }>

const DIGESTS = ['aa', 'bb', 'cc'].map((byte) => byte.repeat(32))
const PACKAGES = ['PkgA', 'PkgB']
const FILESETS = ['rte', 'adt']
const LEVELS = ['1.0.0.0', '7.3.2.10']
const client = fc.constantFrom(...CLIENTS)

const signing = fc.record({
  client,
  keyid: fc.constantFrom('1001', '1002'),
  sha256: fc.constantFrom(...DIGESTS),
  described: fc.option(fc.record({
    package: fc.constantFrom(...PACKAGES),
    filesets: fc.uniqueArray(fc.record({ fileset: fc.constantFrom(...FILESETS), vrmf: fc.constantFrom(...LEVELS) }), { minLength: 1, maxLength: 2, selector: ({ fileset, vrmf }) => `${fileset} ${vrmf}` }),
  }), { nil: undefined, freq: 2 }),
  force: fc.constantFrom(false, false, false, true),
  resign: fc.boolean(),
  laterMs: fc.constantFrom(0, 1, 500),
})

/** Times around those of the run, in whatever spelling RFC 3339 has for them. */
const time = fc.record({ afterMs: fc.integer({ min: -1000, max: 30_000 }), offset: fc.constantFrom('Z', 'z', '+00:00', '-00:00', '+05:30', '-11:00'), separator: fc.constantFrom('T', 't', ' ') })

function spelled(nowMs: number, { afterMs, offset, separator }: Of<typeof time>): string {
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(offset) ?? []
  const shiftMs = sign === undefined ? 0 : (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
  return new Date(nowMs + afterMs + shiftMs).toISOString().replace('Z', offset).replace('T', separator)
}

const members = fc.record({
  package: fc.constantFrom(...PACKAGES, 'PkgC'),
  fileset: fc.constantFrom(...FILESETS),
  vrmf: fc.constantFrom(...LEVELS),
  sha256: fc.constantFrom(...DIGESTS),
  keyid: fc.constantFrom('1001', '1002'),
  client: fc.constantFrom(...CLIENTS),
  format: fc.constantFrom('installp', 'other'),
  form: fc.constantFrom('record', 'sig'),
  since: time,
  until: time,
})

/** A few of the members at a time: what asks for everything at once finds nothing. */
const query = fc.tuple(members, fc.subarray(['package', 'fileset', 'vrmf', 'sha256', 'keyid', 'client', 'format', 'form', 'since', 'until'] as const, { maxLength: 3 }))
  .map(([all, names]): Partial<typeof all> => Object.fromEntries(names.map((name) => [name, all[name]])))

type Asked = Readonly<Partial<Record<string, string>>>

/** The filter in its plainest form. */
function fits({ signature, client: madeFor }: Remembered, asked: Asked, { fromMs, toMs }: Readonly<{ fromMs: number; toMs: number }>): boolean {
  const { signedAt, records } = signature
  const isRecordOf = ({ package: name, fileset, vrmf }: Signature['records'][number]) =>
    (asked['package'] ?? name) === name && (asked['fileset'] ?? fileset) === fileset && (asked['vrmf'] ?? vrmf) === vrmf
  const byRecord = ['package', 'fileset', 'vrmf'].some((member) => asked[member] !== undefined)
  return (!byRecord || records.some(isRecordOf))
    && (asked['sha256'] ?? signature.sha256) === signature.sha256
    && (asked['keyid'] ?? signature.keyid) === signature.keyid
    && (asked['client'] ?? madeFor) === madeFor
    && (asked['format'] ?? signature.format) === signature.format
    && (asked['form'] ?? (records.length > 0 ? 'record' : 'sig')) === (records.length > 0 ? 'record' : 'sig')
    && Date.parse(signedAt) >= fromMs
    && Date.parse(signedAt) < toMs
}

async function perform(test: TestApp & { nowMs: number }, known: Remembered[], step: Of<typeof signing>): Promise<void> {
  test.nowMs += step.laterMs
  const { described, sha256 } = step
  const filesets = described?.filesets.map(({ fileset, vrmf }) => ({ fileset: `${described.package}.${fileset}`, vrmf }))
  const payload = { digest: { sha256 }, sizeBytes: 7, filename: 'x', keyid: step.keyid, force: step.force, resign: step.resign, ...(described === undefined ? {} : { package: described.package, filesets, builtAt: 1 }) }
  const { status, signature } = await sign(test, step.client, payload)
  if (signature === undefined) {
    if (status !== 409 || step.resign) throw new Error(`${status} for ${JSON.stringify(payload)}`)
    return
  }
  const earlier = known.find((one) => one.signature.id === signature.id)
  if (signature.replayed !== (earlier !== undefined)) throw new Error('replayed, and never made; or made, and there before')
  if (earlier === undefined) known.push({ signature, client: step.client, handedTo: new Set() })
  else earlier.handedTo.add(step.client)
}

/** What must be the same whenever a signature is read: a receipt may be against a newer checkpoint. */
const bare = ({ client: name, signature }: FoundSignature): object => ({ name, index: signature.receipt.index, entry: signature.receipt.entry, ...signature, receipt: undefined, replayed: undefined })

void t.test('what a random run signed is what any query finds, on pages and line by line', async (t) => {
  const test = await scene(t)
  const startMs = test.nowMs
  const known: Remembered[] = []
  const [tally, queries] = [{ empty: 0, some: 0, several: 0 }, fc.record({ client, asked: query, limit: fc.integer({ min: 1, max: 7 }) })]
  await fc.assert(fc.asyncProperty(fc.array(signing, { minLength: 1, maxLength: 5 }), fc.array(queries, { minLength: 1, maxLength: 5 }), async (steps, asks) => {
    for (const step of steps) await perform(test, known, step)
    for (const { client: who, asked: { fileset, since, until, ...rest }, limit } of asks) {
      const asked: Record<string, string> = { ...rest, ...(since === undefined ? {} : { since: spelled(startMs, since) }), ...(until === undefined ? {} : { until: spelled(startMs, until) }) }
      if (fileset !== undefined) asked['fileset'] = `${rest.package ?? 'PkgA'}.${fileset}`
      test.become(who)
      if (since !== undefined && until !== undefined && since.afterMs > until.afterMs) {
        const refused = await test.app.inject({ url: '/signatures', query: asked })
        if (refused.json<{ code: string }>().code !== 'REQUEST_INVALID') throw new Error(refused.body)
        continue
      }
      const window = { fromMs: startMs + (since?.afterMs ?? Number.NEGATIVE_INFINITY), toMs: startMs + (until?.afterMs ?? Number.POSITIVE_INFINITY) }
      const visible = known.filter((one) => who === 'overseer' || one.client === who || one.handedTo.has(who))
      const want = visible.filter((one) => fits(one, asked, window)).toSorted((a, b) => b.signature.receipt.index - a.signature.receipt.index).map(bare)
      tally[want.length === 0 ? 'empty' : want.length <= limit ? 'some' : 'several'] += 1
      const [paged, streamed, some] = [await pages(test, asked, limit), await lines(test, asked), await lines(test, { ...asked, limit: String(limit) })]
      const same = isDeepStrictEqual(paged.map(bare), want) && isDeepStrictEqual(streamed, paged) && isDeepStrictEqual(some, paged.slice(0, limit))
      if (!same) throw new Error(`${who} asked ${JSON.stringify(asked)}: ${JSON.stringify(paged.map(({ signature }) => signature.id))}, not ${JSON.stringify(want)}`)
    }
  }), { numRuns: count(40, 120), endOnFailure: true, includeErrorInReport: true })
  t.ok(Object.values(tally).every((times) => times >= 5), JSON.stringify(tally))
  t.ok(known.some(({ handedTo }) => handedTo.size > 1), 'signatures were handed on')
})

void t.test('a time is read as any RFC 3339 and compared in milliseconds of UTC; a window includes its start and not its end', async (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ['2026-11-24T09:15:00Z', '2026-11-24T09:15:00.000Z'],
    ['2026-11-24t09:15:00.5z', '2026-11-24T09:15:00.500Z'],
    ['2026-11-24 09:15:00.057Z', '2026-11-24T09:15:00.057Z'],
    ['2026-11-24T10:15:00+01:00', '2026-11-24T09:15:00.000Z'],
    ['2026-11-24T00:15:00-23:59', '2026-11-25T00:14:00.000Z'],
    ['2026-11-24T09:15:00.0570000Z', '2026-11-24T09:15:00.057Z'],
    ['2026-11-24T09:15:00.0570001Z', '2026-11-24T09:15:00.058Z'],
    ['2026-11-24T09:15:59.9999Z', '2026-11-24T09:16:00.000Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    ['2024-02-29T23:59:59+00:00', '2024-02-29T23:59:59.000Z'],
    ['0000-01-01T00:00:00+23:59', '0000-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59.9999Z', '9999-12-31T23:59:59.999Z'],
    ['9999-12-31T23:59:59-23:59', '9999-12-31T23:59:59.999Z'],
  ]
  for (const [given, want] of rows) t.strictSame(normaliseWindow({ since: given, until: given }), { since: want, until: want }, given)
  t.strictSame(normaliseWindow({}), {})
  t.strictSame(normaliseWindow({ until: '2026-11-24T09:15:00Z' }), { until: '2026-11-24T09:15:00.000Z' })
  for (const since of ['', '2026-11-24', '2026-11-24T09:15Z', '2026-11-24T09:15:00', '2026-11-24T09:15:00+0100', '2026-11-24T09:15:00+01', '+002026-11-24T09:15:00Z', '2026-13-24T09:15:00Z', '1763975700']) {
    t.throws(() => normaliseWindow({ since }), { code: 'REQUEST_INVALID', message: /^the query parameter since is no time/ }, since)
  }
  t.throws(() => normaliseWindow({ since: '2026-11-24T09:15:00.001Z', until: '2026-11-24T10:15:00+01:00' }), { code: 'REQUEST_INVALID', message: /is after until$/ })
})

void t.test('a query that is none is refused, with every fault of it', async (t) => {
  const test = await scene(t)
  const refused: readonly Query[] = [
    { limit: '0' }, { limit: '1001' }, { limit: 'x' }, { limit: '' }, { cursor: '0' }, { cursor: '-1' }, { cursor: '01' }, { cursor: '1e3' }, { keyid: 'x' }, { sha256: 'AB'.repeat(32) }, { sha256: '' },
    { format: 'bff' }, { form: 'dsb' }, { package: '' }, { package: 'x'.repeat(145) }, { since: 'yesterday' }, { since: '2026-02-30T00:00:00Z' }, { until: '2026-11-24T09:15:00+01' },
    { since: '2026-11-24T09:15:00Z', until: '2026-11-24T09:14:59Z' },
  ]
  for (const query of refused) {
    for (const accept of ['application/json', NDJSON]) {
      const answer = await test.app.inject({ url: '/signatures', query, headers: { accept } })
      t.match(answer, { statusCode: 400, headers: { 'content-type': 'application/problem+json' } }, JSON.stringify(query))
      t.match(answer.json(), { code: 'REQUEST_INVALID' })
    }
  }
  t.strictSame(await page(test, { cursor: '9'.repeat(16) }), { signatures: [], nextCursor: null })
  t.strictSame(await page(test, { package: '%_*\u0000\'";', fileset: '包' }), { signatures: [], nextCursor: null }, 'a name that nothing has is no fault')
  const twice = await test.app.inject('/signatures?keyid=1001&keyid=1002')
  t.match(twice.json(), { code: 'REQUEST_INVALID' })
  t.equal((await test.app.inject({ url: '/signatures', headers: { accept: NDJSON } })).body, '')
})

void t.test('pages are not shifted by what is signed between them, and a page is 100 unless told otherwise', async (t) => {
  const test = await scene(t)
  const made = await signMany(test, 250)
  const newest = made.map(({ id }) => id).toReversed()
  const first = await page(test, {})
  t.strictSame(first.signatures.map(({ signature }) => signature.id), newest.slice(0, 100))
  await signMany(test, 3)
  const second = await page(test, { cursor: String(first.nextCursor) })
  t.strictSame(second.signatures.map(({ signature }) => signature.id), newest.slice(100, 200))
  const last = await page(test, { cursor: String(second.nextCursor) })
  t.strictSame(last.signatures.map(({ signature }) => signature.id), newest.slice(200))
  t.equal(last.nextCursor, null)
  t.equal((await page(test, { limit: '253' })).nextCursor, null, 'a page that takes all is the last')
})

void t.test('everything line by line is read bit by bit: no more than is asked for, and nothing any more when the reader went away', async (t) => {
  const test = await scene(t)
  const made = (await signMany(test, 300)).map(({ id }) => id).toReversed()
  t.strictSame((await lines(test, {})).map(({ signature }) => signature.id), made)
  t.strictSame((await lines(test, { limit: '201' })).map(({ signature }) => signature.id), made.slice(0, 201))
  const limits: number[] = []
  const store = { find: async (search: Parameters<typeof test.deps.store.find>[0]) => {
    limits.push(search.limit)
    return await test.deps.store.find(search)
  } }
  const caller = { identity: { sans: [], spkiSha256: '', serial: '', notAfter: NOW }, client: clientNamed('bot'), policy: [] }
  const gone = new AbortController()
  const { searches } = test.deps
  const all = eachSignature({ store, keyring: new Map(), searches }, caller, {}, gone.signal)
  for (let taken = 0; taken < 100; taken += 1) await all.next()
  t.strictSame(limits, [100], 'the second read waits for the reader')
  gone.abort(new Error('gone'))
  await t.rejects(all.next(), { message: 'gone' })
  t.strictSame(limits, [100])
  limits.length = 0
  t.equal((await Array.fromAsync(eachSignature({ store, keyring: new Map(), searches }, caller, { limit: 150 }, new AbortController().signal))).length, 150)
  t.strictSame(limits, [100, 50], 'what is enough is enough')
  const full = createTurns({ concurrency: 1, waiting: 0, busy: { code: 'SERVER_BUSY', message: 'too many' } })
  const begun = eachSignature({ store, keyring: new Map(), searches: full }, caller, {}, new AbortController().signal)
  for (let taken = 0; taken < 100; taken += 1) await begun.next()
  const release = await full.take()
  const next = begun.next()
  release()
  t.match(await next, { done: false, value: { signature: { id: made[100] } } }, 'an answer that has begun waits for its turn')
})

void t.test('searches take turns: a full line is told to come again, and who went away is not searched for', async (t) => {
  const searches = createTurns({ concurrency: 1, waiting: 1, busy: { code: 'SERVER_BUSY', message: 'too many searches wait for their turn' } })
  let finds = 0
  const test = await makeApp(t, ({ store }) => ({ searches, store: spoiledStore(store, { find: async (search) => {
    finds += 1
    return await store.find(search)
  } }) }))
  const release = await searches.take({ party: 'other' })
  const waiting = test.app.inject('/signatures')
  await eventually(() => searches.waiting() === 1)
  for (const headers of [{}, { accept: NDJSON }]) {
    const refused = await test.app.inject({ url: '/signatures', headers })
    t.match([refused.statusCode, refused.headers['retry-after'], refused.json<object>()], [503, '1', { code: 'SERVER_BUSY', detail: 'too many searches wait for their turn' }])
  }
  t.equal(finds, 0)
  release()
  t.equal((await waiting).statusCode, 200)
  const caller = { identity: { sans: [], spkiSha256: '', serial: '', notAfter: NOW }, client: clientNamed('bot'), policy: [] }
  const again = await searches.take()
  const gone = new AbortController()
  const left = findSignatures({ ...test.deps, searches }, caller, {}, gone.signal)
  gone.abort(new Error('gone'))
  await t.rejects(left, { message: 'gone' })
  t.strictSame([finds, searches.waiting()], [1, 0])
  again()
})

void t.test('a signature that was handed to a client is one that it may look up and export', async (t) => {
  const test = await scene(t)
  const payload = { digest: { sha256: 'ee'.repeat(32) }, sizeBytes: 7, filename: 'x', keyid: '1001' }
  const { signature } = await sign(test, 'bot', payload)
  const { id } = signature as Signature
  test.become('second')
  for (const url of [`/signatures/${id}`, `/signatures/${id}/sig`, `/signatures/${id}/proof`]) t.match((await test.app.inject(url)).json(), { code: 'SIGNATURE_NOT_FOUND' }, url)
  t.notOk('id' in (await test.app.inject({ method: 'POST', url: '/verify', payload: { digest: payload.digest } })).json<object>())
  t.match(await sign(test, 'second', payload), { status: 200, signature: { id, replayed: true } })
  for (const url of [`/signatures/${id}`, `/signatures/${id.toUpperCase()}/sig`, `/signatures/${id}/proof`]) t.equal((await test.app.inject(url)).statusCode, 200, url)
  t.match((await test.app.inject({ method: 'POST', url: '/verify', payload: { digest: payload.digest } })).json(), { valid: true, id, client: 'bot' })
  t.match(await page(test, {}), { signatures: [{ client: 'bot', signature: { id } }], nextCursor: null })
})
