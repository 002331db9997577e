import { slope } from '../harness/statistics.ts'
import type { Reloads } from './reloads.ts'

/** What a process looked like at one time. */
export type Sample = Readonly<{ seconds: number; residentBytes: number; descriptors: number }>

/** What one activity did: how many requests, and the answers by what they were (`200`, `503 SERVER_BUSY`, `no answer`, `left`). */
export type ActivityTally = Readonly<{ requests: number; outcomes: Readonly<Record<string, number>> }>

/** Everything a soak run came to. `baseDescriptors`: after the start, with nobody connected; `endDescriptors` the same at the end. */
export type Observations = Readonly<{
  minutes: number
  samples: readonly Sample[]
  baseDescriptors: number
  endDescriptors: number
  activities: Readonly<Record<string, ActivityTally>>
  /** How many signatures the clients were given, how many of them verified, and which ids the catalogue lacks. */
  given: number
  verified: number
  wrong: readonly string[]
  missing: readonly string[]
  /** What the server's own audit says of catalogue and log: `intact`, or what it found. */
  audit: string
  /** Absent where the server was not asked to reload. */
  reloads?: Reloads
  /** What the database says of itself, and how many signatures it holds. */
  integrity: string
  catalogued: number
  /** Lines of the server's log at `error` or worse. */
  complaints: readonly string[]
  /** Whether SIGTERM ended it cleanly, with status 0. */
  stoppedCleanly: boolean
}>

/** Bytes that the memory may grow over the second half of a run: what the collector leaves lying, and no more. */
const GROWTH_MAX = 32 * 1024 * 1024
/** A run that is shorter is still warming up at its end: its memory says nothing. */
const GROWTH_MINUTES = 5
/** Descriptors that may be left: of a thread or a connection that is just being closed. */
const DESCRIPTORS_SPARE = 8
/** Refusals that the documentation promises a server with too much to do. */
const DOCUMENTED = new Set(['200', 'left', '503 SERVER_BUSY', '503 SIGNER_BUSY', '429 RATE_LIMITED'])

/** Returns by how much the memory grows in an hour, in bytes, by the second half of the samples: the first is still warming up. */
export function memorySlope(samples: readonly Sample[]): number {
  const half = samples.slice(Math.floor(samples.length / 2))
  return slope(half.map(({ seconds, residentBytes }) => ({ x: seconds, y: residentBytes }))) * 3600
}

/** Returns what is wrong, a sentence each; an empty list when nothing is. */
export function findings(seen: Observations): readonly string[] {
  const { samples, minutes, activities, baseDescriptors, endDescriptors, given, verified, wrong, missing, integrity, audit, reloads, catalogued, complaints, stoppedCleanly } = seen
  const found: string[] = []
  const hold = (condition: boolean, sentence: string): void => {
    if (!condition) found.push(sentence)
  }
  const growth = memorySlope(samples) * (minutes / 120)
  hold(minutes < GROWTH_MINUTES || growth <= GROWTH_MAX, `memory grew by ${mib(growth)} MiB over the second half`)
  hold(endDescriptors <= baseDescriptors + DESCRIPTORS_SPARE, `${endDescriptors} descriptors are open at the end and ${baseDescriptors} were at the start`)
  for (const [name, { requests, outcomes }] of Object.entries(activities)) {
    hold(requests > 0, `${name} did nothing`)
    for (const [outcome, count] of Object.entries(outcomes)) hold(DOCUMENTED.has(outcome), `${name}: ${count} times ${outcome}`)
  }
  hold(given > 0 && verified > 0, 'no signature was given, or none verified')
  hold(wrong.length === 0, `${wrong.length} signatures do not verify, the first of ${wrong[0]}`)
  hold(missing.length === 0, `${missing.length} signatures that were given are not in the catalogue, the first is ${missing[0]}`)
  hold(audit === 'intact', `the audit does not find catalogue and log intact: ${audit}`)
  hold(reloads === undefined || reloads.asked === 0 || reloads.done > 0, `none of ${reloads?.asked} reloads was done`)
  hold(integrity === 'ok', `the catalogue is damaged: ${integrity}`)
  hold(catalogued >= given, `the catalogue holds ${catalogued} signatures and ${given} were given`)
  hold(complaints.length === 0, `the log has ${complaints.length} errors, the first: ${complaints[0]}`)
  hold(stoppedCleanly, 'the server did not stop cleanly')
  return found
}

/** Returns the lines that a person reads at the end. */
export function soakLines(seen: Observations): readonly string[] {
  const { samples, minutes, activities, given, verified, catalogued, baseDescriptors, endDescriptors, audit, reloads } = seen
  const last = samples.at(-1) as Sample
  const rows = Object.entries(activities).map(([name, { requests, outcomes }]) => `  ${name.padEnd(12)} ${requests} requests: ${Object.entries(outcomes).map(([outcome, count]) => `${outcome} × ${count}`).join(', ')}`)
  return [
    `${minutes} minutes, ${given} signatures given, ${verified} of them verified with the public key, ${catalogued} in the catalogue`,
    ...rows,
    `  memory ${mib(last.residentBytes)} MiB at the end, slope of the second half ${mib(memorySlope(samples))} MiB an hour`,
    `  descriptors ${baseDescriptors} at the start, ${Math.max(...samples.map(({ descriptors }) => descriptors))} at most, ${endDescriptors} at the end`,
    `  audit of catalogue and log: ${audit}${reloads === undefined ? '' : `; ${reloads.done} reloads of the configuration`}`,
    ...findings(seen).map((sentence) => `  WRONG: ${sentence}`),
  ]
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1)
}
