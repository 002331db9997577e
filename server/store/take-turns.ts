/** Lets one piece of work run after the other, in the order in which they come. */
export type Turns = Readonly<{
  /** Returns what the work returns, once those before it are over, however they ended. */
  take<T>(work: () => Promise<T>): Promise<T>
  /** Resolves when everything that came so far is over. */
  settled(): Promise<void>
}>

/** Begins with nobody before. */
export function takeTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve()
  return {
    take: async (work) => {
      const turn = last.then(work)
      last = turn.catch(() => undefined)
      return await turn
    },
    settled: async () => void (await last),
  }
}
