import t from 'tap'
import { ConnectionError, ProblemError, type ConnectionErrorCode } from '../../sdk/problem.ts'
import { parseRetryAfter, withRetries } from '../../sdk/retry.ts'

const FAST = { baseMs: 1 }
const never = new AbortController().signal

function problem(status: number, retryable: boolean, retryAfterMs?: number): ProblemError {
  return new ProblemError({ type: 'urn:x', title: 'X', status, detail: 'x', instance: 'urn:uuid:x', code: 'SIGNER_BUSY', retryable, hint: 'X.' }, { retryAfterMs })
}

function connection(code: ConnectionErrorCode): ConnectionError {
  return new ConnectionError(code, 'x')
}

async function triesOf(method: 'GET' | 'POST', error: unknown, tries = 3): Promise<number> {
  let tried = 0
  const attempt = async (): Promise<never> => {
    tried += 1
    throw error
  }
  const thrown: unknown = await withRetries(method, attempt, { signal: never, retry: { ...FAST, tries } }).catch((reason: unknown) => reason)
  if (thrown !== error) throw new Error('the last error was not thrown as it is', { cause: thrown })
  return tried
}

void t.test('a request is repeated only where that is safe', async (t) => {
  const table = [
    ['server busy', { given: problem(503, true), want: { GET: 3, POST: 3 } }],
    ['failure after work was done', { given: problem(504, true), want: { GET: 3, POST: 1 } }],
    ['unavailable for good', { given: problem(503, false), want: { GET: 1, POST: 1 } }],
    ['refusal', { given: problem(403, false), want: { GET: 1, POST: 1 } }],
    ['no server', { given: connection('CONNECTION_REFUSED'), want: { GET: 3, POST: 3 } }],
    ['lost connection', { given: connection('CONNECTION_LOST'), want: { GET: 3, POST: 1 } }],
    ['answer cut off', { given: connection('ANSWER_CUT_OFF'), want: { GET: 3, POST: 1 } }],
    ['time-out', { given: connection('TIMEOUT'), want: { GET: 1, POST: 1 } }],
    ['certificate refused', { given: connection('CERTIFICATE_REFUSED'), want: { GET: 1, POST: 1 } }],
    ['another error', { given: new TypeError('x'), want: { GET: 1, POST: 1 } }],
  ] as const
  for (const [name, { given, want }] of table) t.strictSame({ GET: await triesOf('GET', given), POST: await triesOf('POST', given) }, want, name)
  t.equal(await triesOf('GET', problem(503, true), 1), 1, 'one try is one try')
})

void t.test('a repeated request that succeeds returns its answer', async (t) => {
  let tried = 0
  const attempt = async (): Promise<string> => {
    tried += 1
    if (tried < 3) throw problem(503, true)
    return 'answer'
  }
  t.equal(await withRetries('POST', attempt, { signal: never, retry: FAST }), 'answer')
})

void t.test('Retry-After is waited for, and one that is too long ends the tries', async (t) => {
  const start = performance.now()
  let tried = 0
  const attempt = async (): Promise<string> => {
    tried += 1
    if (tried < 2) throw problem(503, true, 120)
    return 'answer'
  }
  await withRetries('POST', attempt, { signal: never, retry: FAST })
  t.ok(performance.now() - start >= 119)
  await t.rejects(withRetries('POST', async () => await Promise.reject(problem(503, true, 30_001)), { signal: never }), { name: 'ProblemError' })
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
  await t.rejects(withRetries('POST', attempt, { signal: controller.signal, retry: { baseMs: 60_000, maxMs: 60_000 } }), reason)
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
