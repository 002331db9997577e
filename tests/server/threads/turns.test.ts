import t from 'tap'
import { createTurns } from '../../../server/signers/turns.ts'

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
  const leaving = turns.take(controller.signal)
  const staying = turns.take(new AbortController().signal)
  const gone = new Error('the client went away')
  controller.abort(gone)
  await t.rejects(leaving, gone)
  t.equal(turns.waiting(), 1)
  release()
  ;(await staying)()
  await t.rejects(turns.take(AbortSignal.abort(gone)), gone)
  ;(await turns.take())()
})

t.test('closed turns refuse who waits and who comes', async (t) => {
  const turns = createTurns({ concurrency: 1, waiting: 5 })
  const release = await turns.take()
  const [one, other] = [turns.take(), turns.take(new AbortController().signal)]
  turns.close()
  await t.rejects(one, { code: 'SHUTTING_DOWN' })
  await t.rejects(other, { code: 'SHUTTING_DOWN' })
  await t.rejects(turns.take(), { code: 'SHUTTING_DOWN' })
  t.equal(turns.waiting(), 0)
  release()
})
