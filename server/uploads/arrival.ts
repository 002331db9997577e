import type { Readable } from 'node:stream'
import { SigningError } from '../errors.ts'
import { createHalves, type Save } from './halves.ts'

/** How a body arrives: its declared length, where it has one; `count` is told of the bytes of each piece, and refuses by throwing. */
export type ArrivalOptions = Readonly<{ declaredBytes: number | undefined; stallMs: number; signal: AbortSignal; count: (pieceBytes: number) => void }>

/**
 * Hands a body to `save`, several pieces at once, and resolves when all of it is saved. What is left of one that is refused is read and
 * dropped, so that its connection can be used again. However it ends, by then nothing is being saved any more. Not `pipe`, which lets
 * nothing arrive while something is written; not `pipeline`, which ends the connection with the first error.
 * @throws SigningError `REQUEST_TIMEOUT` when nothing arrives for `stallMs`, `REQUEST_ABORTED` when the connection ends; the reason of
 * the aborted signal; what `count` and `save` throw
 */
export async function arrival(body: Readable, { declaredBytes, stallMs, signal, count }: ArrivalOptions, save: Save): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const stalled = setTimeout(() => reject(new SigningError('REQUEST_TIMEOUT', `nothing of the upload arrived for ${stallMs} ms`)), stallMs)
  const halves = createHalves({ sizeBytes: declaredBytes, save, flow: body, saved: resolve, failed: reject })
  const take = (piece: Buffer): void => {
    stalled.refresh()
    try {
      count(piece.length)
      halves.add(piece)
    } catch (error) {
      reject(error)
    }
  }
  const broken = (cause?: Error): void => reject(new SigningError('REQUEST_ABORTED', 'the upload broke off', { cause }))
  const closed = (): void => void (body.readableEnded || broken())
  const stop = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', stop)
  body.once('error', broken).once('close', closed).once('end', halves.end).on('data', take)
  try {
    await promise
  } finally {
    clearTimeout(stalled)
    signal.removeEventListener('abort', stop)
    // From here on an error of the connection is nobody's business, and must not end the process.
    body.off('data', take).off('end', halves.end).off('close', closed).off('error', broken).on('error', () => undefined).resume()
    await halves.stop()
  }
}
