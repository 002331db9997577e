import { readdirSync, readFileSync } from 'node:fs'
import { Unavailable } from './measurement.ts'

/** A thread by the name that the system shows, and the processor time it has had. */
export type ThreadTime = Readonly<{ name: string; cpuMs: number }>

/** Ticks of /proc are a hundredth of a second wherever Linux runs Node: proc(5), USER_HZ. */
const TICK_MS = 10

/** Returns the processor time of each thread of a process, by thread id. @throws Unavailable off Linux */
export function cpuByThread(pid: number): ReadonlyMap<string, ThreadTime> {
  try {
    return new Map(readdirSync(`/proc/${pid}/task`).map((thread) => [thread, parseStat(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'))]))
  } catch (cause) {
    throw new Unavailable('the time of threads is read from /proc, which is not here', { cause })
  }
}

/** Fields 14 and 15 are the user and system time; the name stands in parentheses and may hold any. */
function parseStat(stat: string): ThreadTime {
  const end = stat.lastIndexOf(')')
  const fields = stat.slice(end + 2).split(' ')
  return { name: stat.slice(stat.indexOf('(') + 1, end), cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS }
}
