import { SigningError } from '../errors.ts'
import type { Keyring } from '../keys/key.ts'
import type { Signature } from '../schemas/signature.ts'
import type { Catalogued, Store } from '../store/store.ts'
import { maySee, type Caller } from './caller.ts'
import { withRevocation } from './revocation.ts'

type Seeing = Pick<Store, 'get' | 'wasHandedTo'>

/**
 * Returns a signature of the catalogue that this caller may see: made for it, or handed to it when it asked for the same. One that does not exist and one of somebody else get the same answer.
 * @throws SigningError `SIGNATURE_NOT_FOUND`, `STORE_FAILED`
 */
export async function getSignature({ store, keyring }: Readonly<{ store: Seeing; keyring: Keyring }>, caller: Caller, id: string): Promise<Signature> {
  return withRevocation((await visibleSignature(store, caller, id)).signature, keyring)
}

/** Returns a signature of the catalogue and what is known of it besides, as {@link getSignature}. @throws SigningError `SIGNATURE_NOT_FOUND`, `STORE_FAILED` */
export async function visibleSignature(store: Seeing, caller: Caller, id: string): Promise<Catalogued> {
  const found = await store.get(id.toLowerCase())
  if (found === undefined || !(await sees(store, caller, found))) throw new SigningError('SIGNATURE_NOT_FOUND', 'there is no such signature that this client may see')
  return found
}

/** Whether this caller may see a signature of the catalogue, and be told for whom it was made. @throws SigningError `STORE_FAILED` */
export async function sees(store: Pick<Store, 'wasHandedTo'>, caller: Caller, { signature, client }: Catalogued): Promise<boolean> {
  return maySee(caller, client) || (await store.wasHandedTo(signature.id, caller.client.name))
}
