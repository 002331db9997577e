import type { SignatureRecord } from '../../formats/index.ts'
import type { OpenedKey } from '../keys/key.ts'
import type { InstallpInfo } from '../packages/package-info.ts'

/**
 * What is to be signed: its digest, and its content where the server has it. Nothing here has to be looked up by path again.
 */
export type Signable = Readonly<{
  /** The base name, for messages and for the name of the private copy. */
  filename: string
  /** How many bytes are signed; an open file may be longer, by a Digital Signature Block. */
  sizeBytes: number
  /** SHA-256 of the signed bytes, 32 raw bytes. */
  sha256: Buffer
  /** What the records are made of; absent for what gets a detached signature. A digest whose package was described has no build time. */
  info?: InstallpInfo
  /** The open file and its size; absent for a digest alone. */
  file?: Readonly<{ fd: number; fileBytes: number }>
}>

/** A signature in padded base64, and the records that carry it; a detached signature has no records. */
export type Made = Readonly<{ signature: string; records: readonly SignatureRecord[] }>

/** Makes the signature of one file. Two kinds stand behind it: the embedded signer and the wrapped command. */
export interface Signer {
  /**
   * Returns the signature, with one record per fileset for a package, as the signature file has them. Whether they name the right
   * package and verify is checked by the caller; that they are well-formed is the signer's promise.
   * @throws SigningError `SIGNER_…`, `SERVER_BUSY`, `STORAGE_FULL`, `FILE_CHANGED`; `FORMAT_NOT_ACCEPTED`, `DIGEST_NOT_SIGNABLE` for what
   * this kind of signer cannot sign
   */
  sign(signable: Signable, key: OpenedKey, signal?: AbortSignal): Promise<Made>
}

/** A signer with its lifetime: helper process, waiting line, health. */
export interface OpenedSigner extends Signer {
  readonly kind: 'embedded' | 'command'
  /** How many files wait for their turn; 0 for a signer without a line of its own. */
  waiting(): number
  /** Resolves when the signer can do its work (command present and executable, helper alive); otherwise rejects with the SigningError. */
  probe(): Promise<void>
  close(): Promise<void>
}
