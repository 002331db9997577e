/**
 * Runs `work` over `items`, at most `limit` at once, and yields the results as they finish. When the consumer stops, or one
 * `work` throws, no further item is started and the running ones are waited for, so that nothing they hold is torn away. What has finished
 * and nobody has taken counts as running: a slow reader slows the work down.
 */
export async function* inFlight<Item, Result>(items: Iterable<Item>, limit: number, work: (item: Item) => Promise<Result>): AsyncGenerator<Result, void, undefined> {
  const finished: (() => Result)[] = []
  let running = 0
  let wake: (() => void) | undefined
  const isRunning = (): boolean => running > 0
  const oneIsOver = async (): Promise<void> => await new Promise((resolve) => { wake = resolve })
  const run = async (item: Item): Promise<void> => {
    running += 1
    try {
      const result = await work(item)
      finished.push(() => result)
    } catch (error) {
      finished.push(() => { throw error })
    }
    running -= 1
    wake?.()
  }
  const next = async (): Promise<Result> => {
    if (finished.length === 0) await oneIsOver()
    return (finished.shift() as () => Result)()
  }
  try {
    for (const item of items) {
      if (running + finished.length >= limit) yield await next()
      void run(item)
    }
    while (running + finished.length > 0) yield await next()
  } finally {
    while (isRunning()) await oneIsOver()
  }
}
