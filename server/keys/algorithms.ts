import type { KeyObject } from 'node:crypto'
import { messageAlgorithm } from '../../formats/index.ts'
import type { SigningAlgorithm } from '../schemas/key.ts'
import { rsaAlgorithm } from './rsa.ts'

/** What a key can do, found once when it is opened. `signatureBytes` as in `OpenedKey`; `signs` is the kind of `Key` that it makes. */
export type KeyAlgorithm = Readonly<{ algorithm: SigningAlgorithm; signatureBytes: number; signs: 'digest' | 'message' }>

/**
 * The most bytes that signatures have: two integers of 33 bytes in DER (RFC 3279, section 2.2.3), of which most have one or two bytes
 * less; 64 (RFC 8032, section 5.1.6); 3309 (FIPS 204, table 2).
 */
const MESSAGE_SIGNATURE_BYTES = { 'ecdsa-p256-sha256': 72, ed25519: 64, 'ml-dsa-65': 3309 } as const

/**
 * Returns the algorithm of a key, private or public, or the fault that makes it unusable as the end of a sentence that begins with
 * "the key".
 */
export function keyAlgorithm(key: KeyObject): KeyAlgorithm | string {
  const algorithm = messageAlgorithm(key)
  if (algorithm !== undefined) return { algorithm, signatureBytes: MESSAGE_SIGNATURE_BYTES[algorithm], signs: 'message' }
  if (key.asymmetricKeyType === 'ec') return `is an EC key on the curve ${String(key.asymmetricKeyDetails?.namedCurve)}; P-256 (prime256v1) is needed`
  if (key.asymmetricKeyType !== 'rsa') return `is of type ${String(key.asymmetricKeyType)}; an RSA, ECDSA P-256, Ed25519 or ML-DSA-65 key is needed`
  const rsa = rsaAlgorithm(key)
  return typeof rsa === 'string' ? rsa : { ...rsa, signs: 'digest' }
}

/** Whether a signature of a key can have a length: it has just one, but for ECDSA, whose integers have no leading zeros. */
export function fitsLength({ algorithm, signatureBytes }: Pick<KeyAlgorithm, 'algorithm' | 'signatureBytes'>, length: number): boolean {
  return algorithm === 'ecdsa-p256-sha256' ? length <= signatureBytes : length === signatureBytes
}

/** Whether signatures of an algorithm are made over a whole message and never over a digest. */
export function signsMessages(algorithm: SigningAlgorithm): boolean {
  return Object.hasOwn(MESSAGE_SIGNATURE_BYTES, algorithm)
}
