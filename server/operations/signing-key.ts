import { isHeld, type Keyring, type OpenedKey } from '../keys/key.ts'
import { lifeOf, signingFault } from '../keys/life.ts'
import { allowedKeys, chooseKey, type Caller } from './caller.ts'

/** The keys of the server, and the time. */
export type SigningKeys = Readonly<{ keyring: Keyring; clock: () => Date }>

/**
 * Returns the key a caller named, or the only one that it may use and that signs now: in a change of keys the old and the new one need
 * not be told apart by those who name none. As long as a key is `retiring` it goes before its successor, for the targets know it.
 * @throws SigningError `KEY_NOT_AVAILABLE`, `KEYID_REQUIRED`, `KEY_REVOKED`, `KEY_RETIRED`, `KEY_EXPIRED`, `KEY_NOT_YET_VALID`
 */
export function chooseSigningKey(caller: Caller, { keyring, clock }: SigningKeys, keyid?: string): OpenedKey {
  const now = clock()
  const candidates = keyid === undefined ? allowedKeys(caller, keyring).filter((key) => signingFault(key, now) === undefined) : []
  const [signing, another] = candidates.filter((key) => !candidates.some((other) => isOverlap(other, key)))
  if (signing !== undefined && another === undefined) return signing
  const key = chooseKey(caller, keyring, keyid)
  const fault = signingFault(key, now)
  if (fault !== undefined) throw fault
  return key
}

/**
 * Returns the keys that sign along with a key, in the order of the configuration: its successor while it is `retiring`, and the keys that are
 * `retiring` and whose successor it is; those that the caller may use, and that sign now. A wrapped command has one key of its own, which
 * no other signs along with.
 */
export function keysAlong(caller: Caller, { keyring, clock }: SigningKeys, key: OpenedKey): readonly OpenedKey[] {
  const now = clock()
  const others = isHeld(key) ? allowedKeys(caller, keyring).filter((other) => isOverlap(key, other) || isOverlap(other, key)) : []
  return others.filter((other) => isHeld(other) && signingFault(other, now) === undefined)
}

/** Whether a key is on its way out and another one takes over. */
function isOverlap(old: OpenedKey, next: OpenedKey): boolean {
  const { state, successor } = lifeOf(old)
  return state === 'retiring' && successor === next.keyid
}
