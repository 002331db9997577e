import { createHash } from 'node:crypto'
import type { Keyring, OpenedKey } from '../keys/key.ts'
import type { Key, KeyList } from '../schemas/key.ts'
import { allowedKeys, type Caller } from './caller.ts'

/** Returns the public part of every key this caller may use. */
export function listKeys({ keyring }: Readonly<{ keyring: Keyring }>, caller: Caller): KeyList {
  return { keys: allowedKeys(caller, keyring).map(describeKey) }
}

/** Returns the public part of one key; never a private one. */
export function describeKey({ keyid, kind, algorithm, covers, publicKey, installedPath }: OpenedKey): Key {
  return {
    keyid,
    kind,
    algorithm,
    covers,
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }),
    spkiSha256: createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('hex'),
    ...(installedPath === undefined ? {} : { installedPath }),
  }
}
