import * as fc from 'fast-check'
import t from 'tap'
import { createMeters, type Meters, type Pass, type Standing } from '../../../server/policy/meters.ts'
import { leftOf, spend, useAt } from '../../../server/policy/quota.ts'
import { clientNamed } from '../../helpers/app.ts'
import { count } from '../../helpers/full-size.ts'

const QUOTA = { most: 10, windowMs: 1_000 }

function pass(entry: ReturnType<Meters['enter']>): Pass {
  if (entry.kind !== 'entered') throw new Error(`not let in: ${JSON.stringify(entry)}`)
  return entry.pass
}

void t.test('a window begins with its first use, and what is used beyond it is paid by those that follow', async (t) => {
  t.strictSame(leftOf(QUOTA, undefined, 5), { left: 10, resetMs: 1_000 })
  const first = spend(QUOTA, undefined, { amount: 4, nowMs: 300 })
  t.strictSame(first, { sinceMs: 300, used: 4 })
  t.strictSame(leftOf(QUOTA, first, 1_299), { left: 6, resetMs: 1 })
  t.strictSame(leftOf(QUOTA, first, 1_300), { left: 10, resetMs: 1_000 }, 'the window is over, and none begins by itself')
  const owing = spend(QUOTA, first, { amount: 21, nowMs: 1_000 })
  t.strictSame(leftOf(QUOTA, owing, 1_000), { left: 0, resetMs: 1_300 }, 'two windows of ten for twenty-five')
  t.strictSame(useAt(QUOTA, owing, 1_300), { sinceMs: 1_300, used: 15 })
  t.strictSame(leftOf(QUOTA, owing, 1_300), { left: 0, resetMs: 1_000 })
  t.strictSame(leftOf(QUOTA, owing, 2_300), { left: 5, resetMs: 1_000 })
  t.strictSame(leftOf(QUOTA, owing, 3_300), { left: 10, resetMs: 1_000 })
  t.strictSame(leftOf(QUOTA, spend(QUOTA, undefined, { amount: 10, nowMs: 0 }), 0), { left: 0, resetMs: 1_000 }, 'exactly used up')
  t.equal(spend(QUOTA, undefined, { amount: 0, nowMs: 7 }), undefined, 'nothing begins no window')
})

void t.test('who waits as long as it is told finds something left, and not a millisecond earlier', async () => {
  const quota = fc.record({ most: fc.integer({ min: 1, max: 50 }), windowMs: fc.integer({ min: 1, max: 5_000 }) })
  const uses = fc.array(fc.record({ amount: fc.nat({ max: 200 }), afterMs: fc.nat({ max: 8_000 }) }), { minLength: 1, maxLength: 20 })
  fc.assert(fc.property(quota, uses, (quota, uses) => {
    let use: ReturnType<typeof useAt>
    let nowMs = 0
    for (const { amount, afterMs } of uses) {
      nowMs += afterMs
      use = spend(quota, use, { amount, nowMs })
      const { left, resetMs } = leftOf(quota, use, nowMs)
      if (left < 0 || left > quota.most || resetMs <= 0) return false
      if (left === 0 && (leftOf(quota, use, nowMs + resetMs).left === 0 || leftOf(quota, use, nowMs + resetMs - 1).left > 0)) return false
      if (left > 0 && leftOf(quota, use, nowMs + resetMs - 1).left !== left) return false
    }
    return true
  }), { numRuns: count(2_000, 100_000) })
})

void t.test('a client without limits has no standing, and is always let in', async (t) => {
  const meters = createMeters({ nowMs: () => 0 })
  for (let round = 0; round < 100; round += 1) pass(meters.enter(clientNamed('bot'), 1e12))
  t.strictSame(meters.standing(clientNamed('bot')), [])
})

void t.test('requests at once are counted until they end, each once', async (t) => {
  const client = clientNamed('bot', { concurrency: 2 })
  const meters = createMeters({ nowMs: () => 0 })
  const [one, two] = [pass(meters.enter(client, 0)), pass(meters.enter(client, 0))]
  t.strictSame(meters.enter(client, 0), { kind: 'busy' })
  t.strictSame(meters.enter(clientNamed('other', { concurrency: 1 }), 0).kind, 'entered', 'another client has places of its own')
  t.strictSame(one.tell(), [{ limit: 'concurrency', most: 2, left: 1 }], 'its own place is free when its answer has ended')
  one.leave(false)
  one.leave(true)
  t.strictSame(one.tell(), [{ limit: 'concurrency', most: 2, left: 1 }])
  t.equal(meters.enter(client, 0).kind, 'entered')
  t.strictSame(meters.enter(client, 0), { kind: 'busy' }, 'ending twice frees one place')
  two.leave(true)
  t.strictSame(meters.standing({ ...client, concurrency: 1 }), [{ limit: 'concurrency', most: 1, left: 0 }], 'a limit that was lowered meanwhile')
})

void t.test('a request that is refused is not counted, and the longest wait is told', async (t) => {
  let now = 0
  const client = clientNamed('bot', { concurrency: 1, rate: { windowSeconds: 10, requests: 2, bytes: 100 } })
  const meters = createMeters({ nowMs: () => now })
  const first = pass(meters.enter(client, 40))
  t.strictSame(meters.enter(client, 40), { kind: 'busy' })
  t.match(meters.standing(client), [{ limit: 'requests', left: 1 }, { limit: 'bytes', left: 60 }, { limit: 'concurrency', left: 0 }])
  first.leave(false)
  now = 4_000
  pass(meters.enter(client, 260)).leave(false)
  t.strictSame(meters.enter(client, 1), { kind: 'spent', limit: 'bytes', retryAfterMs: 26_000 }, 'three windows for 300 bytes of 100')
  t.strictSame(meters.standing(client), [
    { limit: 'requests', most: 2, windowMs: 10_000, left: 0, resetMs: 6_000 },
    { limit: 'bytes', most: 100, windowMs: 10_000, left: 0, resetMs: 26_000 },
    { limit: 'concurrency', most: 1, left: 1 },
  ])
  now = 29_999
  t.strictSame(meters.enter(client, 0), { kind: 'spent', limit: 'bytes', retryAfterMs: 1 })
  now = 30_000
  t.equal(meters.enter(client, 0).kind, 'entered')
})

void t.test('what a request costs counts when an answer can say so, or when nobody waits for one', async (t) => {
  const client = clientNamed('bot', { rate: { windowSeconds: 10, bytes: 100 } })
  const left = (standings: readonly Standing[]) => standings.map((standing) => standing.left)
  const meters = createMeters({ nowMs: () => 0 })
  const streamed = pass(meters.enter(client, 0))
  t.strictSame(left(streamed.tell()), [100], 'the head of its answer')
  streamed.spend(500)
  streamed.leave(false)
  const next = pass(meters.enter(client, 0))
  t.strictSame(left(next.tell()), [0], 'the next one is let in, and its answer says it')
  t.strictSame(meters.enter(client, 0), { kind: 'spent', limit: 'bytes', retryAfterMs: 50_000 })
  const gone = createMeters({ nowMs: () => 0 })
  const cut = pass(gone.enter(client, 0))
  cut.spend(500)
  cut.leave(true)
  t.equal(gone.enter(client, 0).kind, 'spent', 'who goes away gains nothing')
  const unmetered = pass(createMeters({ nowMs: () => 0 }).enter(clientNamed('bot', { rate: { windowSeconds: 1, requests: 1 } }), 5))
  unmetered.spend(5)
  t.match(unmetered.tell(), [{ limit: 'requests', left: 0 }])
})

type Step = Readonly<{ cost: number; late: number; idleMs: number; places: number }>

/** Sends one request after the other as the answers say; returns how often it was refused all the same. */
function refusals(steps: readonly Step[], limits: Readonly<{ windowSeconds: number; requests: number; bytes: number; concurrency: number }>): number {
  let now = 1_000
  const { concurrency, ...rate } = limits
  const client = clientNamed('bot', { rate, concurrency })
  const meters = createMeters({ nowMs: () => now })
  let told: readonly Standing[] = []
  let toldAt = now
  let refused = 0
  const waitAsTold = (): void => {
    const seconds = told.filter(({ left, resetMs }) => left === 0 && resetMs !== undefined).map(({ resetMs }) => Math.ceil(Number(resetMs) / 1000))
    now = Math.max(now, toldAt + 1000 * Math.max(0, ...seconds))
  }
  for (const { cost, late, idleMs, places } of steps) {
    now += idleMs
    const running: Pass[] = []
    do {
      waitAsTold()
      const entry = meters.enter(client, cost)
      if (entry.kind !== 'entered') {
        refused += 1
        break
      }
      running.push(entry.pass)
      told = entry.pass.tell()
      toldAt = now
      entry.pass.spend(late)
    } while (running.length < Math.min(places, concurrency))
    for (const one of running) one.leave(false)
  }
  return refused
}

void t.test('a client that obeys the fields of the answers is never refused', async () => {
  const step: fc.Arbitrary<Step> = fc.record({ cost: fc.oneof(fc.constant(0), fc.nat({ max: 300 })), late: fc.oneof(fc.constant(0), fc.nat({ max: 300 })), idleMs: fc.nat({ max: 3_000 }), places: fc.integer({ min: 1, max: 3 }) })
  const limits = fc.record({ windowSeconds: fc.integer({ min: 1, max: 5 }), requests: fc.integer({ min: 1, max: 6 }), bytes: fc.integer({ min: 1, max: 200 }), concurrency: fc.integer({ min: 1, max: 3 }) })
  fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), limits, (steps, limits) => refusals(steps, limits) === 0), { numRuns: count(1_000, 50_000) })
})

void t.test('over many windows no client gets more than its rate and one request', async () => {
  const steps = fc.array(fc.record({ cost: fc.nat({ max: 250 }), idleMs: fc.nat({ max: 700 }) }), { minLength: 10, maxLength: 100 })
  fc.assert(fc.property(steps, fc.integer({ min: 1, max: 100 }), (steps, bytes) => {
    let now = 0
    let [used, largest] = [0, 0]
    const client = clientNamed('bot', { rate: { windowSeconds: 1, bytes } })
    const meters = createMeters({ nowMs: () => now })
    for (const { cost, idleMs } of steps) {
      now += idleMs
      const entry = meters.enter(client, cost)
      if (entry.kind !== 'entered') continue
      entry.pass.leave(false)
      used += cost
      largest = Math.max(largest, cost)
    }
    return used <= (Math.floor(now / 1_000) + 1) * bytes + largest
  }), { numRuns: count(1_000, 50_000) })
})
