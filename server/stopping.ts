import { setTimeout as sleep } from 'node:timers/promises'
import { SigningError } from './errors.ts'
import type { Listener } from './http/connections.ts'

/** How the server stops. `signal` aborts running work when the deadline is over. */
export type Stopping = Readonly<{
  signal: AbortSignal
  draining(): boolean
  /** Stops accepting, lets running requests finish until the deadline, then ends them, and cuts off what does not end. */
  drain(listeners: readonly Pick<Listener, 'drain' | 'cut'>[]): Promise<void>
}>

/** After the deadline: time for running requests to answer that they were ended. */
const GRACE_MS = 1_000

export function createStopping(deadlineMs: number): Stopping {
  const stop = new AbortController()
  let draining = false
  return {
    signal: stop.signal,
    draining: () => draining,
    drain: async (listeners) => {
      draining = true
      const drained = new AbortController()
      const ended = endAfter(deadlineMs, { stop, drained: drained.signal, listeners })
      await Promise.all(listeners.map(async (listener) => await listener.drain()))
      drained.abort()
      await ended
    },
  }
}

type Ending = Readonly<{ stop: AbortController; drained: AbortSignal; listeners: readonly Pick<Listener, 'cut'>[] }>

async function endAfter(deadlineMs: number, { stop, drained, listeners }: Ending): Promise<void> {
  try {
    await sleep(deadlineMs, undefined, { signal: drained })
    stop.abort(new SigningError('SHUTTING_DOWN', 'the server is shutting down'))
    await sleep(GRACE_MS, undefined, { signal: drained })
    for (const listener of listeners) listener.cut()
  } catch {
    // Everything was closed in time.
  }
}
