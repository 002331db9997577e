import { hash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

const known = new WeakMap<KeyObject, string>()

/** Returns the SHA-256 of a public key, DER SubjectPublicKeyInfo, in hexadecimal: which key it is, whatever it is called. */
export function spkiSha256(publicKey: KeyObject): string {
  const before = known.get(publicKey)
  if (before !== undefined) return before
  const sha256 = hash('sha256', publicKey.export({ type: 'spki', format: 'der' }))
  known.set(publicKey, sha256)
  return sha256
}
