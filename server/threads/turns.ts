import { SigningError } from '../errors.ts'

/** Gives a turn back; calling it again does nothing. */
export type Release = () => void

/** Who takes a turn. */
export type TurnOptions = Readonly<{
  /** Parties that wait get turns by turns, however many each of them wants; without a name all are one party. */
  party?: string
  /** Part of something that was let in: it waits however long the line is. */
  patient?: boolean
  /** Takes the caller out of the line and rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}>

/** A bounded number of turns at once with a bounded waiting line in front: fair between parties, and first come, first served for each. */
export type Turns = Readonly<{
  /**
   * Resolves when it is the caller's turn.
   * @throws SigningError of the code that the turns were made with when the line is full, with the fact `retryAfterMs`; `SHUTTING_DOWN` after `close`
   */
  take(options?: TurnOptions): Promise<Release>
  /** Refuses who could not even wait now, before anything is done for it; whoever passes may still be refused by `take`. @throws SigningError as `take`, of which only the party counts */
  checkRoom(party?: string): void
  /** How many wait. */
  waiting(): number
  /** Refuses everybody in the line and everybody who comes later; turns that were given run on. */
  close(): void
}>

/** `concurrency` turns are out at once, and `waiting` callers may wait. */
export type TurnsOptions = Readonly<{ concurrency: number; waiting: number; busy: Readonly<{ code: 'SERVER_BUSY' | 'SIGNER_BUSY'; message: string }> }>

type Waiter = Readonly<{ admit: () => void; refuse: (reason: unknown) => void }>

/** How much the newest turn counts in the average of how long one takes to come back. */
const NEWEST = 0.1

/** Nobody is told to stay away for longer: the first of a long line have left it by then, and the SDK would give up. */
const LONGEST_MS = 30_000

/** Returns such turns. */
export function createTurns({ concurrency, waiting, busy }: TurnsOptions): Turns {
  // A Map keeps the order of insertion: its first party is the next one, and goes to the end.
  const lines = new Map<string, Set<Waiter>>()
  let [free, size, closed] = [concurrency, 0, false]
  // A pace is that of a time in which all turns were out: it began with the last one that was given or came back.
  let [busySinceMs, paceMs] = [0, 0]

  const release = (): void => {
    const now = performance.now()
    if (size > 0) paceMs += (now - busySinceMs - paceMs) * NEWEST
    busySinceMs = now
    const next = lines.entries().next().value
    if (next === undefined) {
      free += 1
      return
    }
    const [party, line] = next
    const [waiter] = line
    lines.delete(party)
    if (line.size > 1) lines.set(party, line)
    waiter?.admit()
  }
  const occupy = (): void => {
    free -= 1
    if (free === 0) busySinceMs = performance.now()
  }
  const wait = (party: string, signal: AbortSignal | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      const line = lines.get(party) ?? new Set()
      const leave = (): void => {
        size -= 1
        line.delete(waiter)
        if (line.size === 0 && lines.get(party) === line) lines.delete(party)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        admit: () => (leave(), resolve()),
        refuse: (reason) => (leave(), reject(reason)),
      }
      const onAbort = (): void => waiter.refuse(signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      lines.set(party, line.add(waiter))
      size += 1
    })
  /** Who has less than an equal share of the line is let into it though others have filled it. */
  const mayWait = (party: string): boolean => size < waiting || (lines.get(party)?.size ?? 0) < Math.floor(waiting / (lines.size + (lines.has(party) ? 0 : 1)) / 2)

  const checkOpen = (): void => {
    if (closed) throw shuttingDown()
  }
  const checkRoom = (party: string): void => {
    checkOpen()
    if (free === 0 && !mayWait(party)) throw new SigningError(busy.code, busy.message, { waiting: size, retryAfterMs: Math.min(Math.ceil(size * paceMs), LONGEST_MS) })
  }

  return {
    async take({ party = '', patient = false, signal } = {}) {
      signal?.throwIfAborted()
      if (patient) checkOpen()
      else checkRoom(party)
      if (free > 0) occupy()
      else await wait(party, signal)
      return once(release)
    },
    checkRoom: (party = '') => checkRoom(party),
    waiting: () => size,
    close() {
      closed = true
      for (const waiter of [...lines.values()].flatMap((line) => [...line])) waiter.refuse(shuttingDown())
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
