/** Returns a time as the configuration spells it: `2026-11-24T09:15:00Z`. */
export function wholeSecond(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`
}
