import { verifySignature } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import { signsMessages } from '../keys/algorithms.ts'
import type { OpenedKey } from '../keys/key.ts'
import type { Inspector } from '../packages/inspect.ts'
import type { Made, Signable } from '../signers/signer.ts'

/** A signature that was made, over what, with which key. */
export type MadeSignature = Readonly<{ made: Made; signable: Signable; key: OpenedKey; signal?: AbortSignal }>

/**
 * Resolves when everything that was made verifies with the public key: against the digest for RSA, against the file itself, read again,
 * for a key that signs whole files. Nothing leaves before; only of a key that covers what nobody knows nothing can be verified.
 * @throws SigningError `SIGNATURE_INVALID`, `FILE_CHANGED`, `PATH_UNREADABLE`, and what the threads throw
 */
export async function verifyMade(inspector: Pick<Inspector, 'verifyMessage'>, { made, signable, key, signal }: MadeSignature): Promise<void> {
  if (key.covers === 'unverified') return
  const valid = signsMessages(key.algorithm) ? await isOverFile(inspector, { made, signable, key, ...(signal === undefined ? {} : { signal }) }) : isOverDigest({ made, signable, key })
  if (!valid) throw new SigningError('SIGNATURE_INVALID', 'the signature that was made does not verify with the public key')
}

function isOverDigest({ made: { signature, records }, signable: { sha256 }, key: { publicKey } }: MadeSignature): boolean {
  const signatures = new Set([signature, ...records.map((record) => record.signature)])
  return [...signatures].every((text) => verifySignature({ publicKey, sha256, signature: Buffer.from(text, 'base64') }))
}

async function isOverFile(inspector: Pick<Inspector, 'verifyMessage'>, { made, signable: { file, sizeBytes, sha256 }, key: { publicKey }, signal }: MadeSignature): Promise<boolean> {
  // Such a key makes no records, and no signature over what nobody has.
  if (file === undefined || made.records.length > 0) return false
  return await inspector.verifyMessage({ ...file, sizeBytes }, { publicKey, signature: Buffer.from(made.signature, 'base64'), sha256 }, signal)
}
