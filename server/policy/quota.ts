/** At most so much within a window of time. */
export type Quota = Readonly<{ most: number; windowMs: number }>

/** What was used in the window that began at `sinceMs`; more than the quota when something cost more than was left. */
export type Use = Readonly<{ sinceMs: number; used: number }>

/** What is left, and for how many milliseconds no more than that may be used. Where nothing is left, that is the time after which something is. */
export type Left = Readonly<{ left: number; resetMs: number }>

/**
 * Returns a use as it is at a later time, or undefined where nothing counts any more. A window begins with the first use after the last one
 * ended. What was used beyond the quota is owed: each of the following windows pays for as much as a window has.
 */
export function useAt({ most, windowMs }: Quota, use: Use | undefined, nowMs: number): Use | undefined {
  if (use === undefined) return undefined
  const windows = Math.floor((nowMs - use.sinceMs) / windowMs)
  if (windows < 1) return use
  const used = use.used - windows * most
  return used > 0 ? { sinceMs: use.sinceMs + windows * windowMs, used } : undefined
}

/** Returns a use with so much more used. */
export function spend(quota: Quota, use: Use | undefined, { amount, nowMs }: Readonly<{ amount: number; nowMs: number }>): Use | undefined {
  const before = useAt(quota, use, nowMs)
  if (amount === 0) return before
  return { sinceMs: before?.sinceMs ?? nowMs, used: (before?.used ?? 0) + amount }
}

/** Returns what is left of a quota. */
export function leftOf(quota: Quota, use: Use | undefined, nowMs: number): Left {
  const { most, windowMs } = quota
  const now = useAt(quota, use, nowMs)
  if (now === undefined) return { left: most, resetMs: windowMs }
  const windows = Math.max(1, Math.floor(now.used / most))
  return { left: Math.max(0, most - now.used), resetMs: now.sinceMs + windows * windowMs - nowMs }
}
