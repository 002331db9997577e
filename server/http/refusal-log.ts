import type { FastifyBaseLogger } from 'fastify'
import { createRefusalCount, type RefusalCountOptions } from '../operations/refusal-count.ts'

/** One refusal: who makes refusals alike (an address, a public key), why, and the line it is written with. */
export type Refusal = Readonly<{ log: Pick<FastifyBaseLogger, 'warn'>; message: string; who: string | undefined; why: string; facts: Readonly<Record<string, unknown>> }>

/** Writes refusals whose number a stranger chooses. */
export type RefusalLog = Readonly<{
  /** Writes the first refusal of its kind with all of its facts; what follows within the window is counted. */
  write(refusal: Refusal): void
  /** Writes the numbers that are still being counted. */
  close(): Promise<void>
}>

/** One line for each kind in this time, and one more with the number of the others. */
const WINDOW_MS = 10_000
/** More addresses than this at once, and the oldest are forgotten early. */
const KINDS = 1_000

/**
 * Returns a log in which nobody can drown the lines of others: alike are refusals with one message, one reason and one origin. When the window
 * of a kind is over, what was not written is one line, with the facts of the first and its number:
 *
 *     {"level":"warn","listener":"service","address":"192.0.2.7","reason":"CERT_HAS_EXPIRED","count":812,"msg":"refused connection, more of the same"}
 */
export function createRefusalLog({ windowMs = WINDOW_MS, kinds = KINDS }: Partial<Omit<RefusalCountOptions, 'most'>> = {}): RefusalLog {
  const count = createRefusalCount<Refusal>({
    most: 1,
    windowMs,
    kinds,
    kindOf: ({ message, who, why }) => `${message} ${why} ${who}`,
    more: ({ log, message, facts }, more) => log.warn({ ...facts, count: more }, `${message}, more of the same`),
  })
  return {
    write: (refusal) => {
      if (count.admits(refusal)) refusal.log.warn(refusal.facts, refusal.message)
    },
    close: async () => await count.close(),
  }
}
