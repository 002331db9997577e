import { randomBytes } from 'node:crypto'
import { verifyMessage, verifySignature } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import type { HeldKey, OpenedKey } from './key.ts'

/**
 * Resolves when the key signs something random and the signature verifies. What it signed belongs to no file, so the signature is worth
 * nothing.
 * @throws SigningError `SIGNER_FAILED`, and what the key throws
 */
export async function probeKey(opened: Pick<OpenedKey & HeldKey, 'key' | 'publicKey'>): Promise<void> {
  if (!(await signsWell(opened))) throw new SigningError('SIGNER_FAILED', 'what the key signs does not verify')
}

async function signsWell({ key, publicKey }: Pick<OpenedKey & HeldKey, 'key' | 'publicKey'>): Promise<boolean> {
  const bytes = randomBytes(32)
  switch (key.kind) {
    case 'digest':
      return verifySignature({ publicKey, sha256: bytes, signature: await key.sign(bytes) })
    case 'message':
      return verifyMessage({ publicKey, message: bytes, signature: await key.sign({ kind: 'bytes', bytes }) })
  }
}
