import { randomBytes } from 'node:crypto'
import { verifySignature } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import type { Key, OpenedKey } from './key.ts'

/**
 * Resolves when the key signs a random digest and the signature verifies. The digest belongs to no file, so the signature is worth nothing.
 * @throws SigningError `SIGNER_FAILED`, and what `Key.sign` throws
 */
export async function probeKey({ key, publicKey }: Pick<OpenedKey & { key: Key }, 'key' | 'publicKey'>): Promise<void> {
  const sha256 = randomBytes(32)
  const signature = await key.sign(sha256)
  if (!verifySignature({ publicKey, sha256, signature })) throw new SigningError('SIGNER_FAILED', 'what the key signs does not verify')
}
