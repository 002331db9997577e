import type { FastifyReply } from 'fastify'
import { SigningError } from '../errors.ts'

/**
 * Returns a signal for the work behind one answer: it aborts when the client goes away before the answer is complete, and when the
 * server's deadline for running requests is over.
 *
 * Not `AbortSignal.any`: it costs a request more than its checks do, and its weak references keep all that a request was until the next
 * collection of the whole heap.
 */
export function abortSignal({ raw }: FastifyReply, stop: AbortSignal): AbortSignal {
  const work = new AbortController()
  const onStop = (): void => work.abort(stop.reason)
  const onClose = (): void => {
    stop.removeEventListener('abort', onStop)
    if (!raw.writableFinished) work.abort(new SigningError('REQUEST_ABORTED', 'the client went away'))
  }
  if (stop.aborted) onStop()
  stop.addEventListener('abort', onStop)
  if (raw.closed) onClose()
  else raw.once('close', onClose)
  return work.signal
}
