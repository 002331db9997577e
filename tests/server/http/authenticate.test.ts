import Fastify from 'fastify'
import t from 'tap'
import { abortSignal } from '../../../server/http/abort.ts'
import { authenticate, callerOf } from '../../../server/http/authenticate.ts'
import { createLives, liveOf, type Live } from '../../../server/http/live.ts'
import { createMeters } from '../../../server/policy/meters.ts'

void t.test('abortSignal tells a client that went away from one that has its answer', async (t) => {
  const raw = (closed: boolean, writableFinished: boolean) => ({ raw: { closed, writableFinished, once: (_name: string, listener: () => void) => void listener() } }) as never
  const { signal } = new AbortController()
  for (const closed of [true, false]) t.match(abortSignal(raw(closed, false), signal), { aborted: true, reason: { code: 'REQUEST_ABORTED' } })
  t.equal(abortSignal(raw(true, true), signal).aborted, false)
  t.equal(abortSignal(raw(false, true), AbortSignal.abort(7)).reason, 7)
})

void t.test('a route that does not say who may call it does not start', async (t) => {
  const app = Fastify()
  authenticate(app, { identify: () => undefined, meters: createMeters({ nowMs: () => 0 }), clock: () => new Date(0), fileBytes: 1, bodyBytes: 1 })
  app.get('/open', async () => 'open')
  await t.rejects(async () => await app.ready(), { name: 'TypeError', message: 'the route /open does not say who may call it' })
  t.throws(() => callerOf({ caller: undefined }), TypeError)
  t.throws(() => liveOf({ live: undefined } as never), TypeError)
})

void t.test('what was live before is unused when the last that took it has released it', async (t) => {
  const [first, second, third] = ['first', 'second', 'third'].map((policy) => ({ policy }) as unknown as Live) as [Live, Live, Live]
  const lives = createLives(first)
  const unused: string[] = []
  const replace = (name: string, next: Live): void => void lives.replace(next).then(() => unused.push(name))
  const taken = [lives.take(), lives.take()]
  t.strictSame(taken, [first, first])
  replace('first', second)
  t.equal(lives.current(), second)
  t.equal(lives.take(), second)
  lives.release(first)
  lives.release(second)
  await Promise.resolve()
  t.strictSame(unused, [], 'one still works with the first, and the second is live')
  lives.release(first)
  await new Promise(setImmediate)
  t.strictSame(unused, ['first'])
  replace('second', third)
  await new Promise(setImmediate)
  t.strictSame(unused, ['first', 'second'])
  lives.release(first)
  t.equal(lives.current(), third, 'releasing what is gone does nothing')
})
