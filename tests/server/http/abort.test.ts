import { EventEmitter } from 'node:events'
import type { FastifyReply } from 'fastify'
import t from 'tap'
import { abortSignal } from '../../../server/http/abort.ts'

/** The end of an answer, as far as the signal looks at it. */
function answer(): FastifyReply & Readonly<{ close: (isWhole: boolean) => void }> {
  const raw = Object.assign(new EventEmitter(), { closed: false, writableFinished: false })
  const close = (isWhole: boolean): void => {
    Object.assign(raw, { closed: true, writableFinished: isWhole })
    raw.emit('close')
  }
  return { raw, close } as never
}

void t.test('work is aborted when its client goes away, and not when its answer is complete', async (t) => {
  const stop = new AbortController().signal
  const [gone, done] = [answer(), answer()]
  const [left, complete] = [abortSignal(gone, stop), abortSignal(done, stop)]
  gone.close(false)
  done.close(true)
  t.match(left.reason, { code: 'REQUEST_ABORTED' })
  t.notOk(complete.aborted)
  t.match(abortSignal(gone, stop).reason, { code: 'REQUEST_ABORTED' }, 'also when it has gone before')
  t.notOk(abortSignal(done, stop).aborted)
})

void t.test('work is aborted when the server stops: all that runs, and what begins later', async (t) => {
  const [stop, other] = [new AbortController(), new AbortController()]
  const replies = [answer(), answer(), answer()]
  const signals = replies.map((reply) => abortSignal(reply, stop.signal))
  const elsewhere = abortSignal(answer(), other.signal)
  replies[1]?.close(true)
  stop.abort(new Error('the server stops'))
  t.strictSame(signals.map(({ aborted }) => aborted), [true, false, true])
  t.match(signals[0]?.reason, /the server stops/)
  t.match(abortSignal(answer(), stop.signal).reason, /the server stops/)
  t.notOk(elsewhere.aborted)
})
