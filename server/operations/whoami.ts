import type { Keyring } from '../keys/key.ts'
import type { Root } from '../roots/resolve.ts'
import type { Whoami } from '../schemas/whoami.ts'
import { allowedKeys, allowedRoots, type Caller } from './caller.ts'

/** Returns who the server takes the caller for, and what it may do. */
export function whoami({ keyring, roots }: Readonly<{ keyring: Keyring; roots: readonly Root[] }>, caller: Caller): Whoami {
  const { client, identity } = caller
  return {
    name: client.name,
    sans: [...identity.sans],
    spkiSha256: identity.spkiSha256,
    notAfter: identity.notAfter.toISOString(),
    allow: [...client.allow],
    keys: allowedKeys(caller, keyring).map(({ keyid }) => keyid),
    roots: allowedRoots(caller, roots).map(({ name }) => name),
  }
}
