import type { FastifyReply } from 'fastify'
import { SigningError } from '../errors.ts'

/**
 * Returns a signal for the work behind one answer: it aborts when the client goes away before the answer is complete, and when the
 * server's deadline for running requests is over.
 */
export function abortSignal({ raw }: FastifyReply, stop: AbortSignal): AbortSignal {
  const gone = new AbortController()
  const onClose = (): void => {
    if (!raw.writableFinished) gone.abort(new SigningError('REQUEST_ABORTED', 'the client went away'))
  }
  if (raw.closed) onClose()
  else raw.once('close', onClose)
  return AbortSignal.any([gone.signal, stop])
}
