import type { KeyObject } from 'node:crypto'
import type { SigningAlgorithm } from '../schemas/key.ts'
import type { KeyLife } from './life.ts'

/** A private key that signs a digest that was already computed: RSA. It has this one method, so that back ends compose by wrapping. */
export type DigestKey = Readonly<{
  kind: 'digest'
  /**
   * Returns the RSASSA-PKCS1-v1_5 signature (RFC 8017 section 8.2) over `sha256`, 32 raw bytes; its length is the modulus length.
   * @throws SigningError `SERVER_BUSY` or `SIGNER_BUSY` when the waiting line for the key is full, `SIGNER_FAILED` when the key cannot
   * sign; of a token also `SIGNER_NOT_AVAILABLE` and `SIGNER_TIMEOUT`
   */
  sign(sha256: Buffer): Promise<Buffer>
}>

/** A private key that signs nothing but whole messages: ECDSA P-256, Ed25519, ML-DSA-65. */
export type MessageKey = Readonly<{
  kind: 'message'
  /** The largest file that it signs, and that its signatures are verified over: `limits.wholeFileBytes`. */
  maxBytes: number
  /**
   * Returns the signature over the whole message; whoever asks has looked at its size. `signal` drops what has not begun yet.
   * @throws SigningError `SERVER_BUSY`, `SIGNER_FAILED`; of a file also `FILE_CHANGED` when its bytes are not those of `sha256`, `PATH_UNREADABLE`
   */
  sign(message: Message, signal?: AbortSignal): Promise<Buffer>
}>

/** A private key, by what it signs. */
export type Key = DigestKey | MessageKey

/**
 * What a message key signs: bytes, or the first `sizeBytes` bytes of a file that is open as `fd` and had `fileBytes` when it was opened;
 * `sha256` (32 raw bytes) is that of the bytes that are meant.
 */
export type Message = Readonly<
  | { kind: 'bytes'; bytes: Uint8Array }
  | { kind: 'file'; fd: number; fileBytes: number; sizeBytes: number; sha256: Uint8Array }
>

/**
 * What signed bytes a record of this key is known to cover. `file`: the whole package file, and every signature is verified.
 * `unverified`: a wrapped command whose signed bytes are not known; chosen by name in the configuration, shown in every answer.
 */
export type Covers = 'file' | 'unverified'

/** A key that the server signs with: `file` a PKCS#8 file, `pkcs12` a keystore, `pkcs11` a token; `public`: signed with, nothing but the public part is left. */
export type HeldKind = 'file' | 'pkcs12' | 'pkcs11' | 'public'

/** An opened key of the configuration. `key` signs in this process, or through it in a token; a key of kind `command` is used by the wrapped command alone. */
export type OpenedKey = Readonly<
  {
    /** Decimal, 1 to 10 digits: `dsc_key.id` on AIX. */
    keyid: string
    algorithm: SigningAlgorithm
    publicKey: KeyObject
    /** The length of every RSA signature, the modulus length; of the other algorithms the most bytes that a signature can have. */
    signatureBytes: number
    /** Where the public key lies on the AIX targets, when the configuration says so. */
    installedPath?: string
    /** A certificate of this key, PEM, when the configuration names one or the keystore has one. */
    certificatePem?: string
    /** Its state and its dates; absent for one that is active and has no end. */
    life?: KeyLife
  } & (HeldKey | { kind: 'command'; covers: Covers })
>

/** The part of an {@link OpenedKey} that is there when the server signs with it. */
export type HeldKey = Readonly<{ kind: HeldKind; covers: 'file'; key: Key }>

/** The opened keys by keyid, in the order of the configuration. */
export type Keyring = ReadonlyMap<string, OpenedKey>

/** Whether the server signs with the key itself, or has its token sign; or did, until the private part was destroyed. */
export function isHeld(key: OpenedKey): key is OpenedKey & HeldKey {
  return key.kind !== 'command'
}
