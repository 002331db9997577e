import { setImmediate as tick } from 'node:timers/promises'
import * as fc from 'fast-check'
import t from 'tap'
import { inFlight } from '../../../server/operations/in-flight.ts'

const NUM_RUNS = 200 * Number(process.env['TEST_FULL_FACTOR'] ?? 1)

/** Work whose end the test decides on. */
function gates(count: number) {
  const open = Array.from({ length: count }, () => Promise.withResolvers<void>())
  const started: number[] = []
  const ended: number[] = []
  const work = async (item: number): Promise<number> => {
    started.push(item)
    await open[item]?.promise
    ended.push(item)
    return item
  }
  return { work, started, ended, finish: (item: number) => open[item]?.resolve(), fail: (item: number) => open[item]?.reject(new Error(`item ${item}`)) }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await tick()
}

void t.test('inFlight yields results as they finish, never more than the limit at once', async (t) => {
  const { work, started, finish } = gates(4)
  const results = inFlight([0, 1, 2, 3], 2, work)
  const first = results.next()
  await settle()
  t.strictSame(started, [0, 1])
  finish(1)
  t.strictSame(await first, { done: false, value: 1 })
  const second = results.next()
  await settle()
  t.strictSame(started, [0, 1, 2])
  finish(2)
  t.strictSame(await second, { done: false, value: 2 })
  for (const item of [0, 3]) finish(item)
  t.strictSame(await Array.fromAsync(results), [0, 3])
})

void t.test('inFlight starts nothing more and waits for what runs when one fails', async (t) => {
  const { work, started, ended, finish, fail } = gates(5)
  const results = inFlight([0, 1, 2, 3, 4], 3, work)
  let outcome = 'running'
  const reading = results.next().catch((error: Error) => (outcome = error.message))
  await settle()
  fail(1)
  await settle()
  t.strictSame([started, outcome], [[0, 1, 2], 'running'], 'what runs is not torn away')
  for (const item of [0, 2]) finish(item)
  await reading
  t.strictSame([started, ended, outcome], [[0, 1, 2], [0, 2], 'item 1'])
  t.strictSame(await results.next(), { done: true, value: undefined })
})

void t.test('inFlight waits for what runs when its reader stops, also where that fails', async (t) => {
  const { work, started, ended, finish, fail } = gates(6)
  const results = inFlight([0, 1, 2, 3, 4, 5], 3, work)
  const first = results.next()
  await settle()
  finish(0)
  await first
  const second = results.next()
  await settle()
  finish(1)
  await second
  let stopped = false
  const stopping = results.return().then(() => (stopped = true))
  await settle()
  t.equal(stopped, false)
  fail(3)
  finish(2)
  await stopping
  t.strictSame([started, ended], [[0, 1, 2, 3], [0, 1, 2]])
})

void t.test('a failure while the reader is slow waits for it, and is no unhandled rejection', async (t) => {
  const unhandled: unknown[] = []
  const listen = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', listen)
  t.teardown(() => process.off('unhandledRejection', listen))
  const { work, finish, fail } = gates(3)
  const results = inFlight([0, 1, 2], 3, work)
  const first = results.next()
  await settle()
  finish(0)
  await first
  for (const item of [1, 2]) fail(item)
  await settle()
  await t.rejects(results.next(), { message: 'item 1' })
  t.strictSame(unhandled, [])
})

void t.test('work that throws at once, and items that throw, end the same way', async (t) => {
  const { work, ended, finish } = gates(2)
  function* items(): Generator<number> {
    yield 0
    throw new Error('no more items')
  }
  const reading = Array.fromAsync(inFlight(items(), 2, work))
  finish(0)
  await t.rejects(reading, { message: 'no more items' })
  t.strictSame(ended, [0])
  await t.rejects(Array.fromAsync(inFlight([1], 1, () => {
    throw new Error('at once')
  })), { message: 'at once' })
  t.strictSame(await Array.fromAsync(inFlight([], 1, work)), [])
})

void t.test('every item has one result, and the limit holds, whatever takes how long', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.nat(3), { maxLength: 30 }), fc.integer({ min: 1, max: 8 }), async (turns, limit) => {
    let running = 0
    let most = 0
    const results = await Array.fromAsync(inFlight(turns.entries(), limit, async ([index, count]) => {
      running += 1
      most = Math.max(most, running)
      for (let turn = 0; turn < count; turn += 1) await Promise.resolve()
      running -= 1
      return index
    }))
    return most <= limit && results.length === turns.length && new Set(results).size === turns.length
  }), { numRuns: NUM_RUNS })
})
