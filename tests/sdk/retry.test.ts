import t from 'tap'
import type { ErrorCode } from '../../sdk/index.ts'
import { ConnectionError, ProblemError, type ConnectionErrorCode } from '../../sdk/problem.ts'
import { createTries, parseRetryAfter, withRetries, type Patience } from '../../sdk/retry.ts'

const FAST = { baseMs: 1 }
const never = new AbortController().signal
const yes = (): boolean => true

function problem(status: number, retryable: boolean, facts: Readonly<{ retryAfterMs?: number; code?: ErrorCode }> = {}): ProblemError {
  return new ProblemError({ type: 'urn:x', title: 'X', status, detail: 'x', instance: 'urn:uuid:x', code: facts.code ?? 'SIGNER_BUSY', retryable, hint: 'X.' }, facts)
}

function connection(code: ConnectionErrorCode): ConnectionError {
  return new ConnectionError(code, 'x')
}

function patience(more: Partial<Patience> = {}): Patience {
  return { repeatable: true, reached: yes, signal: never, retry: FAST, ...more }
}

/** How often a request is tried that fails with these errors, one after the other and the last again and again. */
async function triesOf(errors: readonly unknown[], given: Partial<Patience>): Promise<number> {
  let tried = 0
  const attempt = async (): Promise<never> => {
    tried += 1
    throw errors[tried - 1] ?? errors.at(-1)
  }
  const thrown: unknown = await withRetries(attempt, patience(given)).catch((reason: unknown) => reason)
  if (thrown !== errors.at(-1)) throw new Error('the last error was not thrown as it is', { cause: thrown })
  return tried
}

void t.test('a request is repeated only where that is safe', async (t) => {
  // `key`: a GET, or a POST with an Idempotency-Key; `none`: a POST without one.
  const table = [
    ['server busy', { given: problem(503, true), want: { key: 3, none: 3 } }],
    ['too many requests', { given: problem(429, true), want: { key: 3, none: 3 } }],
    ['failure after work was done', { given: problem(504, true), want: { key: 3, none: 1 } }],
    ['bad gateway that passes', { given: problem(502, true), want: { key: 3, none: 1 } }],
    ['request too slow', { given: problem(408, true), want: { key: 3, none: 1 } }],
    ['file changed', { given: problem(409, true), want: { key: 1, none: 1 } }],
    ['no space left', { given: problem(507, true), want: { key: 1, none: 1 } }],
    ['bad gateway for good', { given: problem(502, false), want: { key: 1, none: 1 } }],
    ['unavailable for good', { given: problem(503, false), want: { key: 1, none: 1 } }],
    ['refusal', { given: problem(403, false), want: { key: 1, none: 1 } }],
    ['no server', { given: connection('CONNECTION_REFUSED'), want: { key: 3, none: 3 } }],
    ['lost connection', { given: connection('CONNECTION_LOST'), want: { key: 3, none: 1 } }],
    ['answer cut off', { given: connection('ANSWER_CUT_OFF'), want: { key: 3, none: 1 } }],
    ['time-out', { given: connection('TIMEOUT'), want: { key: 3, none: 1 } }],
    ['end without a word', { given: connection('CERTIFICATE_REFUSED'), want: { key: 3, none: 1 } }],
    ['no such host', { given: connection('HOST_NOT_FOUND'), want: { key: 1, none: 1 } }],
    ['another error', { given: new TypeError('x'), want: { key: 1, none: 1 } }],
  ] as const
  const retry = { ...FAST, tries: 3 }
  for (const [name, { given, want }] of table) {
    t.strictSame({ key: await triesOf([given], { retry }), none: await triesOf([given], { retry, repeatable: false }) }, want, name)
  }
  t.equal(await triesOf([problem(503, true)], { retry: { ...FAST, tries: 1 } }), 1, 'one try is one try')
  t.equal(await triesOf([problem(503, true)], {}), 8, 'without a number eight')
})

void t.test('a server that never answered this client is given up after three tries', async (t) => {
  let asked = 0
  t.equal(await triesOf([connection('CONNECTION_REFUSED')], { reached: () => false }), 3)
  t.equal(await triesOf([connection('CONNECTION_REFUSED')], { reached: () => (asked += 1) > 2 }), 8, 'one that did meanwhile is not')
})

void t.test('a request that still runs is asked for until the deadline, whatever the number of tries', async (t) => {
  const running = problem(409, true, { code: 'REQUEST_IN_PROGRESS' })
  t.equal(await triesOf([...Array<unknown>(30).fill(running), problem(403, false)], {}), 31)
  const start = performance.now()
  t.ok(await triesOf([running], { retry: { baseMs: 10, deadlineMs: 60 } }) > 3)
  t.ok(performance.now() - start < 5_000)
  t.equal(await triesOf([running], { retry: { tries: 1 } }), 1)
})

void t.test('what comes through makes the tries begin anew', async (t) => {
  const { failed, progressed } = createTries(patience({ retry: { ...FAST, tries: 2 } }))
  const lost = connection('ANSWER_CUT_OFF')
  await failed(lost)
  progressed()
  await failed(lost)
  await t.rejects(failed(lost), lost)
})

void t.test('a repeated request that succeeds returns its answer', async (t) => {
  let tried = 0
  const attempt = async (): Promise<string> => {
    tried += 1
    if (tried < 3) throw problem(503, true)
    return 'answer'
  }
  t.equal(await withRetries(attempt, patience()), 'answer')
})

void t.test('Retry-After is waited for, and one that is too long, or beyond the deadline, ends the tries', async (t) => {
  const start = performance.now()
  let tried = 0
  const attempt = async (): Promise<string> => {
    tried += 1
    if (tried < 2) throw problem(503, true, { retryAfterMs: 120 })
    return 'answer'
  }
  await withRetries(attempt, patience())
  t.ok(performance.now() - start >= 119)
  t.equal(await triesOf([problem(503, true, { retryAfterMs: 30_001 })], {}), 1)
  t.equal(await triesOf([problem(503, true, { retryAfterMs: 20_000 })], { retry: { deadlineMs: 10_000 } }), 1)
  t.ok(performance.now() - start < 10_000)
})

void t.test('the signal ends the wait between two tries with its own reason', async (t) => {
  const reason = new Error('enough')
  const controller = new AbortController()
  const attempt = async (): Promise<never> => {
    setImmediate(() => controller.abort(reason))
    throw problem(503, true)
  }
  const start = performance.now()
  await t.rejects(withRetries(attempt, patience({ signal: controller.signal, retry: { baseMs: 60_000, maxMs: 60_000 } })), reason)
  t.ok(performance.now() - start < 10_000)
})

void t.test('parseRetryAfter reads seconds and HTTP dates and nothing else', async (t) => {
  const now = new Date('2026-11-24T09:00:00Z')
  const table = [
    ['120', 120_000],
    ['0', 0],
    ['Tue, 24 Nov 2026 09:00:30 GMT', 30_000],
    ['Tue, 24 Nov 2026 08:00:00 GMT', 0],
    ['Tue, 99 Nov 2026 08:00:00 GMT', undefined],
    ['2026-11-24', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['', undefined],
    [undefined, undefined],
  ] as const
  for (const [given, want] of table) t.equal(parseRetryAfter(given, now), want, given ?? 'no field')
})
