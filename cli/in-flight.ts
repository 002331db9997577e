/** What is done with each item; `signal` is aborted when the others need not go on. */
export type Work<T, R> = (item: T, signal: AbortSignal) => Promise<R>

/**
 * Yields what `work` makes of each item, as it is finished, with at most `limit` under way at once. When one throws, or the loop is left,
 * the others are told to stop and waited for, and no more are begun.
 */
export async function* inFlight<T, R>(items: Iterable<T>, { limit, signal }: Readonly<{ limit: number; signal: AbortSignal }>, work: Work<T, R>): AsyncGenerator<R, void, undefined> {
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const running = new Map<symbol, Promise<readonly [symbol, R]>>()
  const begin = (item: T): void => {
    const place = Symbol('running')
    running.set(place, work(item, both).then((result) => [place, result] as const))
  }
  const finished = async (): Promise<R> => {
    const [place, result] = await Promise.race(running.values())
    running.delete(place)
    return result
  }
  try {
    for (const item of items) {
      if (running.size >= limit) yield await finished()
      begin(item)
    }
    while (running.size > 0) yield await finished()
  } finally {
    stop.abort()
    await Promise.allSettled(running.values())
  }
}
