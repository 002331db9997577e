import { setTimeout as sleep } from 'node:timers/promises'
import type { ErrorCode } from './generated/schema.ts'
import { ConnectionError, ProblemError } from './problem.ts'

/** How often a request is tried, and how long to wait in between. */
export type RetryOptions = Readonly<{
  /** Most tries of one request, the first included; 1 never repeats. Default 8. A server that never answered this client is given up after 3. */
  tries?: number
  /** The wait after the first try in milliseconds, doubled after each; the real wait is a random half to whole of it. Default 200. */
  baseMs?: number
  /** Longest wait in milliseconds; a server that asks for more (Retry-After) is not asked again, but where this client has used up its rate (429). Default 30,000. */
  maxMs?: number
  /** No try begins later than this after the first failure, in milliseconds. Default 120,000. `timeoutMs` of a call ends it whatever it does. */
  deadlineMs?: number
}>

/** What tells how a failed try is taken. */
export type Patience = Readonly<{
  /**
   * Whether the request can be repeated whatever became of it: a GET, or a POST with an Idempotency-Key. Any other POST is repeated only
   * where nothing was done: the server was too busy, or refused the connection.
   */
  repeatable: boolean
  /** Whether the server ever answered this client; asked after each failure. */
  reached: () => boolean
  signal: AbortSignal
  retry?: RetryOptions | undefined
}>

/** The tries of one request. */
export type Tries = Readonly<{
  /**
   * Waits until the next try may begin.
   * @throws the failure, where there is no next one; the reason of the signal
   */
  failed: (error: unknown) => Promise<void>
  /** Something of the answer came through: what failed before does not count any more. */
  progressed: () => void
}>

const DEFAULTS = { tries: 8, baseMs: 200, maxMs: 30_000, deadlineMs: 120_000 }
/** A wrong address or certificate is told soon; a server that answered before may only be starting again. */
const TRIES_UNREACHED = 3

/** The first attempt at this very request still runs; asking again is all there is to do, so it is no failure to be counted. */
const IN_PROGRESS = 'REQUEST_IN_PROGRESS' satisfies ErrorCode
const TOO_MANY = 429
const NOTHING_DONE: ReadonlySet<number> = new Set([TOO_MANY, 503])
const PASSING: ReadonlySet<number> = new Set([408, TOO_MANY, 502, 503, 504])
/** A connection that ended without a word may be one that the server broke off when it stopped, and not only a refused certificate. */
const LOST: ReadonlySet<string> = new Set(['CONNECTION_REFUSED', 'CONNECTION_LOST', 'ANSWER_CUT_OFF', 'TIMEOUT', 'HOST_UNREACHABLE', 'CERTIFICATE_REFUSED'])

/** Begins to count the tries of one request. */
export function createTries({ repeatable, reached, signal, retry = {} }: Patience): Tries {
  const { tries, baseMs, maxMs, deadlineMs } = { ...DEFAULTS, ...retry }
  let counted = 0
  let deadline: number | undefined
  const failed: Tries['failed'] = async (error) => {
    if (signal.aborted || !isSafeToRepeat(error, repeatable)) throw error
    const running = error instanceof ProblemError && error.code === IN_PROGRESS
    if (!running) counted += 1
    deadline ??= performance.now() + deadlineMs
    const waitMs = backoffMs(counted, baseMs, maxMs) + askedMs(error)
    const most = reached() ? tries : Math.min(tries, TRIES_UNREACHED)
    // A window of time that is used up has an end, which the server knows to the second.
    const longestMs = error instanceof ProblemError && error.status === TOO_MANY ? deadlineMs : maxMs
    if (tries === 1 || counted >= most || askedMs(error) > longestMs || performance.now() + waitMs > deadline) throw error
    await pause(waitMs, signal)
  }
  return {
    failed,
    progressed: () => {
      counted = 0
      deadline = undefined
    },
  }
}

/**
 * Returns what `attempt` returns, tried again where that is safe: a problem that the server calls retryable, with a status that says that it
 * will pass; no connection, or one that was lost, also within the answer; a time-out. Nothing is repeated when `signal` aborts, also during a wait.
 * @throws what the last try threw, or the reason of the signal
 */
export async function withRetries<T>(attempt: () => Promise<T>, patience: Patience): Promise<T> {
  const tries = createTries(patience)
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      await tries.failed(error)
    }
  }
}

function isSafeToRepeat(error: unknown, repeatable: boolean): boolean {
  if (error instanceof ConnectionError) return repeatable ? LOST.has(error.code) : error.code === 'CONNECTION_REFUSED'
  if (!(error instanceof ProblemError) || !error.retryable) return false
  return repeatable ? PASSING.has(error.status) || error.code === IN_PROGRESS : NOTHING_DONE.has(error.status)
}

function backoffMs(counted: number, baseMs: number, maxMs: number): number {
  return Math.min(maxMs, baseMs * 2 ** Math.max(0, counted - 1)) * (0.5 + Math.random() / 2)
}

function askedMs(error: unknown): number {
  return error instanceof ProblemError ? (error.retryAfterMs ?? 0) : 0
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {
    throw signal.reason
  })
}

/**
 * Returns how long a Retry-After field asks to wait, in milliseconds from `now`: seconds (`120`) or an HTTP date. Undefined for neither.
 * @see RFC 9110, section 10.2.3
 */
export function parseRetryAfter(field: string | undefined, now: Date): number | undefined {
  if (field === undefined) return undefined
  if (/^\d{1,9}$/.test(field)) return Number(field) * 1000
  // Date.parse alone also takes much that is no HTTP date.
  const time = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(field) ? Date.parse(field) : Number.NaN
  return Number.isNaN(time) ? undefined : Math.max(0, time - now.getTime())
}
