import type { FoundSignature } from './generated/schema.ts'
import { ConnectionError } from './problem.ts'
import type { Tries } from './retry.ts'

/** Lets each piece of an answer through once, however often the answer begins again. */
export type Gate<T> = Readonly<{
  /** A try begins: what comes now may have come before. */
  begin: () => void
  /** Returns what the caller gets of a piece; undefined for what it has already; an error where the answer cannot go on, however often it is asked for. */
  take: (piece: T) => T | ConnectionError | undefined
}>

type Event = Readonly<{ event: string }>
type Counts = { signed: number; failed: number; skipped: number }

const COUNTED: Readonly<Record<string, keyof Counts>> = { signature: 'signed', failure: 'failed', skipped: 'skipped' }

/**
 * Returns the gate for the events of a signing run. An answer that is asked for again has the same listing, and its outcomes may come in
 * another order. `end` counts what the caller was told.
 */
export function eventGate(place: string): Gate<Event> {
  const given = new Map<string, number>()
  const counts: Counts = { signed: 0, failed: 0, skipped: 0 }
  let seen = new Map<string, number>()
  let listing: string | undefined
  let midway = false
  const isNew = (key: string): boolean => {
    const times = (seen.get(key) ?? 0) + 1
    seen.set(key, times)
    if (times <= (given.get(key) ?? 0)) return false
    given.set(key, times)
    return true
  }
  return {
    begin: () => {
      midway = given.size > 0
      seen = new Map()
    },
    take: (event) => {
      if (event.event === 'listing') {
        const text = JSON.stringify(event)
        if (listing !== undefined && listing !== text) return new ConnectionError('ANSWER_CUT_OFF', `the answer of ${place} was cut off, and the directory changed before it could be asked for again`)
        listing = text
      }
      if (event.event === 'end') return midway ? { ...event, ...counts } : event
      if (!isNew(keyOf(event))) return undefined
      const counted = COUNTED[event.event]
      if (counted !== undefined) counts[counted] += 1
      return event
    },
  }
}

/** One name has one outcome; everything else is what it says. */
function keyOf(event: Event & Readonly<{ name?: unknown }>): string {
  return COUNTED[event.event] !== undefined && typeof event.name === 'string' ? `name ${event.name}` : JSON.stringify(event)
}

/** Returns the gate for found signatures, which come in the order of the log, the newest first: what was made since is not in it. */
export function foundGate(place: string): Gate<FoundSignature> {
  let last = Number.POSITIVE_INFINITY
  return {
    begin: () => undefined,
    take: (found) => {
      const index = (found as Partial<FoundSignature>).signature?.receipt?.index
      if (!Number.isSafeInteger(index) || index! < 0) return new ConnectionError('ANSWER_NOT_UNDERSTOOD', `the answer of ${place} has a line that is no signature with its receipt`)
      if (index! >= last) return undefined
      last = index!
      return found
    },
  }
}

/** An answer in pieces: how it is asked for, what lets its pieces through, and how a fault is told. */
export type Resumable<T> = Readonly<{ ask: () => Promise<AsyncIterable<T>>; gate: Gate<T>; tries: Tries; explain: (error: unknown) => unknown }>

/** Yields each piece of an answer once; one that was cut off is asked for again as often as `tries` allow. @throws what the last try threw */
export async function* resumed<T>({ ask, gate, tries, explain }: Resumable<T>): AsyncGenerator<T, void, undefined> {
  for (;;) {
    gate.begin()
    let fault: ConnectionError | undefined
    try {
      for await (const piece of await ask()) {
        const fresh = gate.take(piece)
        if (fresh === undefined) continue
        if (fresh instanceof ConnectionError) {
          fault = fresh
          break
        }
        tries.progressed()
        yield fresh
      }
      if (fault === undefined) return
    } catch (error) {
      await tries.failed(error).catch((reason: unknown) => {
        throw explain(reason)
      })
      continue
    }
    throw fault
  }
}
