import { constants, privateEncrypt } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { encodeDigestInfo } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import type { SigningAlgorithm } from '../schemas/key.ts'

/** What a key can do, found once when it is opened. `signatureBytes` is the modulus length in bytes. */
export type RsaAlgorithm = Readonly<{ algorithm: SigningAlgorithm; signatureBytes: number }>

/** The task of a worker thread that signs. `sha256`: 32 raw bytes. */
export type SignTask = Readonly<{ kind: 'sign'; privateKey: KeyObject; sha256: Uint8Array }>

const ALGORITHMS: ReadonlyMap<number, RsaAlgorithm> = new Map([
  [2048, { algorithm: 'rsa-2048-sha256', signatureBytes: 256 }],
  [3072, { algorithm: 'rsa-3072-sha256', signatureBytes: 384 }],
  [4096, { algorithm: 'rsa-4096-sha256', signatureBytes: 512 }],
])

/**
 * Returns the algorithm of an RSA key, private or public, or the fault that makes it unusable as the end of a sentence that begins with
 * "the key": another kind of key (RSA-PSS too), another modulus length, a public exponent below 65537.
 * @see FIPS 186-5, appendix A.1.1 (the exponent)
 */
export function rsaAlgorithm(key: KeyObject): RsaAlgorithm | string {
  if (key.asymmetricKeyType !== 'rsa') return `is of type ${String(key.asymmetricKeyType)}; an RSA key is needed`
  const { modulusLength, publicExponent } = key.asymmetricKeyDetails as { modulusLength: number; publicExponent: bigint }
  const algorithm = ALGORITHMS.get(modulusLength)
  if (algorithm === undefined) return `has ${modulusLength} bits; 2048, 3072 or 4096 are needed`
  if (publicExponent < 65_537n) return `has the public exponent ${publicExponent}; 65537 is usual, less is refused`
  return algorithm
}

/**
 * Returns the RSASSA-PKCS1-v1_5 signature over a SHA-256 digest (32 raw bytes), the bytes that `crypto.sign('sha256', …)` makes of
 * the data behind it, without reading that data again. Synchronous: 0.2 ms (2048 bits) to 1.5 ms (4096), for a worker thread.
 * @throws SigningError `SIGNER_FAILED`
 * @see RFC 8017, section 8.2.1
 */
export function signDigest(privateKey: KeyObject, sha256: Uint8Array): Buffer {
  const digestInfo = encodeDigestInfo(sha256)
  try {
    return privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, digestInfo)
  } catch (cause) {
    throw new SigningError('SIGNER_FAILED', 'the key could not sign', { cause })
  }
}
