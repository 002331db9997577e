import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** Whether a process exists and is more than an entry that nobody has collected yet. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  // A killed orphan stays a zombie where process 1 does not collect it, as in many containers.
  return !isZombie(pid)
}

/** Resolves when `condition` holds; rejects after `limitMs`. */
export async function eventually(condition: () => boolean, limitMs = 5000): Promise<void> {
  for (const start = performance.now(); !condition(); await delay(10)) {
    if (performance.now() - start > limitMs) throw new Error(`not within ${limitMs} ms: ${String(condition)}`)
  }
}

function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    // No such file system here: what signal 0 said stands.
    return false
  }
}
