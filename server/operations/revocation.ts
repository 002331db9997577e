import { SigningError } from '../errors.ts'
import type { Keyring } from '../keys/key.ts'
import { isRevoked, lifeOf } from '../keys/life.ts'
import type { Signature } from '../schemas/signature.ts'

/** Returns a signature of the catalogue, which says so where its key is revoked by now. */
export function withRevocation(signature: Signature, keyring: Keyring): Signature {
  const key = keyring.get(signature.keyid)
  if (key === undefined || !isRevoked(key)) return signature
  const { revokedAt, revocationReason: reason } = lifeOf(key)
  return { ...signature, keyRevoked: { ...(revokedAt === undefined ? {} : { at: revokedAt.toISOString() }), ...(reason === undefined ? {} : { reason }) } }
}

/**
 * Refuses to hand out again what a key signed that is revoked by now.
 * @throws SigningError `KEY_REVOKED`
 */
export function refuseRevoked({ keyid }: Pick<Signature, 'keyid'>, keyring: Keyring): void {
  const key = keyring.get(keyid)
  if (key !== undefined && isRevoked(key)) throw new SigningError('KEY_REVOKED', `key ${keyid}, with which this was signed, is revoked`)
}
