import { decide, type Policy } from '../policy/decide.ts'
import { SigningError } from '../errors.ts'
import type { ClientConfig } from '../config/schema.ts'
import type { ClientIdentity } from '../identity/client.ts'
import type { Keyring, OpenedKey } from '../keys/key.ts'
import type { Root } from '../roots/resolve.ts'

/**
 * A client that was authenticated and is listed: in whose name an operation runs. `spend` is told of bytes that are read for it, for its
 * rate; what arrives with a request is counted already.
 */
export type Caller = Readonly<{ identity: ClientIdentity; client: ClientConfig; policy: Policy; spend?: (bytes: number) => void }>

/** Returns the roots this caller may name files in, in the order of the configuration. */
export function allowedRoots({ policy, identity }: Caller, roots: readonly Root[]): readonly Root[] {
  return roots.filter(({ name }) => decide(policy, identity, { kind: 'root', root: name }).kind === 'allow')
}

/** Returns the keys this caller may use, in the order of the configuration. */
export function allowedKeys({ policy, identity }: Caller, keyring: Keyring): readonly OpenedKey[] {
  return [...keyring.values()].filter(({ keyid }) => decide(policy, identity, { kind: 'key', keyid }).kind === 'allow')
}

/** Whether this caller may see signatures that were made for a client, and be told its name. */
export function maySee({ policy, identity }: Caller, client: string): boolean {
  return decide(policy, identity, { kind: 'signaturesOf', client }).kind === 'allow'
}

/** Returns whose signatures a search must keep to: those that were made for, or handed to, this client; undefined where the caller may see all. */
export function visibleTo({ client }: Caller): string | undefined {
  return client.sees === 'all' ? undefined : client.name
}

/**
 * Returns the key a caller named, or the only one it may use. A key that does not exist and one of somebody else get the same answer.
 * @throws SigningError `KEY_NOT_AVAILABLE`, `KEYID_REQUIRED`
 */
export function chooseKey(caller: Caller, keyring: Keyring, keyid?: string): OpenedKey {
  const keys = allowedKeys(caller, keyring)
  const key = keyid === undefined ? keys[0] : keys.find((candidate) => candidate.keyid === keyid)
  if (key === undefined) throw new SigningError('KEY_NOT_AVAILABLE', 'there is no such key that this client may use', { keyid })
  if (keyid === undefined && keys.length > 1) throw new SigningError('KEYID_REQUIRED', 'this client may use several keys, so the request must name one')
  return key
}
