import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { SigningError } from '../../../server/errors.ts'
import { createTurns as createBusyTurns, type Turns } from '../../../server/threads/turns.ts'

function createTurns(bounds: Readonly<{ concurrency: number; waiting: number }>): Turns {
  return createBusyTurns({ ...bounds, busy: { code: 'SIGNER_BUSY', message: 'too many wait' } })
}

t.test('turns are given to so many at once, first come, first served, and one more than the line holds is refused', async (t) => {
  const turns = createTurns({ concurrency: 2, waiting: 2 })
  const order: string[] = []
  const [releaseA, releaseB] = [await turns.take(), await turns.take()]
  const third = turns.take().then((release) => (order.push('third'), release))
  const fourth = turns.take().then((release) => (order.push('fourth'), release))
  t.equal(turns.waiting(), 2)
  await t.rejects(turns.take(), { name: 'SigningError', code: 'SIGNER_BUSY', facts: { waiting: 2 } })

  releaseB()
  releaseB()
  const releaseThird = await third
  t.strictSame([turns.waiting(), order], [1, ['third']], 'a turn given back twice is one turn')
  releaseA()
  const releaseFourth = await fourth
  t.strictSame(order, ['third', 'fourth'])
  releaseThird()
  releaseFourth()

  const again = [await turns.take(), await turns.take()]
  const next = turns.take()
  t.equal(turns.waiting(), 1, 'all turns came back, and no more')
  again.forEach((release) => release())
  ;(await next)()
})

t.test('without a waiting line, a turn is given at once or refused', async (t) => {
  const turns = createTurns({ concurrency: 1, waiting: 0 })
  const release = await turns.take()
  await t.rejects(turns.take(), { code: 'SIGNER_BUSY' })
  release()
  ;(await turns.take())()
})

t.test('an aborted signal leaves the line at once and takes nobody else\'s turn', async (t) => {
  const turns = createTurns({ concurrency: 1, waiting: 5 })
  const release = await turns.take()
  const controller = new AbortController()
  const leaving = turns.take({ signal: controller.signal })
  const staying = turns.take({ signal: new AbortController().signal })
  const gone = new Error('the client went away')
  controller.abort(gone)
  await t.rejects(leaving, gone)
  t.equal(turns.waiting(), 1)
  release()
  ;(await staying)()
  await t.rejects(turns.take({ signal: AbortSignal.abort(gone) }), gone)
  ;(await turns.take())()
})

t.test('closed turns refuse who waits and who comes', async (t) => {
  const turns = createTurns({ concurrency: 1, waiting: 5 })
  const release = await turns.take()
  const [one, other] = [turns.take(), turns.take({ signal: new AbortController().signal })]
  turns.close()
  await t.rejects(one, { code: 'SHUTTING_DOWN' })
  await t.rejects(other, { code: 'SHUTTING_DOWN' })
  await t.rejects(turns.take(), { code: 'SHUTTING_DOWN' })
  t.equal(turns.waiting(), 0)
  release()
})

t.test('parties that wait get turns by turns, however many each of them wants', async (t) => {
  const turns = createTurns({ concurrency: 1, waiting: 10 })
  const order: string[] = []
  const first = await turns.take({ party: 'many' })
  const takes = ['many', 'many', 'many', 'many', 'one', 'two', 'two'].map(async (party) => {
    const release = await turns.take({ party })
    order.push(party)
    release()
  })
  t.equal(turns.waiting(), 7)
  first()
  await Promise.all(takes)
  t.strictSame(order, ['many', 'one', 'two', 'many', 'two', 'many', 'many'])
  t.equal(turns.waiting(), 0)
})

t.test('a party that leaves the line is not given a turn, and comes back behind the others', async (t) => {
  const turns = createTurns({ concurrency: 1, waiting: 10 })
  const order: string[] = []
  const first = await turns.take()
  const controller = new AbortController()
  const leaving = turns.take({ party: 'one', signal: controller.signal })
  const take = async (party: string): Promise<void> => {
    const release = await turns.take({ party })
    order.push(party)
    release()
  }
  const others = [take('two')]
  controller.abort(new Error('gone'))
  await t.rejects(leaving, { message: 'gone' })
  others.push(take('one'))
  first()
  await Promise.all(others)
  t.strictSame(order, ['two', 'one'])
})

t.test('a full line refuses, says when to come again, and still lets in who has less than a share, and who is patient', async (t) => {
  const turns = createTurns({ concurrency: 1, waiting: 8 })
  let release = await turns.take({ party: 'many' })
  const waiting = Array.from({ length: 8 }, async () => await turns.take({ party: 'many' }))
  await t.rejects(turns.take({ party: 'many' }), { code: 'SIGNER_BUSY', facts: { waiting: 8, retryAfterMs: 0 } })
  const few = [turns.take({ party: 'few' }), turns.take({ party: 'few' })]
  await t.rejects(turns.take({ party: 'few' }), { code: 'SIGNER_BUSY' }, 'two are its share')
  const patient = turns.take({ party: 'many', patient: true })
  t.equal(turns.waiting(), 11)
  for (const next of [waiting[0], few[0], waiting[1]]) {
    await delay(20)
    release()
    release = await (next as Promise<() => void>)
  }
  const refused = await turns.take({ party: 'many' }).catch((error: unknown) => error as SigningError)
  t.ok(refused instanceof SigningError && Number(refused.facts['retryAfterMs']) >= 8, 'as long as the line takes at the pace of the last turns')
  for (const next of [few[1], ...waiting.slice(2), patient]) {
    release()
    release = await (next as Promise<() => void>)
  }
  release()
  t.equal(turns.waiting(), 0)
})

t.test('checkRoom refuses who would be refused, and takes nothing', async (t) => {
  const turns = createTurns({ concurrency: 1, waiting: 2 })
  t.doesNotThrow(() => turns.checkRoom())
  const release = await turns.take({ party: 'many' })
  t.doesNotThrow(() => turns.checkRoom('many'))
  const waiting = ['many', 'many'].map(async (party) => await turns.take({ party }))
  t.throws(() => turns.checkRoom('many'), { code: 'SIGNER_BUSY', facts: { waiting: 2, retryAfterMs: 0 } })
  t.throws(() => turns.checkRoom('few'), { code: 'SIGNER_BUSY' }, 'a share of a line this short is none')
  t.equal(turns.waiting(), 2)
  release()
  t.doesNotThrow(() => turns.checkRoom('many'))
  for (const next of waiting) (await next)()
  turns.close()
  t.throws(() => turns.checkRoom(), { code: 'SHUTTING_DOWN' })
  await t.rejects(turns.take({ patient: true }), { code: 'SHUTTING_DOWN' })
})

t.test('a time in which nobody wanted a turn is no pace, and nobody is sent away for longer than half a minute', async (t) => {
  let now = 0
  t.intercept(performance, 'now', { value: () => now })
  const turns = createTurns({ concurrency: 2, waiting: 8 })
  const retryAfterMs = async () => await turns.take().then(() => t.fail(), (error: unknown) => (error as SigningError).facts['retryAfterMs'])
  for (const release of [await turns.take(), await turns.take()]) release()
  now += 3_600_000
  const [first, second] = [await turns.take(), await turns.take()]
  const waiting = Array.from({ length: 8 }, async () => await turns.take())
  now += 100
  first()
  const third = await waiting[0]
  waiting.push(turns.take())
  t.equal(await retryAfterMs(), 80, 'a tenth of 100 ms for each of eight')
  now += 3_600_000
  second()
  waiting.push(turns.take())
  t.equal(await retryAfterMs(), 30_000)
  third?.()
  for (const next of waiting.slice(1)) (await next)()
  t.equal(turns.waiting(), 0)
})
