import { hash, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Signature } from '../../../server/schemas/signature.ts'
import type { Known, Search, Store, Subject, Unrecorded } from '../../../server/store/store.ts'
import { ENGINES, rowsOf } from '../../helpers/engines.ts'
import { count } from '../../helpers/full-size.ts'
import { recording, type Choice } from '../../helpers/store.ts'

type Recorded = Awaited<ReturnType<Store['record']>>

async function record(store: Store, choice: Choice = {}): Promise<Recorded> {
  const { subject, signature } = recording(choice)
  return await store.record(subject, signature)
}

/** Records what must be accepted. */
async function recorded(store: Store, choice: Choice = {}): Promise<Signature> {
  const result = await record(store, choice)
  if (result.kind !== 'recorded') throw new Error(`not recorded: ${result.kind}`)
  return result.signature
}

const idOf = (known: Recorded | Known | undefined): string | undefined => (known === undefined || !('signature' in known) ? undefined : known.signature.id)
const bare = ({ receipt: _receipt, replayed: _replayed, ...signature }: Signature): Unrecorded => signature
const at = (second: number) => new Date(Date.UTC(2026, 10, 24, 0, 0, second)).toISOString()

for (const { name: engine, skip, fresh } of ENGINES) {
  const test = (name: string, body: (t: Test) => Promise<void>) => void t.test(`${engine}: ${name}`, { skip, timeout: 120_000 }, body)

  test('get returns a recorded signature whole, with its records in order, whom it was made for, and the receipt it was answered with', async (t) => {
    const store = await (await fresh(t)).open()
    const choices = [{ filesets: ['PkgA.rte', 'PkgA.adt', 'PkgA.man.en_US'] }, { filesets: [], client: 'auditor' }, { sent: true, filesets: [] }].map(recording)
    const results = await Promise.all(choices.map(async ({ subject, signature }) => await store.record(subject, signature)))
    for (const [index, { subject, signature }] of choices.entries()) {
      const result = results[index] as Extract<Recorded, { kind: 'recorded' }>
      t.strictSame([result.kind, bare(result.signature), result.signature.replayed], ['recorded', signature, false])
      const { client, file } = subject.recipient
      t.strictSame(await store.get(signature.id), { client, signature: result.signature, ...(file === undefined ? {} : { place: { root: file.root, relativePath: file.relativePath } }) })
    }
    t.equal(await store.get(randomUUID()), undefined)
    t.equal(await store.get(`${choices[0]?.signature.id as string}' or '1' = '1`), undefined)
  })

  test('a path as long as a path can be is signed; one that no index takes is not listed as signed', async (t) => {
    const store = await (await fresh(t)).open()
    // Random: PostgreSQL compresses what it can before it measures.
    const path = Array.from({ length: 120 }, () => randomUUID()).join('/').slice(0, 4096)
    const file = { relativePath: path, sizeBytes: 10, modifiedAtMs: 10 }
    const id = (await recorded(store, file)).id
    t.equal(idOf(await store.lookUp(recording({ ...file, id }).subject)), id)
    t.strictSame([...await store.signedAmong('nim', [file])], [])
    const shorter = { ...file, relativePath: path.slice(0, 2600) }
    await recorded(store, shorter)
    t.strictSame([...await store.signedAmong('nim', [shorter])], [shorter.relativePath])
    t.match(await store.audit(), { intact: true })
  })

  test('what cannot be recorded is refused alone, whatever is wrong with it, and leaves nothing', async (t) => {
    const database = await fresh(t)
    const store = await database.open()
    const first = await recorded(store)
    const bad: readonly ((recording: Readonly<{ subject: Subject; signature: Unrecorded }>) => Readonly<{ subject: Subject; signature: Unrecorded }>)[] = [
      ({ subject, signature }) => ({ subject, signature: { ...signature, id: first.id } }),
      ({ subject, signature }) => ({ subject, signature: { ...signature, sha256: undefined as unknown as string } }),
      ({ subject, signature }) => ({ subject, signature: { ...signature, filename: 'a\nb' } }),
      ({ subject, signature }) => ({ subject, signature: { ...signature, sizeBytes: -1 } }),
      ({ subject, signature }) => ({ subject: { ...subject, artefact: undefined as unknown as string }, signature }),
      ({ subject, signature }) => ({ subject: { ...subject, recipient: { ...subject.recipient, file: { root: 'nim', relativePath: '\ud800/a.bff', sizeBytes: 1, modifiedAtMs: 1 } } }, signature }),
    ]
    const recordings = bad.flatMap((spoil, index) => [recording({ relativePath: `good/${index}.bff` }), spoil(recording({ relativePath: `bad/${index}.bff` }))])
    const results = await Promise.allSettled(recordings.map(async ({ subject, signature }) => await store.record(subject, signature)))
    for (const [index, result] of results.entries()) {
      if (index % 2 === 0) t.match(result, { status: 'fulfilled', value: { kind: 'recorded' } })
      else t.match(result, { status: 'rejected', reason: { code: 'STORE_FAILED', message: 'the store could not be written' } }, String(bad[(index - 1) / 2]))
    }
    t.equal((await rowsOf(database, 'signatures')).length, 1 + bad.length)
    t.equal((await rowsOf(database, 'signature_records')).length, 1 + bad.length)
    t.equal((await rowsOf(database, 'log_leaves')).length, 1 + bad.length)
    t.strictSame((await store.get(first.id))?.signature, first, 'a second signature of the same id changes nothing')
    t.match(await store.audit(), { intact: true })
  })

  test('the same artefact is signed once: before it is signed, in one group, across groups and by another replica', async (t) => {
    const database = await fresh(t)
    const [store, other] = [await database.open(), await database.open()]
    const choice = { content: 'the same', filesets: ['PkgA.rte'] }
    t.equal(await store.lookUp(recording(choice).subject), undefined)
    const results = await Promise.all([...Array.from({ length: count(60, 400) }, async () => await record(store, choice)), ...Array.from({ length: 20 }, async () => await record(other, choice))])
    t.equal(new Set(results.map(idOf)).size, 1, 'everybody gets the winner')
    t.equal(results.filter(({ kind }) => kind === 'recorded').length, 1)
    const winner = results.find(({ kind }) => kind === 'recorded') as Extract<Recorded, { kind: 'recorded' }>
    for (const result of results) if (result.kind === 'signed') t.strictSame(result.signature, { ...winner.signature, replayed: true })
    t.match(await store.lookUp(recording(choice).subject), { kind: 'signed', signature: { id: winner.signature.id, replayed: true } })
    t.match(await record(other, choice), { kind: 'signed', signature: { id: winner.signature.id } })
    t.equal((await rowsOf(database, 'signatures')).length, 1)
    t.equal((await rowsOf(database, 'log_leaves')).length, 1, 'who loses leaves no trace in the log')
    t.match(await store.audit(), { intact: true })
  })

  test('a client has no more signatures made than it may: in one group, across groups, by another replica and after a restart', async (t) => {
    const database = await fresh(t)
    const [store, other] = [await database.open(), await database.open()]
    const limited = async (one: typeof store, maxSignatures: number, client = 'job') => {
      const { subject, signature } = recording({ client })
      return await one.record({ ...subject, maxSignatures }, signature)
    }
    await record(store, { client: 'somebody' })
    await record(store, { client: 'job' })
    const results = await Promise.all(Array.from({ length: 40 }, async (_, index) => await limited(index % 2 === 0 ? store : other, 7)))
    t.equal(results.filter(({ kind }) => kind === 'recorded').length, 6, 'one was made before')
    t.strictSame(new Set(results.filter(({ kind }) => kind !== 'recorded').map((result) => JSON.stringify(result))), new Set(['{"kind":"spent","count":7,"maxSignatures":7}']))
    t.equal((await rowsOf(database, 'signatures')).length, 8)
    const again = await database.open()
    t.match(await limited(again, 7), { kind: 'spent' })
    t.match(await again.lookUp({ ...recording({ client: 'job' }).subject, maxSignatures: 7 }), { kind: 'spent', count: 7, maxSignatures: 7 }, 'it is known before anything is signed')
    t.match(await limited(again, 8), { kind: 'recorded' }, 'a limit that was raised')
    t.match(await limited(again, 1, 'another-job'), { kind: 'recorded' })
    t.match(await again.audit(), { intact: true })
  })

  test('force makes another signature, and from then on that one is the answer', async (t) => {
    const store = await (await fresh(t)).open()
    const choice = { content: 'x', filesets: ['PkgA.rte'] }
    const first = await recorded(store, choice)
    t.equal(await store.lookUp(recording({ ...choice, force: true }).subject), undefined)
    const forced = await Promise.all([recorded(store, { ...choice, force: true }), recorded(store, { ...choice, force: true })])
    t.equal(new Set([first.id, ...forced.map(({ id }) => id)]).size, 3)
    t.equal(idOf(await store.lookUp(recording(choice).subject)), forced[1]?.id)
    t.equal(idOf(await record(store, choice)), forced[1]?.id)
    t.match(await record(store, { content: 'y', filesets: ['PkgA.rte'], force: true }), { kind: 'taken', earlier: first.id }, 'but it is no leave for other content')
  })

  test('a level has one content: another is refused with the earlier signature, before it is signed and at the commit', async (t) => {
    const database = await fresh(t)
    const [store, other] = [await database.open(), await database.open()]
    const first = await recorded(store, { content: 'x', filesets: ['PkgA.rte', 'PkgA.adt'] })
    const taken = { kind: 'taken', level: { package: 'PkgA', fileset: 'PkgA.adt', vrmf: '1.0.0.0', ftype: 'I' }, earlier: first.id } as const
    const second = { content: 'y', filesets: ['PkgA.new', 'PkgA.adt', 'PkgA.rte'] }
    t.strictSame(await store.lookUp(recording(second).subject), taken)
    t.strictSame(await record(other, second), taken)
    t.equal((await rowsOf(database, 'levels')).length, 2, 'of a refused package no level is taken')
    for (const choice of [{ vrmf: '1.0.0.1' }, { package: 'PkgB' }, { filesets: ['PkgA.rt'] }]) t.match(await record(store, { content: randomUUID(), filesets: ['PkgA.rte'], ...choice }), { kind: 'recorded' })
    t.match(await record(store, { content: 'x', keyid: '1002', filesets: ['PkgA.rte', 'PkgA.adt'] }), { kind: 'recorded' }, 'the same content by another key is no other content')
  })

  test('of many contents that race for a level one wins, and all the others are told which', async (t) => {
    const database = await fresh(t)
    const stores = [await database.open(), await database.open()]
    const results = await Promise.all(Array.from({ length: count(60, 300) }, async (_, index) => await record(stores[index % 2] as Store, { content: `${index}`, filesets: ['PkgA.rte'] })))
    const winners = results.flatMap((result) => (result.kind === 'recorded' ? [result.signature.id] : []))
    t.equal(winners.length, 1)
    for (const result of results) if (result.kind !== 'recorded') t.match(result, { kind: 'taken', earlier: winners[0] as string })
    t.equal((await rowsOf(database, 'levels')).length, 1)
    t.match(await stores[0]?.audit(), { intact: true })
  })

  test('resign gives a level other content, and the log says what it replaces', async (t) => {
    const database = await fresh(t)
    const store = await database.open()
    const first = await recorded(store, { content: 'x', filesets: ['PkgA.rte', 'PkgA.adt'] })
    const second = recording({ content: 'y', filesets: ['PkgA.rte'], resign: true })
    t.equal(await store.lookUp(second.subject), undefined)
    const resigned = await store.record(second.subject, second.signature)
    t.match(resigned, { kind: 'recorded', signature: { receipt: { entry: new RegExp(`"replaces":"${first.id}"`) } } })
    t.match(await record(store, { content: 'z', filesets: ['PkgA.rte'] }), { kind: 'taken', earlier: second.signature.id })
    t.match(await record(store, { content: 'z', filesets: ['PkgA.adt'] }), { kind: 'taken', earlier: first.id })
    t.equal(idOf(await record(store, { content: 'y', filesets: ['PkgA.rte'], resign: true })), second.signature.id, 'the same once more is a replay')
    const fresher = await recorded(store, { content: 'w', filesets: ['PkgA.rte.new'], resign: true })
    t.notMatch(fresher.receipt.entry, /replaces/, 'where nothing is replaced, none is named')
    // In one group: each replaces the one before it.
    const group = await Promise.all(['1', '2', '3'].map(async (content) => await recorded(store, { content, filesets: ['PkgA.rte'], resign: true })))
    t.strictSame(group.map(({ receipt }) => (JSON.parse(receipt.entry) as { replaces: string }).replaces), [second.signature.id, group[0]?.id, group[1]?.id])
    t.match(await store.audit(), { intact: true })
  })

  test('who gets an existing signature may look it up from then on; the one it was made for is not handed it', async (t) => {
    const database = await fresh(t)
    const store = await database.open()
    const choice = { content: 'x', filesets: ['PkgA.rte'] }
    const { id } = await recorded(store, choice)
    const handed = async () => await Promise.all(['release-bot', 'auditor', 'guest'].map(async (client) => await store.wasHandedTo(id, client)))
    t.strictSame(await handed(), [false, false, false])
    await store.lookUp(recording(choice).subject)
    await store.lookUp(recording({ ...choice, client: 'auditor' }).subject)
    await Promise.all([record(store, { ...choice, client: 'guest' }), record(store, { ...choice, client: 'guest' })])
    await store.lookUp(recording({ ...choice, client: 'auditor', sent: true }).subject)
    t.strictSame(await handed(), [false, true, true])
    t.equal((await rowsOf(database, 'handed')).length, 2)
    await store.lookUp(recording({ content: 'y', filesets: ['PkgA.rte'], client: 'stranger' }).subject)
    t.equal(await store.wasHandedTo(id, 'stranger'), false, 'a refusal hands nothing')
  })

  test('signedAmong returns the files whose latest signature was made at this size and modification time', async (t) => {
    const store = await (await fresh(t)).open()
    const file = (relativePath: string, sizeBytes = 10, modifiedAtMs = 1000) => ({ relativePath, sizeBytes, modifiedAtMs })
    for (const one of [file('same'), file('longer'), file('touched'), file('changed back'), file('fraction', 10, 1000.75), file('far', 10, 9.3e18), file('early', 10, -0.5)]) await recorded(store, one)
    await recorded(store, file('changed back', 20))
    await Promise.all([file('raced', 1), file('raced', 2)].map(async (one) => await recorded(store, one)))
    const asked = [file('same'), file('longer', 11), file('touched', 10, 1001), file('changed back'), file('fraction', 10, 1000.75), file('far', 10, 9.3e18), file('early', 10, -0.25), file('raced', 2), file('never'), file("' or 1 = 1 --")]
    t.strictSame([...await store.signedAmong('nim', asked)], ['same', 'fraction', 'far', 'early', 'raced'])
    t.strictSame([...await store.signedAmong('other root', asked)], [])
    t.strictSame([...await store.signedAmong('nim', [])], [])
    t.match(await store.audit(), { intact: true })
  })

  test('a file that got an existing signature is signed as it is now; one that was touched is signed again when that signature is handed for it', async (t) => {
    const store = await (await fresh(t)).open()
    const choice = { content: 'x', filesets: ['PkgA.rte'], relativePath: 'a.bff' }
    await recorded(store, choice)
    const isSigned = async (relativePath: string, modifiedAtMs: number) => (await store.signedAmong('nim', [{ relativePath, sizeBytes: 51_200, modifiedAtMs }])).has(relativePath)
    t.strictSame([await isSigned('a.bff', 1_375_425_475_000), await isSigned('a.bff', 5), await isSigned('copy.bff', 7)], [true, false, false])
    await store.lookUp(recording({ ...choice, modifiedAtMs: 5 }).subject)
    await Promise.all([record(store, { ...choice, relativePath: 'copy.bff', modifiedAtMs: 6 }), record(store, { ...choice, relativePath: 'copy.bff', modifiedAtMs: 7 })])
    t.strictSame([await isSigned('a.bff', 1_375_425_475_000), await isSigned('a.bff', 5), await isSigned('copy.bff', 7)], [false, true, true])
  })

  test('signedAmong answers for a directory of thousands', async (t) => {
    const store = await (await fresh(t)).open()
    const files = Array.from({ length: 1201 }, (_, index) => ({ relativePath: `ppc/${index}`, sizeBytes: index, modifiedAtMs: index }))
    await Promise.all(files.map(async (file) => await recorded(store, file)))
    t.equal((await store.signedAmong('nim', files)).size, 1201)
    t.equal((await store.signedAmong('nim', files.map((file) => ({ ...file, sizeBytes: file.sizeBytes + 1 })))).size, 0)
  })

  test('findByDigest returns the signatures over the same bytes, newest first, of every client, a hundred at the most', async (t) => {
    const store = await (await fresh(t)).open()
    const made = async (second: number, client: string, content = 'x') => await recorded(store, { signedAt: at(second), client, content, filesets: [], force: true })
    const [first, , second] = [await made(1, 'release-bot'), await made(3, 'release-bot', 'y'), await made(2, 'auditor')]
    t.strictSame((await store.findByDigest(hash('sha256', 'x'))).map(({ client, signature }) => ({ client, signature })), [{ client: 'auditor', signature: second }, { client: 'release-bot', signature: first }])
    t.strictSame(await store.findByDigest(hash('sha256', 'x').toUpperCase()), [])
    await Promise.all(Array.from({ length: 120 }, async (_, index) => await made(10 + index, 'release-bot')))
    const found = await store.findByDigest(hash('sha256', 'x'))
    t.strictSame([found.length, found[0]?.signature.signedAt, found[99]?.signature.signedAt], [100, at(129), at(30)])
  })

  test('a signature with thousands of filesets is recorded whole', async (t) => {
    const store = await (await fresh(t)).open()
    const signature = await recorded(store, { filesets: Array.from({ length: 3500 }, (_, index) => `PkgA.part${index}`) })
    t.equal(signature.records.length, 3500)
    t.strictSame((await store.get(signature.id))?.signature, signature)
    t.match(JSON.parse(signature.receipt.entry), { recordCount: 3500 })
  })

  test('find returns what a filter over a plain list returns', async (t) => {
    const store = await (await fresh(t)).open()
    const all: Readonly<{ signature: Signature; client: string; handed: Set<string> }>[] = []
    for (let index = 0; index < 40; index++) {
      const choice: Choice = { content: `${index % 31}`, client: `client-${index % 3}`, keyid: `100${index % 2}`, vrmf: `1.0.0.${index % 4}`, package: `Pkg${index % 5}`, signedAt: at(index % 7), filesets: index % 6 === 0 ? [] : [`f${index % 3}`, `g${index % 4}`], force: true, resign: true }
      const signature = await recorded(store, choice)
      all.unshift({ signature, client: choice.client as string, handed: new Set() })
      if (index % 5 !== 0) continue
      await store.lookUp(recording({ ...choice, force: false, client: 'reader' }).subject)
      all[0]?.handed.add('reader')
    }
    const some = <T>(values: readonly T[]) => fc.option(fc.constantFrom(...values), { nil: undefined, freq: 2 })
    const searches = fc.record({
      package: some(['Pkg0', 'Pkg3', 'none']), fileset: some(['f0', 'f1', 'g2']), vrmf: some(['1.0.0.0', '1.0.0.3']), sha256: some([hash('sha256', '3')]), keyid: some(['1000', '1001']),
      client: some(['client-0', 'client-2']), format: some(['installp', 'other'] as const), form: some(['record', 'sig'] as const), since: some([at(2), at(5)]), until: some([at(3), at(6)]),
      visibleTo: some(['client-1', 'reader', 'nobody']), before: some([0, 7, 25]), limit: fc.constantFrom(1, 5, 100),
    })
    const fits = ({ signature: { records, ...signature }, client, handed }: (typeof all)[0], search: Partial<Search>) => {
      const { since = '', until = '~', before = Infinity, visibleTo, form } = search
      const same = (['sha256', 'keyid', 'format'] as const).every((name) => search[name] === undefined || search[name] === signature[name])
      const lines = (['package', 'fileset', 'vrmf'] as const).filter((name) => search[name] !== undefined)
      return same && (search.client === undefined || search.client === client) && signature.signedAt >= since && signature.signedAt < until && signature.receipt.index < before
        && (visibleTo === undefined || visibleTo === client || handed.has(visibleTo)) && (form === undefined || (form === 'record') === records.length > 0)
        && (lines.length === 0 || records.some((line) => lines.every((name) => line[name] === search[name])))
    }
    await fc.assert(fc.asyncProperty(searches, async (drawn) => {
      const search = Object.fromEntries(Object.entries(drawn).filter(([, value]) => value !== undefined)) as Search
      const wanted = all.filter((one) => fits(one, search)).slice(0, search.limit).map(({ signature, client }) => ({ signature, client }))
      t.strictSame((await store.find(search)).map(({ signature, client }) => ({ signature, client })), wanted, JSON.stringify(search))
    }), { numRuns: count(60, 500) })
  })

  test('a store that was closed answers STORE_FAILED to everything; another on the same database has what was recorded', async (t) => {
    const database = await fresh(t)
    const store = await database.open()
    await store.probe()
    const recording = Promise.all(Array.from({ length: 300 }, async (_, index) => await recorded(store, { relativePath: `${index}` })))
    await Promise.all([store.close(), store.close()])
    t.equal((await rowsOf(database, 'signatures')).length, 300, 'what waited was written')
    const [{ id }] = await recording as [Signature]
    const asked = { client: 'c', key: 'k', fingerprint: 'f', requestId: randomUUID() }
    const calls: readonly (() => Promise<unknown>)[] = [
      async () => await record(store), async () => await store.lookUp({} as Subject), async () => await store.get(id), async () => await store.wasHandedTo(id, 'c'), async () => await store.findByDigest(''),
      async () => await store.find({ limit: 1 }), async () => await store.signedAmong('nim', []), async () => await store.append({ kind: 'stop', at: at(0) }), async () => await store.checkpoint(),
      async () => await store.begin({ at: at(0), version: '1', configurationSha256: 'ab'.repeat(32), keys: new Map() }), async () => await store.tile({ level: 0, index: 0, width: 1 }),
      async () => await store.entries({ index: 0, width: 1 }), async () => await store.proof(id), async () => await store.audit(), async () => await store.ask(asked),
      async () => await store.answer(asked, { kind: 'file', path: '', warnings: [] }, []), async () => await store.giveUp(asked), async () => await store.items(asked, 0), async () => await store.probe(),
    ]
    for (const call of calls) await t.rejects(call(), { code: 'STORE_FAILED', message: 'the store is closed' })
    t.equal((await (await database.open()).get(id))?.signature.id, id)
  })
}
