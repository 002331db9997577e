import type { Keyring } from '../keys/key.ts'
import type { Key } from '../schemas/key.ts'
import { chooseKey, type Caller } from './caller.ts'
import { describeKey } from './list-keys.ts'

/**
 * Returns the public part of one key. One that does not exist and one of somebody else get the same answer.
 * @throws SigningError `KEY_NOT_AVAILABLE`
 */
export function getKey({ keyring }: Readonly<{ keyring: Keyring }>, caller: Caller, keyid: string): Key {
  return describeKey(chooseKey(caller, keyring, keyid))
}
