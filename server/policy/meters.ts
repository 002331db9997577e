import type { ClientConfig } from '../config/schema.ts'
import { leftOf, spend, type Left, type Quota, type Use } from './quota.ts'

/** How a client stands to one of its limits: the quota, what is left of it, and, where it has a window, its length and when it ends. */
export type Standing = Readonly<{ limit: 'requests' | 'bytes' | 'concurrency'; most: number; left: number; windowMs?: number; resetMs?: number }>

/** A request that was let in. */
export type Pass = Readonly<{
  /** Counts bytes that are known only now. Who asked learns of them with the next answer, and not before can they keep it out. */
  spend(bytes: number): void
  /** How the client stands, this request left out of those that run: what its answer says. */
  tell(): readonly Standing[]
  /** Ends the request, once. `isGone`: the client did not wait for the end of the answer. */
  leave(isGone: boolean): void
}>

/** A request is let in; or its client has as many running as it may (`busy`); or it has nothing left until then (`spent`). */
export type Entry = Readonly<{ kind: 'entered'; pass: Pass } | { kind: 'busy' } | { kind: 'spent'; limit: Standing['limit']; retryAfterMs: number }>

/** What clients use of their limits. It is in memory, of this process alone, and of clients that the configuration lists: one meter a name. */
export type Meters = Readonly<{
  /** Lets a request in that sends so many bytes, as far as it says. Nothing is counted of one that is not let in. */
  enter(client: ClientConfig, contentBytes: number): Entry
  /** How a client stands to the limits that it has. */
  standing(client: ClientConfig): readonly Standing[]
}>

type Meter = { running: number; requests: Use | undefined; bytes: Use | undefined; owed: number }

/**
 * Returns meters. `nowMs` is a clock that never goes back. As long as something is left a request is let in, and done to its end; what it
 * costs beyond that is owed, and keeps the following ones out.
 */
export function createMeters({ nowMs }: Readonly<{ nowMs: () => number }>): Meters {
  const meters = new Map<string, Meter>()
  const meterOf = (name: string): Meter => {
    const known = meters.get(name)
    if (known !== undefined) return known
    const meter: Meter = { running: 0, requests: undefined, bytes: undefined, owed: 0 }
    meters.set(name, meter)
    return meter
  }
  const standing = (client: ClientConfig): readonly Standing[] => standingOf(client, meterOf(client.name), nowMs())
  return {
    standing,
    enter: (client, contentBytes) => {
      const meter = meterOf(client.name)
      const now = standing(client)
      if (now.some(({ limit, left }) => limit === 'concurrency' && left === 0)) return { kind: 'busy' }
      const [out] = now.filter(({ left }) => left === 0).toSorted((a, b) => Number(b.resetMs) - Number(a.resetMs))
      if (out !== undefined) return { kind: 'spent', limit: out.limit, retryAfterMs: Number(out.resetMs) }
      const quotas = quotasOf(client)
      meter.running += 1
      if (quotas.requests !== undefined) meter.requests = spend(quotas.requests, meter.requests, { amount: 1, nowMs: nowMs() })
      if (quotas.bytes !== undefined) meter.bytes = spend(quotas.bytes, meter.bytes, { amount: contentBytes, nowMs: nowMs() })
      return { kind: 'entered', pass: createPass(client, { meter, nowMs }) }
    },
  }
}

function createPass(client: ClientConfig, { meter, nowMs }: Readonly<{ meter: Meter; nowMs: () => number }>): Pass {
  const { bytes } = quotasOf(client)
  const settle = (): void => {
    if (bytes !== undefined) meter.bytes = spend(bytes, meter.bytes, { amount: meter.owed, nowMs: nowMs() })
    meter.owed = 0
  }
  let isRunning = true
  return {
    spend: (count) => void (meter.owed += count),
    tell: () => {
      settle()
      return standingOf(client, { ...meter, running: meter.running - (isRunning ? 1 : 0) }, nowMs())
    },
    leave: (isGone) => {
      if (!isRunning) return
      isRunning = false
      meter.running -= 1
      if (isGone) settle()
    },
  }
}

function quotasOf({ rate }: ClientConfig): Readonly<{ requests?: Quota; bytes?: Quota }> {
  if (rate === undefined) return {}
  const windowMs = rate.windowSeconds * 1000
  return { ...(rate.requests === undefined ? {} : { requests: { most: rate.requests, windowMs } }), ...(rate.bytes === undefined ? {} : { bytes: { most: rate.bytes, windowMs } }) }
}

function standingOf(client: ClientConfig, { running, requests, bytes }: Meter, nowMs: number): readonly Standing[] {
  const quotas = quotasOf(client)
  const { concurrency } = client
  const windowed = (limit: 'requests' | 'bytes', quota: Quota | undefined, use: Use | undefined): readonly Standing[] =>
    quota === undefined ? [] : [{ limit, most: quota.most, windowMs: quota.windowMs, ...(leftOf(quota, use, nowMs) satisfies Left) }]
  return [
    ...windowed('requests', quotas.requests, requests),
    ...windowed('bytes', quotas.bytes, bytes),
    ...(concurrency === undefined ? [] : [{ limit: 'concurrency', most: concurrency, left: Math.max(0, concurrency - running) } as const]),
  ]
}
