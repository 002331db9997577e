import { SigningError } from '../errors.ts'

/** From `since` up to, not including, `until`: RFC 3339 in UTC with milliseconds, as every time of the catalogue is written. */
export type TimeWindow = Readonly<{ since?: string; until?: string }>

/**
 * Returns a window of time in the spelling of the catalogue, so that its times compare as texts.
 * @throws SigningError `REQUEST_INVALID` for what is not RFC 3339, or a window that ends before it begins
 */
export function normaliseWindow({ since, until }: TimeWindow): TimeWindow {
  const window = { ...(since === undefined ? {} : { since: normaliseTime('since', since) }), ...(until === undefined ? {} : { until: normaliseTime('until', until) }) }
  if (window.since !== undefined && window.until !== undefined && window.since > window.until) throw new SigningError('REQUEST_INVALID', 'the query parameter since is after until')
  return window
}

const RFC_3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$/

/** The catalogue writes years of four digits; an offset can lead out of them. */
const FIRST_MS = Date.parse('0000-01-01T00:00:00.000Z')
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z')

function normaliseTime(name: string, text: string): string {
  const [, date, minute = '', second = '', fraction = '', offset = ''] = RFC_3339.exec(text) ?? []
  const startMs = date === undefined ? Number.NaN : Date.parse(`${date}T${minute}:00${offset.toUpperCase()}`)
  if (Number.isNaN(startMs)) throw new SigningError('REQUEST_INVALID', `the query parameter ${name} is no time of RFC 3339, such as 2026-11-24T09:15:00Z`)
  // Both ends of the window belong to what comes later, so what is finer than the catalogue is rounded up. The 60th second is the next minute's first.
  const finer = /[1-9]/.test(fraction.slice(3)) ? 1 : 0
  const ms = startMs + Number(second) * 1000 + Number(fraction.slice(0, 3).padEnd(3, '0')) + finer
  return new Date(Math.min(Math.max(ms, FIRST_MS), LAST_MS)).toISOString()
}
