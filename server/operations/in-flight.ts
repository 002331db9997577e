/**
 * Runs `work` over `items`, at most `limit` at once, and yields the results as they finish. When the consumer stops, or one
 * `work` throws, no further item is started and the running ones are waited for, so that nothing they hold is torn away.
 */
export async function* inFlight<Item, Result>(items: Iterable<Item>, limit: number, work: (item: Item) => Promise<Result>): AsyncGenerator<Result, void, undefined> {
  const running = new Map<symbol, Promise<readonly [symbol, Result]>>()
  try {
    for (const item of items) {
      if (running.size >= limit) yield await takeFirst(running)
      const id = Symbol('work')
      running.set(id, work(item).then((result) => [id, result] as const))
    }
    while (running.size > 0) yield await takeFirst(running)
  } finally {
    await Promise.allSettled(running.values())
  }
}

async function takeFirst<Result>(running: Map<symbol, Promise<readonly [symbol, Result]>>): Promise<Result> {
  const [id, result] = await Promise.race(running.values())
  running.delete(id)
  return result
}
