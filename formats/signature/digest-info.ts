import { Buffer } from 'node:buffer'

/** The length of a SHA-256 digest in bytes. */
const SHA256_BYTES = 32

/**
 * The DER bytes before a SHA-256 digest in a PKCS#1 v1.5 signature: SEQUENCE { SEQUENCE { sha256, NULL }, OCTET STRING of 32 bytes }.
 * Hex text, because a shared Buffer could be written to.
 * @see RFC 8017, section 9.2, note 1
 */
export const SHA256_DIGEST_INFO_PREFIX = '3031300d060960864801650304020105000420'

/**
 * Returns the DigestInfo of a SHA-256 digest (19 + 32 bytes), the value that RSA PKCS#1 v1.5 pads and signs.
 * @throws TypeError for a digest that is not 32 bytes long
 */
export function encodeDigestInfo(sha256: Uint8Array): Buffer {
  if (sha256.length !== SHA256_BYTES) throw new TypeError('a SHA-256 digest has 32 bytes')
  return Buffer.concat([Buffer.from(SHA256_DIGEST_INFO_PREFIX, 'hex'), sha256])
}
