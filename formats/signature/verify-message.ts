import { verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** The algorithms that sign whole messages and never a digest: ECDSA on P-256 with SHA-256 (DER), Ed25519, ML-DSA-65 (pure, no context). */
export type MessageAlgorithm = 'ecdsa-p256-sha256' | 'ed25519' | 'ml-dsa-65'

/** What {@link verifyMessage} judges: a public key of a {@link MessageAlgorithm}, the whole message, the raw signature. */
export type SignedMessage = Readonly<{ publicKey: KeyObject; message: Uint8Array; signature: Uint8Array }>

/** Returns the algorithm of a key that signs whole messages, private or public; undefined for every other key, RSA among them. */
export function messageAlgorithm({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): MessageAlgorithm | undefined {
  // The type is compared as text: Node knows the name of ML-DSA only where its OpenSSL does.
  const type: string | undefined = asymmetricKeyType
  if (type === 'ed25519' || type === 'ml-dsa-65') return type
  return type === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1' ? 'ecdsa-p256-sha256' : undefined
}

/**
 * Returns whether `signature` is one over the whole message: for ECDSA what `openssl dgst -sha256 -verify` says (DER, RFC 3279 section
 * 2.2.3), for the others what `openssl pkeyutl -verify -rawin` does. False, never a throw, for any wrong signature.
 * @throws TypeError for a key of any other algorithm, and for a private one
 * @see FIPS 186-5; RFC 8032; FIPS 204
 */
export function verifyMessage({ publicKey, message, signature }: SignedMessage): boolean {
  const algorithm = messageAlgorithm(publicKey)
  if (publicKey.type !== 'public' || algorithm === undefined) throw new TypeError('the key is no ECDSA P-256, Ed25519 or ML-DSA-65 public key')
  return verify(algorithm === 'ecdsa-p256-sha256' ? 'sha256' : null, message, publicKey, signature)
}
