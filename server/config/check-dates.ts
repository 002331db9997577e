import type { Report } from './cross-check.ts'
import type { Place } from './fault.ts'

/** Reports dates of a thing that are not in the calendar, or not in their order. */
export function checkDates({ notBefore, notAfter }: Readonly<{ notBefore?: string | undefined; notAfter?: string | undefined }> = {}, place: Place, report: Report): void {
  for (const [name, text] of Object.entries({ notBefore, notAfter })) {
    if (text !== undefined && !isDate(text)) report([...place, name], 'is no time of the calendar')
  }
  if (notBefore !== undefined && notAfter !== undefined && notBefore >= notAfter) report([...place, 'notAfter'], 'is not after notBefore')
}

/** Whether a time is in the calendar: JavaScript makes the second of March of the thirtieth of February. */
export function isDate(text: string): boolean {
  const time = new Date(text)
  return !Number.isNaN(time.getTime()) && time.toISOString() === text.replace('Z', '.000Z')
}
