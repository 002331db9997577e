import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Unavailable } from './measurement.ts'

/** Resident memory of a process in bytes: now, and the most it ever was. @throws Unavailable off Linux */
export function memoryOf(pid: number): Readonly<{ residentBytes: number; peakBytes: number }> {
  const status = proc(() => readFileSync(`/proc/${pid}/status`, 'utf8'))
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1])
  return { residentBytes: kib('VmRSS') * 1024, peakBytes: kib('VmHWM') * 1024 }
}

/** Resolves with by how many bytes the resident memory of a process rose above its start, at most, while `work` ran. @throws Unavailable off Linux */
export async function memoryGrowth(pid: number, work: () => Promise<unknown>): Promise<number> {
  // 5 sets the peak back to what is resident now: proc(5), /proc/pid/clear_refs.
  proc(() => writeFileSync(`/proc/${pid}/clear_refs`, '5'))
  const { residentBytes } = memoryOf(pid)
  await work()
  return memoryOf(pid).peakBytes - residentBytes
}

/** How many descriptors a process has open. @throws Unavailable off Linux */
export function descriptorsOf(pid: number): number {
  return proc(() => readdirSync(`/proc/${pid}/fd`).length)
}

function proc<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new Unavailable('the memory of a process is read from /proc, which is not here', { cause })
  }
}
