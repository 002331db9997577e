const DAY_MS = 86_400_000

/** Returns the notice that is due for an end, of those in rising order of days: 0 from the end on; undefined as long as there is time. */
export function dueNotice<Days extends number>(at: Date, now: Date, notices: readonly Days[]): Days | 0 | undefined {
  const left = at.getTime() - now.getTime()
  return left <= 0 ? 0 : notices.find((days) => left <= days * DAY_MS)
}

/** Returns how many whole days are left until a time; less than 0 for one that has come. */
export function daysUntil(at: Date, now: Date): number {
  return Math.floor((at.getTime() - now.getTime()) / DAY_MS)
}
