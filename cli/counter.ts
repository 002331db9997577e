import type { Session } from './session.ts'

/** How far something long is, for a person: a line that changes on a terminal, else a line now and then. */
export type Counter = Readonly<{ show: (text: string) => void; stop: () => void }>

const DRAW_EVERY_MS = 100
const NOTE_EVERY_MS = 10_000

/** Begins to show on stderr how far something is. What is soon over says nothing into a pipe. */
export function startCounter({ terminal, io: { now } }: Pick<Session, 'terminal' | 'io'>): Counter {
  const everyMs = terminal.live ? DRAW_EVERY_MS : NOTE_EVERY_MS
  let shown = terminal.live ? Number.NEGATIVE_INFINITY : now()
  return {
    show: (text) => {
      if (now() - shown < everyMs) return
      shown = now()
      if (terminal.live) terminal.status((columns) => text.slice(0, columns - 1))
      else terminal.note(text)
    },
    stop: () => terminal.status(undefined),
  }
}
