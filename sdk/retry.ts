import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectionError, ProblemError } from './problem.ts'

/** How often a request is tried, and how long to wait in between. */
export type RetryOptions = Readonly<{
  /** Most tries of one request, the first included; 1 never repeats. Default 3. */
  tries?: number
  /** The wait after the first try in milliseconds, doubled after each; the real wait is a random half to whole of it. Default 200. */
  baseMs?: number
  /** Longest wait in milliseconds; a server that asks for more (Retry-After) is not asked again. Default 30,000. */
  maxMs?: number
}>

const DEFAULTS = { tries: 3, baseMs: 200, maxMs: 30_000 }

/**
 * Returns what `attempt` returns, tried again where that is safe. A GET is repeated when the server calls the problem retryable, or when
 * there was no connection or it was lost. A POST only when nothing was done: the server was too busy (503), or refused the connection.
 * Nothing is repeated after a time-out, or when `signal` aborts, also during a wait.
 * @throws what the last try threw, or the reason of the signal
 */
export async function withRetries<T>(method: 'GET' | 'POST', attempt: () => Promise<T>, { signal, retry = {} }: Readonly<{ signal: AbortSignal; retry?: RetryOptions | undefined }>): Promise<T> {
  const { tries, baseMs, maxMs } = { ...DEFAULTS, ...retry }
  for (let tried = 1; tried < tries; tried += 1) {
    try {
      return await attempt()
    } catch (error) {
      if (askedMs(error) > maxMs || !isSafeToRepeat(method, error)) throw error
      await pause(backoffMs(tried, baseMs, maxMs) + askedMs(error), signal)
    }
  }
  return await attempt()
}

function isSafeToRepeat(method: 'GET' | 'POST', error: unknown): boolean {
  if (error instanceof ProblemError) return error.retryable && (method === 'GET' || error.status === 503)
  if (!(error instanceof ConnectionError)) return false
  return error.code === 'CONNECTION_REFUSED' || (method === 'GET' && (error.code === 'CONNECTION_LOST' || error.code === 'ANSWER_CUT_OFF'))
}

function backoffMs(tried: number, baseMs: number, maxMs: number): number {
  return Math.min(maxMs, baseMs * 2 ** (tried - 1)) * (0.5 + Math.random() / 2)
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
