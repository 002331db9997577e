import { readlinkSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

/**
 * How far a thread that hashes stands behind the others: enough that an event loop with something to do is given a processor at once, little
 * enough that other programs of the host do not starve it.
 */
const STEPS = 5

/**
 * Puts the thread that calls behind the other threads of its process, where there are more of them than processors. On Linux priorities are
 * those of threads, each of which has a number that /proc alone tells. Elsewhere, and where it is not allowed, all stay alike.
 * @see https://man7.org/linux/man-pages/man2/setpriority.2.html (C library/kernel differences)
 */
export function standBack(self = '/proc/thread-self'): void {
  try {
    const thread = Number(/\/task\/(\d+)$/.exec(readlinkSync(self))?.[1])
    setPriority(thread, Math.min(getPriority(thread) + STEPS, constants.priority.PRIORITY_LOW))
  } catch {
    // A thread that is not behind the others does the same work.
  }
}
