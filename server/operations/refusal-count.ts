/** How many refusals that are alike are let through one by one within how many milliseconds, and how many kinds are counted at once. */
export type RefusalCountOptions = Readonly<{ most: number; windowMs: number; kinds: number }>

/** Counts refusals that are alike. */
export type RefusalCount<Entry> = Readonly<{
  /** Whether this one is to be written by itself. If not, it is in the number that follows when the window is over. */
  admits(entry: Entry): boolean
  /** Ends every window. */
  close(): Promise<void>
}>

/** What makes two refusals alike, and where the first of its kind goes, with how many more there were, when its window is over. */
type Counting<Entry> = Readonly<{ kindOf: (entry: Entry) => string; more: (entry: Entry, count: number) => Promise<void> | void }>

type Window<Entry> = { readonly entry: Entry; readonly timer: NodeJS.Timeout; written: number; more: number }

/**
 * Returns a count that keeps whoever repeats a refused request from filling a log. A window opens with the first refusal of its kind; what
 * exceeds `most` is told as one number when it closes. When there are more `kinds` at once, the oldest window closes early; so the memory
 * is bounded.
 */
export function createRefusalCount<Entry>({ most = 60, windowMs = 60_000, kinds = 10_000, kindOf, more }: Partial<RefusalCountOptions> & Counting<Entry>): RefusalCount<Entry> {
  const windows = new Map<string, Window<Entry>>()
  const end = async ([kind, { timer, entry, more: count }]: readonly [string, Window<Entry>]): Promise<void> => {
    windows.delete(kind)
    clearTimeout(timer)
    if (count > 0) await more(entry, count)
  }
  const open = (kind: string, entry: Entry): Window<Entry> => {
    const [oldest] = windows
    if (windows.size === kinds && oldest !== undefined) void end(oldest)
    const window: Window<Entry> = { entry, timer: setTimeout(() => void end([kind, window]), windowMs).unref(), written: 0, more: 0 }
    windows.set(kind, window)
    return window
  }
  return {
    admits: (entry) => {
      const kind = kindOf(entry)
      const window = windows.get(kind) ?? open(kind, entry)
      if (window.written === most) {
        window.more += 1
        return false
      }
      window.written += 1
      return true
    },
    close: async () => void (await Promise.all([...windows].map(end))),
  }
}
