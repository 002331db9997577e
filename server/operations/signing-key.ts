import type { Keyring, OpenedKey } from '../keys/key.ts'
import { signingFault } from '../keys/life.ts'
import { allowedKeys, chooseKey, type Caller } from './caller.ts'

/** The keys of the server, and the time. */
export type SigningKeys = Readonly<{ keyring: Keyring; clock: () => Date }>

/**
 * Returns the key a caller named, or the only one that it may use and that signs now: in a change of keys the old and the new one need
 * not be told apart by those who name none.
 * @throws SigningError `KEY_NOT_AVAILABLE`, `KEYID_REQUIRED`, `KEY_REVOKED`, `KEY_RETIRED`, `KEY_EXPIRED`, `KEY_NOT_YET_VALID`
 */
export function chooseSigningKey(caller: Caller, { keyring, clock }: SigningKeys, keyid?: string): OpenedKey {
  const now = clock()
  const [signing, another] = keyid === undefined ? allowedKeys(caller, keyring).filter((key) => signingFault(key, now) === undefined) : []
  if (signing !== undefined && another === undefined) return signing
  const key = chooseKey(caller, keyring, keyid)
  const fault = signingFault(key, now)
  if (fault !== undefined) throw fault
  return key
}
