import { SigningError } from '../errors.ts'

/** Gives a turn back; calling it again does nothing. */
export type Release = () => void

/** A bounded number of turns at once with a bounded waiting line in front, first come, first served. */
export type Turns = Readonly<{
  /**
   * Resolves when it is the caller's turn. An aborted signal takes the caller out of the line and rejects with the signal's reason.
   * @throws SigningError `SIGNER_BUSY` when the line is full, `SHUTTING_DOWN` after `close`
   */
  take(signal?: AbortSignal): Promise<Release>
  /** How many wait. */
  waiting(): number
  /** Refuses everybody in the line and everybody who comes later; turns that were given run on. */
  close(): void
}>

type Waiter = Readonly<{ admit: () => void; refuse: (reason: unknown) => void }>

/** Returns turns of which `concurrency` are out at once, with at most `waiting` callers in the line. */
export function createTurns({ concurrency, waiting }: Readonly<{ concurrency: number; waiting: number }>): Turns {
  const line = new Set<Waiter>()
  let free = concurrency
  let closed = false

  const release = (): void => {
    const [next] = line
    if (next === undefined) free += 1
    else next.admit()
  }
  const wait = (signal: AbortSignal | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      const leave = (): void => {
        line.delete(waiter)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        admit: () => (leave(), resolve()),
        refuse: (reason) => (leave(), reject(reason)),
      }
      const onAbort = (): void => waiter.refuse(signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      line.add(waiter)
    })

  return {
    async take(signal) {
      signal?.throwIfAborted()
      if (closed) throw shuttingDown()
      if (free > 0) free -= 1
      else if (line.size < waiting) await wait(signal)
      else throw new SigningError('SIGNER_BUSY', 'too many packages wait for the signing command', { waiting: line.size })
      return once(release)
    },
    waiting: () => line.size,
    close() {
      closed = true
      for (const waiter of line) waiter.refuse(shuttingDown())
    },
  }
}

function once(release: () => void): Release {
  let given = false
  return () => {
    if (!given) release()
    given = true
  }
}

function shuttingDown(): SigningError {
  return new SigningError('SHUTTING_DOWN', 'the server is shutting down')
}
