import * as fc from 'fast-check'
import t from 'tap'
import { createClient } from '../../sdk/index.ts'
import { createPace, type Pace } from '../../sdk/pace.ts'
import { parseLimits } from '../../sdk/rate-limit.ts'
import { count } from '../helpers/full-size.ts'
import { answerJson, answerProblem, problem, scriptedServer } from './scripted-server.ts'

const never = new AbortController().signal
const answer = (rateLimit?: string, rateLimitPolicy?: string) => ({ rateLimit, rateLimitPolicy })

/** Whether a promise is settled once everything that is ready has run. */
async function isSettled(turn: ReturnType<Pace['begin']>): Promise<boolean> {
  let settled = false
  void Promise.resolve(turn).then(() => (settled = true), () => (settled = true))
  await new Promise((resolve) => setTimeout(resolve, 5))
  return settled
}

void t.test('parseLimits reads a list of strings with parameters, and of anything else nothing', async (t) => {
  const table: readonly [string | undefined, Readonly<Record<string, Readonly<Record<string, number | string>>>>][] = [
    ['"requests";r=9;t=60', { requests: { r: 9, t: 60 } }],
    ['"requests";q=20;w=60, "bytes";q=1000;qu="content-bytes";w=60,\t"c";q=2;qu="concurrent-requests"', { requests: { q: 20, w: 60 }, bytes: { q: 1000, qu: 'content-bytes', w: 60 }, c: { q: 2, qu: 'concurrent-requests' } }],
    ['"a\\"b\\\\"; r=0;x;pk=:AbC=:;y="z\\""', { 'a"b\\': { r: 0, y: 'z"' } }],
    ['"a";r=-1', { a: { r: -1 } }], ['"a"', { a: {} }], ['"a";r=1,"a";r=2', { a: { r: 2 } }], ['"a";__proto__=1', { a: {} }],
    ...['', ' ', 'a;r=1', '"a', '"a"x', '"a";', '"a";r=', '"a";r=1.5', '"a";R=1', '"a";r=1,', '"a";r=1,,"b"', ',"a"', '"ä";r=1', '"a\nb";r=1', '"a\\x";r=1', '"a";r=1234567890123456', '"a" ;r=1', `"${'a'.repeat(5000)}";r=1`].map((field) => [field, {}] as [string, {}]),
    [undefined, {}],
  ]
  for (const [field, want] of table) {
    const found = parseLimits(field)
    if (field?.includes('__proto__') === true) t.equal(found.size, 0, 'no key begins with an underscore')
    else t.strictSame(Object.fromEntries(found), want, field ?? 'no field')
  }
  const start = performance.now()
  t.equal(parseLimits(`"a"${';a'.repeat(2_000)}!`).size, 0)
  t.equal(parseLimits(`"${'\\"'.repeat(2_000)}`).size, 0)
  t.ok(performance.now() - start < 500, 'in time')
})

void t.test('whatever a server sends as a limit, it is read or left alone', async () => {
  const piece = fc.oneof(fc.constantFrom('"', ';', ',', '=', ':', ' ', '\\', 'r=1', '"a"', '"a";r=0;t=9', 'qu="requests"'), fc.string({ maxLength: 4 }))
  fc.assert(fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
    for (const parameters of parseLimits(pieces.join('')).values()) if (!Object.values(parameters).every((value) => typeof value === 'string' || Number.isSafeInteger(value))) return false
    return true
  }), { numRuns: count(3_000, 100_000) })
})

void t.test('a request waits where nothing is left, until the window is over', async (t) => {
  const pace = createPace()
  const end = await pace.begin(never)
  pace.heed(answer('"requests";r=0;t=1'))
  end()
  const start = performance.now()
  await pace.begin(never)
  t.ok(performance.now() - start >= 1_000)
  const other = createPace()
  const first = await other.begin(never)
  other.heed(answer('"bytes";r=0;t=1', '"bytes";q=5;qu="content-bytes";w=1'))
  first()
  const waiting = other.begin(never)
  t.equal(await isSettled(waiting), false)
  other.heed(answer('"bytes";r=1;t=60', '"bytes";q=5;qu="content-bytes";w=1'))
  t.equal(await isSettled(waiting), true, 'another answer says that something is left')
  t.equal(await isSettled(other.begin(never)), true, 'bytes are not counted by request')
})

void t.test('what runs counts against what is left', async (t) => {
  const pace = createPace()
  const ends = [await pace.begin(never), await pace.begin(never)]
  pace.heed(answer('"requests";r=2;t=60'))
  t.equal(await isSettled(pace.begin(never)), true, 'two are left, and one of them may be the other that runs')
  t.equal(await isSettled(pace.begin(never)), false)
  for (const end of ends) end()
  pace.heed(answer())
  t.equal(await isSettled(pace.begin(never)), true, 'a server that says nothing has no limits')
})

void t.test('no more requests run at once than the server allows', async (t) => {
  const pace = createPace()
  const first = await pace.begin(never)
  pace.heed(answer('"concurrency";r=1', '"concurrency";q=2;qu="concurrent-requests"'))
  const second = await pace.begin(never)
  const third = pace.begin(never)
  const fourth = pace.begin(never)
  t.equal(await isSettled(third), false)
  first()
  t.equal(await isSettled(third), true)
  t.equal(await isSettled(fourth), false)
  second()
  t.equal(await isSettled(fourth), true)
  const none = createPace()
  none.heed(answer(undefined, '"concurrency";q=0;qu="concurrent-requests", "x";q="y";qu="concurrent-requests"'))
  t.equal(await isSettled(none.begin(never)), true, 'at least one')
})

void t.test('a wait that would be longer than two minutes is left to the server, and a signal ends any', async (t) => {
  const pace = createPace()
  pace.heed(answer('"requests";r=0;t=121'))
  t.equal(await isSettled(pace.begin(never)), true)
  pace.heed(answer('"requests";r=0;t=60'))
  const reason = new Error('enough')
  const controller = new AbortController()
  const waiting = pace.begin(controller.signal)
  controller.abort(reason)
  await t.rejects(Promise.resolve(waiting), reason)
  await t.rejects(Promise.resolve(pace.begin(AbortSignal.abort(reason))), reason)
  const impatient = createPace({ longestMs: 30 })
  impatient.heed(answer(undefined, '"c";q=1;qu="concurrent-requests"'))
  await impatient.begin(never)
  const second = impatient.begin(never)
  t.equal(await isSettled(second), false)
  await second
})

const WHOAMI = { name: 'bot' }

void t.test('a client slows down before it is refused, and waits as long as a refusal says', async (t) => {
  const times: number[] = []
  const script = [
    { 'ratelimit-policy': '"requests";q=1;w=1', ratelimit: '"requests";r=0;t=1' },
    {},
  ]
  const server = await scriptedServer(t, (response) => {
    times.push(performance.now())
    response.setHeaders(new Map(Object.entries(script[times.length - 1] ?? {})))
    if (times.length === 3) return answerProblem(response, problem('RATE_LIMITED', 429, true), { 'retry-after': '1' })
    return answerJson(response, WHOAMI)
  })
  await using client = createClient({ ...server.as('release-bot'), retry: { baseMs: 1, maxMs: 500 } })
  for (let round = 0; round < 3; round += 1) t.strictSame(await client.whoami(), WHOAMI)
  const [first = 0, second = 0, third = 0, fourth = 0] = times
  t.ok(second - first >= 1_000, 'it waited for the window')
  t.ok(third - second < 900, 'and not again')
  t.ok(fourth - third >= 1_000, 'longer than it waits for anything else')
  t.equal(times.length, 4)
})
