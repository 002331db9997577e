import type { RefusalEntry } from '../../formats/index.ts'

/** How many refusals that are alike are written one by one within how many milliseconds, and how many kinds are counted at once. */
export type RefusalCountOptions = Readonly<{ most: number; windowMs: number; kinds: number }>

/** Counts refusals that are alike: of one certificate, for one operation, with one code. */
export type RefusalCount = Readonly<{
  /** Whether this one is to be written by itself. If not, it is in the number that follows when the window is over. */
  admits(entry: RefusalEntry): boolean
  /** Ends every window. */
  close(): Promise<void>
}>

type Window = { readonly entry: RefusalEntry; readonly timer: NodeJS.Timeout; written: number; more: number }

/**
 * Returns a count that keeps whoever repeats a refused request from filling the log. A window opens with the first refusal of its kind; what
 * exceeds `most` is written as one entry with a `count` when it closes. When there are more `kinds` at once, the oldest window closes early;
 * so the memory is bounded.
 */
export function createRefusalCount({ most = 60, windowMs = 60_000, kinds = 10_000, more }: Partial<RefusalCountOptions> & Readonly<{ more: (entry: RefusalEntry) => Promise<void> }>): RefusalCount {
  const windows = new Map<string, Window>()
  const end = async ([kind, { timer, entry, more: count }]: readonly [string, Window]): Promise<void> => {
    windows.delete(kind)
    clearTimeout(timer)
    if (count > 0) await more({ ...entry, count })
  }
  const open = (kind: string, entry: RefusalEntry): Window => {
    const [oldest] = windows
    if (windows.size === kinds && oldest !== undefined) void end(oldest)
    const window: Window = { entry, timer: setTimeout(() => void end([kind, window]), windowMs).unref(), written: 0, more: 0 }
    windows.set(kind, window)
    return window
  }
  return {
    admits: (entry) => {
      const kind = `${entry.spki} ${entry.operation} ${entry.code}`
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
