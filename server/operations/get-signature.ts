import { SigningError } from '../errors.ts'
import type { Signature } from '../schemas/signature.ts'
import type { Store } from '../store/store.ts'
import { maySee, type Caller } from './caller.ts'

/**
 * Returns a signature of the catalogue that this caller may see. One that does not exist and one of somebody else get the same answer.
 * @throws SigningError `SIGNATURE_NOT_FOUND`, `STORE_FAILED`
 */
export async function getSignature({ store }: Readonly<{ store: Store }>, caller: Caller, id: string): Promise<Signature> {
  const found = await store.get(id.toLowerCase())
  if (found === undefined || !maySee(caller, found.client)) throw new SigningError('SIGNATURE_NOT_FOUND', 'there is no such signature that this client may see')
  return found.signature
}
