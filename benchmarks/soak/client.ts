import { setTimeout as delay } from 'node:timers/promises'
import type { WireAnswer } from '../harness/answer-parser.ts'
import { openConnection, type Request, type Target, type WireConnection } from '../harness/wire-client.ts'
import type { ActivityTally } from './observations.ts'

/** A client of the soak run: one connection that is opened again when it is gone, everything counted. */
export type SoakClient = Readonly<{
  /** Resolves with an answer 200, else with undefined: what it was is in the tally. */
  ask: (request: Request) => Promise<WireAnswer | undefined>
  /** Sends a request on a connection of its own and goes away after so many milliseconds, whatever has come by then. */
  leave: (request: Request, afterMs: number) => Promise<void>
  tally: () => ActivityTally
  close: () => void
}>

/** An answer that takes longer is none. */
const ANSWER_MS = 60_000

/** Creates a client that has not connected yet. */
export function createSoakClient(target: Target, answerMs = ANSWER_MS): SoakClient {
  const outcomes: Record<string, number> = {}
  let requests = 0
  let connection: WireConnection | undefined
  const count = (outcome: string) => void (outcomes[outcome] = (outcomes[outcome] ?? 0) + 1)

  async function connected(): Promise<WireConnection> {
    if (connection?.isOpen() !== true) connection = await openConnection(target)
    return connection
  }

  return {
    ask: async (request) => {
      requests += 1
      try {
        const open = await connected()
        const late = setTimeout(() => open.close(), answerMs)
        const answer = await open.ask(request).finally(() => clearTimeout(late))
        count(answer.status === 200 ? '200' : refusalOf(answer))
        return answer.status === 200 ? answer : undefined
      } catch {
        count('no answer')
        return undefined
      }
    },
    leave: async (request, afterMs) => {
      requests += 1
      const leaving = await openConnection(target)
      const answered = leaving.ask(request).catch(() => undefined)
      await delay(afterMs)
      leaving.close()
      await answered
      count('left')
    },
    tally: () => ({ requests, outcomes: { ...outcomes } }),
    close: () => connection?.close(),
  }
}

function refusalOf({ status, body }: WireAnswer): string {
  return `${status} ${/"code":"([A-Z_]+)"/.exec(body.toString())?.[1] ?? '-'}`
}
