import { constants, publicDecrypt, timingSafeEqual } from 'node:crypto'
import type { Buffer } from 'node:buffer'
import type { KeyObject } from 'node:crypto'
import { encodeDigestInfo } from './digest-info.ts'

/** What {@link verifySignature} compares: an RSA public key, the digest of the signed bytes (32 bytes), the raw signature. */
export type SignedDigest = Readonly<{ publicKey: KeyObject; sha256: Uint8Array; signature: Uint8Array }>

/**
 * Returns whether `signature` is the RSASSA-PKCS1-v1_5 signature of an already computed SHA-256 digest, what
 * `openssl dgst -sha256 -verify` says of the bytes behind the digest. False, never a throw, for any wrong signature.
 *
 * The whole encoded message is compared, not searched: the padding check leaves exactly one place for the DigestInfo, so nothing can
 * hide behind it (the forgeries against small exponents need such a place). A signature shorter or longer than the modulus is false.
 * @throws TypeError for a key that is not an RSA public key, or a digest that is not 32 bytes long
 * @see RFC 8017, section 8.2.2
 */
export function verifySignature({ publicKey, sha256, signature }: SignedDigest): boolean {
  if (publicKey.type !== 'public' || publicKey.asymmetricKeyType !== 'rsa') throw new TypeError('the key is not an RSA public key')
  const expected = encodeDigestInfo(sha256)
  const recovered = recover(publicKey, signature)
  return recovered !== undefined && recovered.length === expected.length && timingSafeEqual(recovered, expected)
}

/**
 * Returns the SHA-256 digest (32 bytes) that a signature of this key was made over, or undefined where this key made no such signature.
 * Says of a wrong signature whether it belongs to other bytes.
 * @throws TypeError for a key that is not an RSA public key
 * @see RFC 8017, section 8.2.2
 */
export function recoverDigest(publicKey: KeyObject, signature: Uint8Array): Buffer | undefined {
  if (publicKey.type !== 'public' || publicKey.asymmetricKeyType !== 'rsa') throw new TypeError('the key is not an RSA public key')
  const recovered = recover(publicKey, signature)
  const digest = recovered?.subarray(-DIGEST_BYTES)
  return digest?.length === DIGEST_BYTES && recovered?.equals(encodeDigestInfo(digest)) === true ? digest : undefined
}

const DIGEST_BYTES = 32

function recover(publicKey: KeyObject, signature: Uint8Array): Buffer | undefined {
  const modulusBytes = Math.ceil((publicKey.asymmetricKeyDetails?.modulusLength as number) / 8)
  if (signature.length !== modulusBytes) return undefined
  try {
    return publicDecrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, signature)
  } catch {
    return undefined
  }
}
