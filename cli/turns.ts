/** Puts what finishes in any order back into the order of the listing. */
export type Turns<T> = Readonly<{
  /** Takes the outcome of a name; returns every outcome whose turn has come with it, in order. */
  take: (name: string, outcome: T) => readonly T[]
  /** Returns what still waits behind an unfinished name, in order; for a run that was cut off. */
  rest: () => readonly T[]
}>

/**
 * Returns turns for a listing. Only what overtook an unfinished name is held. A name that the listing has twice takes two turns; one
 * that it does not have comes out at the end.
 */
export function createTurns<T>(files: readonly string[]): Turns<T> {
  const early = new Map<string, T[]>()
  let next = 0
  const due = (): T[] => {
    const ready: T[] = []
    for (let name = files[next]; name !== undefined; name = files[next]) {
      const outcome = early.get(name)?.shift()
      if (outcome === undefined) break
      ready.push(outcome)
      next += 1
    }
    return ready
  }
  return {
    take: (name, outcome) => {
      const waiting = early.get(name)
      if (waiting === undefined) early.set(name, [outcome])
      else waiting.push(outcome)
      return due()
    },
    rest: () => {
      const left = files.slice(next).flatMap((name) => early.get(name)?.splice(0, 1) ?? [])
      return [...left, ...[...early.values()].flat()]
    },
  }
}
