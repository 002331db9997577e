import type { FastifyReply } from 'fastify'
import { SigningError } from '../errors.ts'

/** The work behind one answer, as long as it runs. */
type Running = { work: AbortController | undefined }

const runningUntil = new WeakMap<AbortSignal, Set<Running>>()

/**
 * Returns a signal for the work behind one answer: it aborts when the client goes away before the answer is complete, and when the
 * server's deadline for running requests is over.
 *
 * Not `AbortSignal.any`: the signals that it makes of one that lives long are weak references, and for V8 what these lead to, which is all of
 * a request, lives until the next collection of the whole heap.
 */
export function abortSignal({ raw }: FastifyReply, stop: AbortSignal): AbortSignal {
  const work = new AbortController()
  const all = runningOf(stop)
  const running: Running = { work }
  const onClose = (): void => {
    all.delete(running)
    // The set may remember it for a while: V8 keeps the tables that a set had before.
    running.work = undefined
    if (!raw.writableFinished) work.abort(new SigningError('REQUEST_ABORTED', 'the client went away'))
  }
  if (stop.aborted) work.abort(stop.reason)
  all.add(running)
  if (raw.closed) onClose()
  else raw.once('close', onClose)
  return work.signal
}

function runningOf(stop: AbortSignal): Set<Running> {
  const known = runningUntil.get(stop)
  if (known !== undefined) return known
  const all = new Set<Running>()
  stop.addEventListener('abort', () => {
    for (const { work } of all) work?.abort(stop.reason)
  }, { once: true })
  runningUntil.set(stop, all)
  return all
}
