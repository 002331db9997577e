import type { KeyObject } from 'node:crypto'
import type { SigningAlgorithm } from '../schemas/key.ts'

/** A private key that signs a digest that was already computed. It has this one method, so that back ends compose by wrapping. */
export interface Key {
  /**
   * Returns the RSASSA-PKCS1-v1_5 signature (RFC 8017 section 8.2) over `sha256`, 32 raw bytes; its length is the modulus length.
   * @throws SigningError `SERVER_BUSY` or `SIGNER_BUSY` when the waiting line for the key is full, `SIGNER_FAILED` when the key cannot
   * sign; of a token also `SIGNER_NOT_AVAILABLE` and `SIGNER_TIMEOUT`
   */
  sign(sha256: Buffer): Promise<Buffer>
}

/**
 * What signed bytes a record of this key is known to cover. `file`: the whole package file, and every signature is verified.
 * `unverified`: a wrapped command whose signed bytes are not known; chosen by name in the configuration, shown in every answer.
 */
export type Covers = 'file' | 'unverified'

/** An opened key of the configuration. `key` signs in this process, or through it in a token; a key of kind `command` is used by the wrapped command alone. */
export type OpenedKey = Readonly<
  {
    /** Decimal, 1 to 10 digits: `dsc_key.id` on AIX. */
    keyid: string
    algorithm: SigningAlgorithm
    publicKey: KeyObject
    /** The modulus length in bytes, which is the length of every signature. */
    signatureBytes: number
    /** Where the public key lies on the AIX targets, when the configuration says so. */
    installedPath?: string
    /** A certificate of this key, PEM, when the configuration names one. */
    certificatePem?: string
  } & ({ kind: 'file' | 'pkcs11'; covers: 'file'; key: Key } | { kind: 'command'; covers: Covers })
>

/** The opened keys by keyid, in the order of the configuration. */
export type Keyring = ReadonlyMap<string, OpenedKey>
