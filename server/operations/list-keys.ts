import { acceptanceOf } from '../keys/acceptance.ts'
import type { Keyring, OpenedKey } from '../keys/key.ts'
import { lifeOf, type KeyLife } from '../keys/life.ts'
import { spkiSha256 } from '../keys/spki.ts'
import type { Key, KeyList } from '../schemas/key.ts'
import { allowedKeys, type Caller } from './caller.ts'

/** Returns the public part of every key this caller may use. */
export function listKeys({ keyring }: Readonly<{ keyring: Keyring }>, caller: Caller): KeyList {
  return { keys: allowedKeys(caller, keyring).map(describeKey) }
}

/** Returns the public part of one key; never a private one. */
export function describeKey(key: OpenedKey): Key {
  const { keyid, kind, algorithm, covers, publicKey, installedPath } = key
  return {
    keyid,
    kind,
    algorithm,
    covers,
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }),
    spkiSha256: spkiSha256(publicKey),
    ...(installedPath === undefined ? {} : { installedPath }),
    ...describeLife(lifeOf(key)),
    acceptedBy: acceptanceOf(key),
  }
}

function describeLife({ state, successor, revocationReason, ...times }: KeyLife): Pick<Key, 'state' | 'notBefore' | 'notAfter' | 'certificateNotAfter' | 'successor' | 'revokedAt' | 'revocationReason'> {
  const texts = Object.fromEntries(Object.entries(times).map(([name, time]) => [name, time.toISOString()]))
  return { state, ...texts, ...(successor === undefined ? {} : { successor }), ...(revocationReason === undefined ? {} : { revocationReason }) }
}
