import { daysUntil, dueNotice } from './notice.ts'
import type { Validity } from './validity.ts'

/** What of the TLS configuration ends: the server's certificates, the authorities of the clients, the revocation lists; of several the first. */
export type ValidityNotice = Readonly<{ what: 'cert' | 'clientCa' | 'crl'; endsAt: string; daysLeft: number; notice: number }>

export type ValidityWatchOptions = Readonly<{
  validity: () => Validity
  clock: () => Date
  tell: (notice: ValidityNotice) => void
  /** Called when clients' authorities or lists have ended, and every minute from then on: who was let in with them must not stay. */
  ended: () => void
}>

const [HALF_A_DAY_MS, MINUTE_MS] = [43_200_000, 60_000]

/** How many days before somebody should hear of it. A list is renewed every few days, so three months ahead would be always. */
const NOTICE_DAYS = { cert: [7, 30, 90], clientCa: [7, 30, 90], crl: [1, 3, 7] } as const

type End = Readonly<{ what: ValidityNotice['what']; at: Date }>

/**
 * Tells of what ends soon or has ended: now, when another notice becomes due, and at `look`, which follows a reload. It does not keep the
 * process alive; `close` ends it.
 */
export function watchValidity({ validity, clock, tell, ended }: ValidityWatchOptions): Readonly<{ look(): void; close(): void }> {
  const told = new Map<string, string>()
  let timer: NodeJS.Timeout | undefined
  const look = (): void => {
    clearTimeout(timer)
    const [ends, now] = [endsOf(validity()), clock()]
    for (const end of ends) {
      const notice = noticeOf(end, now)
      const text = JSON.stringify(notice?.notice === undefined ? null : [notice.endsAt, notice.notice])
      if (notice !== undefined && told.get(end.what) !== text) tell(notice)
      told.set(end.what, text)
    }
    const lets = ends.filter(({ what }) => what !== 'cert').map(({ at }) => at.getTime() - now.getTime())
    const hasEnded = lets.some((left) => left <= 0)
    timer = setTimeout(look, hasEnded ? MINUTE_MS : Math.min(HALF_A_DAY_MS, ...lets)).unref()
    if (hasEnded) ended()
  }
  look()
  return { look, close: () => clearTimeout(timer) }
}

function endsOf({ serverNotAfter, clientCaNotAfter, crlNextUpdate }: Validity): readonly End[] {
  return [{ what: 'cert', at: serverNotAfter }, { what: 'clientCa', at: clientCaNotAfter }, ...(crlNextUpdate === undefined ? [] : [{ what: 'crl', at: crlNextUpdate } as const])]
}

function noticeOf({ what, at }: End, now: Date): ValidityNotice | undefined {
  const notice = dueNotice<number>(at, now, NOTICE_DAYS[what])
  return notice === undefined ? undefined : { what, endsAt: at.toISOString(), daysLeft: Math.max(0, daysUntil(at, now)), notice }
}
