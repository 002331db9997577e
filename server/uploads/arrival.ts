import type { Readable } from 'node:stream'
import { SigningError } from '../errors.ts'

/**
 * How much may wait while something is saved. What has come together meanwhile is saved at once: the pieces of a TLS connection have
 * 16 KiB, too little for a system call each.
 */
const WAITING_BYTES = 512 * 1024

/** Saves some chunks of a body. Called again only when it is done. */
export type Save = (chunks: readonly Buffer[]) => Promise<void>

/**
 * Hands a body to `save` and resolves when all of it is saved. What is left of one that is refused is read and dropped, so that its
 * connection can be used again. Not `pipe`, which lets nothing arrive while something is written; not `pipeline`, which ends the
 * connection with the first error.
 * @throws SigningError `REQUEST_TIMEOUT` when nothing arrives for `stallMs`, `REQUEST_ABORTED` when the connection ends; the reason of
 * the aborted signal; what `save` throws
 */
export async function arrival(body: Readable, { stallMs, signal }: Readonly<{ stallMs: number; signal: AbortSignal }>, save: Save): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const stalled = setTimeout(() => reject(new SigningError('REQUEST_TIMEOUT', `nothing of the upload arrived for ${stallMs} ms`)), stallMs)
  const line = createLine({ save, flow: body, idle: () => void (body.readableEnded && resolve()), failed: reject })
  const take = (chunk: Buffer): void => {
    stalled.refresh()
    line.add(chunk)
  }
  const broken = (cause?: Error): void => reject(new SigningError('REQUEST_ABORTED', 'the upload broke off', { cause }))
  const closed = (): void => void (body.readableEnded || broken())
  const stop = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', stop)
  body.once('error', broken).once('close', closed).once('end', line.ended).on('data', take)
  try {
    await promise
  } finally {
    clearTimeout(stalled)
    signal.removeEventListener('abort', stop)
    // From here on an error of the connection is nobody's business, and must not end the process.
    body.off('data', take).off('end', line.ended).off('close', closed).off('error', broken).on('error', () => undefined).resume()
  }
}

type LineOptions = Readonly<{ save: Save; flow: Pick<Readable, 'pause' | 'resume'>; idle: () => void; failed: (error: unknown) => void }>

/** Chunks that wait for `save`. When too many do, nothing more is let in; `idle` is called when none do. */
function createLine({ save, flow, idle, failed }: LineOptions): Readonly<{ add: (chunk: Buffer) => void; ended: () => void }> {
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let saving = false
  const saveAll = async (): Promise<void> => {
    saving = true
    while (waiting.length > 0) {
      const chunks = waiting
      waiting = []
      waitingBytes = 0
      const saved = save(chunks)
      flow.resume()
      await saved
    }
    saving = false
    idle()
  }
  return {
    add: (chunk) => {
      waiting.push(chunk)
      waitingBytes += chunk.length
      if (!saving) saveAll().catch(failed)
      else if (waitingBytes >= WAITING_BYTES) flow.pause()
    },
    ended: () => void (saving || idle()),
  }
}
