import { X509Certificate } from 'node:crypto'
import { SigningError } from '../errors.ts'
import { dueNotice } from '../identity/notice.ts'
import type { KeyState } from '../schemas/key.ts'
import type { OpenedKey } from './key.ts'

/**
 * Where a key is in its life. Whatever the state, it signs from `notBefore` on and not any more at `notAfter`; the end of its certificate
 * ends nothing, but is as good a reason to have a successor.
 */
export type KeyLife = Readonly<{ state: KeyState; notBefore?: Date; notAfter?: Date; successor?: string; certificateNotAfter?: Date; revokedAt?: Date; revocationReason?: string }>

/** The members of the configuration of a key that are about its life; times in RFC 3339. */
export type LifeConfig = Readonly<{ state?: KeyState | undefined; notBefore?: string | undefined; notAfter?: string | undefined; successor?: string | undefined; revokedAt?: string | undefined; revocationReason?: string | undefined }>

/** When a key or its certificate ends. */
export type KeyEnd = Readonly<{ of: 'key' | 'certificate'; at: Date }>

/** How many days before the end of a key somebody should hear of it. */
export const NOTICE_DAYS = [7, 30, 90] as const

/** Returns the life of a key from its configuration and its certificate. */
export function readLife({ state = 'active', notBefore, notAfter, successor, revokedAt, revocationReason }: LifeConfig, certificatePem?: string): KeyLife {
  return {
    state,
    ...(notBefore === undefined ? {} : { notBefore: new Date(notBefore) }),
    ...(notAfter === undefined ? {} : { notAfter: new Date(notAfter) }),
    ...(successor === undefined ? {} : { successor }),
    ...(certificatePem === undefined ? {} : { certificateNotAfter: new X509Certificate(certificatePem).validToDate }),
    ...(revokedAt === undefined ? {} : { revokedAt: new Date(revokedAt) }),
    ...(revocationReason === undefined ? {} : { revocationReason }),
  }
}

/** Returns the life of a key; one of which nothing is said is active, without an end. */
export function lifeOf({ life }: Pick<OpenedKey, 'life'>): KeyLife {
  return life ?? { state: 'active' }
}

/** Whether a key is in a state in which it signs; its dates are not asked for. */
export function isInUse(key: Pick<OpenedKey, 'life'>): boolean {
  const { state } = lifeOf(key)
  return state === 'active' || state === 'retiring'
}

/** Whether nothing that a key signed is to be trusted any more. */
export function isRevoked(key: Pick<OpenedKey, 'life'>): boolean {
  return lifeOf(key).state === 'revoked'
}

/** Returns why a key does not sign now; undefined for one that does. */
export function signingFault(key: Pick<OpenedKey, 'keyid' | 'life'>, now: Date): SigningError | undefined {
  const { state, notBefore, notAfter, successor } = lifeOf(key)
  const next = successor === undefined ? '' : `; its successor is ${successor}`
  if (state === 'revoked') return new SigningError('KEY_REVOKED', `key ${key.keyid} is revoked${next}`)
  if (state === 'retired') return new SigningError('KEY_RETIRED', `key ${key.keyid} is retired${next}`)
  if (notAfter !== undefined && now >= notAfter) return new SigningError('KEY_EXPIRED', `key ${key.keyid} ended at ${notAfter.toISOString()}${next}`)
  if (notBefore !== undefined && now < notBefore) return new SigningError('KEY_NOT_YET_VALID', `key ${key.keyid} begins at ${notBefore.toISOString()}`)
  return undefined
}

/** Returns when a key or its certificate ends, whichever is first; undefined for a key without an end and one that is not in use. */
export function endOf(key: Pick<OpenedKey, 'life'>): KeyEnd | undefined {
  const { notAfter, certificateNotAfter } = lifeOf(key)
  if (!isInUse(key)) return undefined
  const ends: readonly KeyEnd[] = [
    ...(notAfter === undefined ? [] : [{ of: 'key', at: notAfter } as const]),
    ...(certificateNotAfter === undefined ? [] : [{ of: 'certificate', at: certificateNotAfter } as const]),
  ]
  return ends.toSorted((one, two) => one.at.getTime() - two.at.getTime())[0]
}

/** Returns the notice that is due for an end: 90, 30 or 7 days before, 0 from the end on; undefined as long as there is time. */
export function noticeDays({ at }: KeyEnd, now: Date): (typeof NOTICE_DAYS)[number] | 0 | undefined {
  return dueNotice(at, now, NOTICE_DAYS)
}
