import { setTimeout as sleep } from 'node:timers/promises'
import { parseLimits } from './rate-limit.ts'
import type { HttpAnswer } from './transport.ts'

/** Keeps a client within the limits that the server tells of, so that it is not refused for exceeding them. */
export type Pace = Readonly<{
  /**
   * Waits until another request may begin, and returns what ends it: to be called once, when its answer was read. Waits for two minutes at
   * most; then the server may say itself what it thinks of it.
   * @throws the reason of the signal
   */
  begin: (signal: AbortSignal) => (() => void) | Promise<() => void>
  /** Learns from the head of an answer. */
  heed: (answer: Pick<HttpAnswer, 'rateLimit' | 'rateLimitPolicy'>) => void
}>

const LONGEST_MS = 120_000

type Left = { left: number; readonly untilMs: number; readonly perRequest: boolean }

/**
 * Returns the pace of one client. What `RateLimit` says is left is used up by each request that begins, and what runs while it is said counts as
 * not yet in it; at the end of the window it is forgotten.
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-11
 */
export function createPace({ longestMs = LONGEST_MS }: Readonly<{ longestMs?: number }> = {}): Pace {
  let most = Number.POSITIVE_INFINITY
  let running = 0
  let told: Left[] = []
  let changed = Promise.withResolvers<void>()
  const change = (): void => {
    changed.resolve()
    changed = Promise.withResolvers()
  }
  const windowMs = (now: number): number => Math.max(0, ...told.flatMap(({ left, untilMs }) => (left > 0 || untilMs <= now ? [] : [untilMs - now])))
  const isFree = (): boolean => windowMs(performance.now()) === 0 && running < most
  const start = (): (() => void) => {
    running += 1
    for (const window of told) if (window.perRequest) window.left -= 1
    return () => {
      running -= 1
      change()
    }
  }
  const wait = async (signal: AbortSignal): Promise<() => void> => {
    const deadline = performance.now() + longestMs
    while (!isFree()) {
      const now = performance.now()
      const ms = windowMs(now)
      if (now + ms >= deadline) break
      await pause(running >= most ? deadline - now : ms, changed.promise, signal)
    }
    return start()
  }
  return {
    // At once where it can: a call that was made before `close` is under way then.
    begin: (signal) => (isFree() ? start() : wait(signal)),
    heed: ({ rateLimit, rateLimitPolicy }) => {
      const policies = parseLimits(rateLimitPolicy)
      const unitOf = (name: string) => policies.get(name)?.['qu'] ?? 'requests'
      most = Math.min(...[...policies.values()].flatMap(({ q, qu }) => (qu === 'concurrent-requests' && typeof q === 'number' ? [Math.max(1, q)] : [])), Number.POSITIVE_INFINITY)
      told = [...parseLimits(rateLimit)].flatMap(([name, { r, t }]): Left[] => {
        if (typeof r !== 'number' || typeof t !== 'number') return []
        const perRequest = unitOf(name) === 'requests'
        return [{ left: r - (perRequest ? Math.max(0, running - 1) : 0), untilMs: performance.now() + t * 1000, perRequest }]
      })
      change()
    },
  }
}

async function pause(ms: number, changed: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const over = new AbortController()
  // A timer counts whole milliseconds and may be early by a part of one.
  const slept = sleep(Math.ceil(ms) + 1, undefined, { signal: AbortSignal.any([signal, over.signal]) })
  try {
    await Promise.race([slept.catch(() => undefined), changed])
  } finally {
    over.abort()
  }
  signal.throwIfAborted()
}
