import { acceptanceOf } from '../keys/acceptance.ts'
import { signsMessages } from '../keys/algorithms.ts'
import type { OpenedKey } from '../keys/key.ts'
import { daysUntil } from '../identity/notice.ts'
import { endOf, lifeOf, noticeDays } from '../keys/life.ts'
import type { Warning } from '../schemas/sign.ts'

/** What a person should know of every signature that this key makes now. */
export function keyWarnings(key: OpenedKey, now: Date): readonly Warning[] {
  return [...formWarnings(key), ...acceptanceWarnings(key), ...lifeWarnings(key, now)]
}

function formWarnings({ covers, keyid, algorithm, installedPath }: OpenedKey): readonly Warning[] {
  const unverified = { code: 'SIGNATURE_UNVERIFIED', detail: `what the command behind key ${keyid} signs is not known, so its signatures were not verified` } as const
  const unprecedented = { code: 'DSB_WITHOUT_PRECEDENT', detail: `key ${keyid} has 3072 bits: no published Digital Signature Block has such a signature; prefer 2048 or 4096` } as const
  const hasBlocks = installedPath !== undefined
  return [...(covers === 'unverified' ? [unverified] : []), ...(hasBlocks && algorithm === 'rsa-3072-sha256' ? [unprecedented] : [])]
}

/** A key that makes nothing but detached signatures, which the OpenSSL of AIX 7.2 does not verify. */
function acceptanceWarnings(key: OpenedKey): readonly Warning[] {
  const { verdict, because } = acceptanceOf(key)['openssl-1.0.2']
  if (!signsMessages(key.algorithm) || verdict !== 'no') return []
  return [{ code: 'KEY_NOT_ACCEPTED', detail: `OpenSSL 1.0.2, which AIX 7.2 still has, does not verify ${key.algorithm} of key ${key.keyid}: ${because}` }]
}

function lifeWarnings(key: OpenedKey, now: Date): readonly Warning[] {
  const { state, successor } = lifeOf(key)
  const next = successor === undefined ? '' : `; its successor is ${successor}`
  const retiring = { code: 'KEY_RETIRING', detail: `key ${key.keyid} is being retired${next}` } as const
  return [...(state === 'retiring' ? [retiring] : []), ...endWarnings(key, { now, next })]
}

function endWarnings(key: OpenedKey, { now, next }: Readonly<{ now: Date; next: string }>): readonly Warning[] {
  const end = endOf(key)
  const notice = end === undefined ? undefined : noticeDays(end, now)
  if (end === undefined || notice === undefined) return []
  const what = end.of === 'key' ? `key ${key.keyid}` : `the certificate of key ${key.keyid}`
  if (notice === 0) return [{ code: 'KEY_EXPIRED', detail: `${what} ended at ${end.at.toISOString()}${next}` }]
  return [{ code: 'KEY_EXPIRES_SOON', detail: `${what} ends at ${end.at.toISOString()}, in ${daysUntil(end.at, now)} days (notice of ${notice} days)${next}` }]
}

/** What a person should know of the key of a valid signature: that it signs no more. */
export function endedWarnings(key: OpenedKey, now: Date): readonly Warning[] {
  const { state, notAfter } = lifeOf(key)
  if (state === 'retired') return [{ code: 'KEY_RETIRED', detail: `key ${key.keyid} is retired; what it signed stays valid` }]
  if (notAfter === undefined || now < notAfter) return []
  return [{ code: 'KEY_EXPIRED', detail: `key ${key.keyid} ended at ${notAfter.toISOString()}; what it signed stays valid` }]
}
