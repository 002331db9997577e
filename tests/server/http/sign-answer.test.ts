import * as fc from 'fast-check'
import t from 'tap'
import { SigningError } from '../../../server/errors.ts'
import { asJson, asNdjson, signEvents } from '../../../server/http/sign-answer.ts'
import type { Outcome, SignRun } from '../../../server/operations/outcome.ts'
import type { SignAnswer, SignEvent } from '../../../server/schemas/sign.ts'
import { exampleReceipt } from '../../../server/schemas/receipt.ts'
import { recording } from '../../helpers/store.ts'

const NUM_RUNS = 300 * Number(process.env['TEST_FULL_FACTOR'] ?? 1)
const REQUEST = '6d9c6f0e-5a3c-4b8f-9a38-1f1f6a9b8f11'
const signature = { ...recording({ id: '0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21' }).signature, replayed: false, receipt: { ...exampleReceipt, path: [...exampleReceipt.path] } }
type Kind = 'signed' | 'failed' | 'skipped'

function outcome(name: string, kind: Kind): Outcome {
  if (kind === 'signed') return { name, durationMs: 1, kind, signature: { ...signature, filename: name } }
  if (kind === 'failed') return { name, durationMs: 1, kind, error: new SigningError('FILE_CHANGED', `of ${JSON.stringify(name)}`, { secret: '/srv/secret' }) }
  return { name, durationMs: 1, kind, reason: 'TOC' }
}

function runOf(files: readonly string[], outcomes: readonly Outcome[], warnings: SignRun['warnings'] = []): SignRun {
  return { kind: 'directory', path: '/nim', files, warnings, outcomes: (async function* () {
    yield* outcomes
  })() }
}

async function answersOf(make: () => SignRun): Promise<Readonly<{ json: string; answer: SignAnswer; events: readonly SignEvent[] }>> {
  const json = (await Array.fromAsync(asJson(signEvents(make(), REQUEST, () => undefined)))).join('')
  const ndjson = (await Array.fromAsync(asNdjson(signEvents(make(), REQUEST, () => undefined)))).join('')
  return { json, answer: JSON.parse(json) as SignAnswer, events: ndjson.trimEnd().split('\n').map((line) => JSON.parse(line) as SignEvent) }
}

/** What a reader of the events knows at the end, in the order of the listing. */
function gather(events: readonly SignEvent[]): unknown {
  const [listing] = events
  if (listing?.event !== 'listing') throw new TypeError('no listing')
  const of = <K extends SignEvent['event']>(kind: K) => events.filter((event): event is Extract<SignEvent, { event: K }> => event.event === kind)
  const sorted = of('signature').toSorted((a, b) => listing.files.indexOf(a.name) - listing.files.indexOf(b.name))
  return [
    listing.path, listing.files, sorted.map(({ name, signature: made }) => [name, made]), of('failure').map(({ name, problem }) => [name, problem]), of('skipped').map(({ name, reason }) => [name, reason]),
    of('warning').map(({ warning }) => warning),
  ]
}

/** The members of an object of JSON text, which JSON.parse reorders when their names look like numbers. */
function membersOf(object: Readonly<Record<string, unknown>>, names: readonly string[]): unknown {
  return names.filter((name) => Object.hasOwn(object, name)).map((name) => [name, object[name]])
}

void t.test('an answer has every name of the listing once, signatures in its order whatever finishes first', async (t) => {
  const files = ['"', '.toc', '1', 'PkgA', '\\', '__proto__', 'constructor', 'ü\n']
  const kinds: readonly Kind[] = ['signed', 'skipped', 'signed', 'failed', 'signed', 'signed', 'skipped', 'signed']
  const outcomes = files.map((name, index) => outcome(name, kinds[index] as Kind)).toReversed()
  const seen: string[] = []
  const { json, answer, events } = await answersOf(() => runOf(files, outcomes))
  await Array.fromAsync(signEvents(runOf(files, outcomes), REQUEST, ({ name }) => seen.push(name)))
  t.strictSame(seen, files.toReversed(), 'each outcome is observed once')
  t.strictSame(answer.files, files)
  const written = [...json.matchAll(/("(?:[^"\\]|\\.)*"):\{"id"/g)].map(([, name]) => JSON.parse(name as string) as string)
  t.strictSame(written, ['"', '1', '\\', '__proto__', 'ü\n'])
  t.strictSame(Object.keys(answer.failures), ['PkgA'])
  t.strictSame(Object.keys(answer.skipped).toSorted(), ['.toc', 'constructor'])
  t.match(answer.failures['PkgA'], { code: 'FILE_CHANGED', instance: `urn:uuid:${REQUEST}` })
  t.notMatch(json, /secret/)
  t.match(events.at(-1), { event: 'end', signed: 5, failed: 1, skipped: 2 })
  t.equal(Object.getPrototypeOf({}).id, undefined)
})

void t.test('an answer without a package says so, and warnings come last', async (t) => {
  const unverified = { code: 'SIGNATURE_UNVERIFIED', detail: 'not known' } as const
  const { answer, events, json } = await answersOf(() => runOf(['.toc'], [outcome('.toc', 'skipped')], [unverified]))
  t.strictSame(answer, { path: '/nim', files: ['.toc'], signatures: {}, failures: {}, skipped: { '.toc': 'TOC' }, warnings: [unverified, { code: 'NO_PACKAGES', detail: 'the directory has no package' }] })
  t.strictSame(events.map(({ event }) => event), ['listing', 'skipped', 'warning', 'warning', 'end'])
  t.equal(json, JSON.stringify(answer))
  t.match((await answersOf(() => runOf([], []))).answer, { files: [], warnings: [{ code: 'NO_PACKAGES' }] })
})

void t.test('an error that is not ours says nothing', async (t) => {
  const { answer } = await answersOf(() => runOf(['a'], [{ name: 'a', durationMs: 0, kind: 'failed', error: new Error('/srv/secret') }]))
  t.match(answer.failures['a'], { code: 'INTERNAL', detail: 'something went wrong inside the server' })
})

void t.test('what finishes early is held only until its turn', async (t) => {
  const files = ['a', 'b', 'c']
  const pieces: string[] = []
  const order: string[] = []
  const run = { ...runOf(files, []), outcomes: (async function* () {
    for (const name of ['b', 'a', 'c']) {
      order.push(`${name} after ${pieces.length}`)
      yield outcome(name, 'signed')
    }
  })() }
  for await (const piece of asJson(signEvents(run, REQUEST, () => undefined))) pieces.push(piece)
  t.strictSame(order, ['b after 1', 'a after 1', 'c after 2'])
})

void t.test('the JSON text always parses, and says what the events say', async () => {
  const name = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'toString', '', '0', '1', '10', '-1', '"', '"a', '\u2028', '\ud800', '{"a":1}', 'a/b'), fc.string({ unit: 'binary' }))
  // No backslash: JSON.parse of Node 26.10 takes `{"\"":1}` for `{"\\":1}` once it has read that one, so it cannot judge here.
  const readable = name.filter((text) => !text.includes('\\'))
  const run = fc.uniqueArray(readable, { maxLength: 12 }).chain((files) => fc.record({
    files: fc.constant(files),
    kinds: fc.array(fc.constantFrom<Kind>('signed', 'failed', 'skipped'), { minLength: files.length, maxLength: files.length }),
    order: fc.shuffledSubarray([...files.keys()], { minLength: files.length, maxLength: files.length }),
  }))
  await fc.assert(fc.asyncProperty(run, async ({ files, kinds, order }) => {
    const outcomes = order.map((index) => outcome(files[index] as string, kinds[index] as Kind))
    const { answer, events } = await answersOf(() => runOf(files, outcomes))
    const { path, signatures, failures, skipped, warnings } = answer
    const finished = (kind: Kind) => outcomes.filter((each) => each.kind === kind).map((each) => each.name)
    const fromJson = [path, answer.files, membersOf(signatures, files), membersOf(failures, finished('failed')), membersOf(skipped, finished('skipped')), warnings]
    const counted = Object.keys(signatures).length + Object.keys(failures).length + Object.keys(skipped).length
    return JSON.stringify(fromJson) === JSON.stringify(gather(events)) && counted === files.length
  }), { numRuns: NUM_RUNS })
})
