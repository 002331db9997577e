import type { Keyring } from './key.ts'
import { daysUntil } from '../identity/notice.ts'
import { endOf, lifeOf, noticeDays } from './life.ts'

/** What is said of a key that ends soon: `daysLeft` are whole days, `notice` is 90, 30, 7, or 0 for one that has ended. */
export type ExpiryNotice = Readonly<{ keyid: string; endOf: 'key' | 'certificate'; endsAt: string; daysLeft: number; notice: number; successor?: string }>

/** What is watched, by which clock, who is told, and how often it is looked at. */
export type ExpiryWatchOptions = Readonly<{ keyring: () => Keyring; clock: () => Date; tell: (notice: ExpiryNotice) => void; everyMs?: number }>

const HALF_A_DAY_MS = 43_200_000

/**
 * Tells of every key in use that ends within 90 days: now, and again when 30, 7 and no days are left. `look` looks
 * at once, for keys that were opened anew. It does not keep the process alive; `close` ends it.
 */
export function watchExpiry({ keyring, clock, tell, everyMs = HALF_A_DAY_MS }: ExpiryWatchOptions): Readonly<{ look(): void; close(): void }> {
  const told = new Map<string, string>()
  const look = (): void => {
    const now = clock()
    for (const key of keyring().values()) {
      const end = endOf(key)
      const notice = end === undefined ? undefined : noticeDays(end, now)
      if (end === undefined || notice === undefined) continue
      const what = `${end.at.toISOString()} ${notice}`
      if (told.get(key.keyid) === what) continue
      told.set(key.keyid, what)
      const { successor } = lifeOf(key)
      tell({ keyid: key.keyid, endOf: end.of, endsAt: end.at.toISOString(), daysLeft: Math.max(0, daysUntil(end.at, now)), notice, ...(successor === undefined ? {} : { successor }) })
    }
  }
  look()
  const timer = setInterval(look, everyMs).unref()
  return { look, close: () => clearInterval(timer) }
}
