import type { FileHandle } from 'node:fs/promises'
import type { SignatureRecord } from '../../formats/index.ts'
import type { OpenedKey } from '../keys/key.ts'
import type { InstallpInfo } from '../packages/package-info.ts'

/** A package that is open and was inspected: what a signer needs, and nothing that it would have to look up by path again. */
export type SignablePackage = Readonly<{
  handle: FileHandle
  /** The base name, for messages and for the name of the private copy. */
  filename: string
  sizeBytes: number
  /** SHA-256 of the whole file, 32 raw bytes. */
  sha256: Buffer
  info: InstallpInfo
}>

/** Makes the signature records of one package. Two kinds stand behind it: the embedded signer and the wrapped command. */
export interface Signer {
  /**
   * Returns one record per fileset, as the signature file has them. Whether they name the right package and verify is checked by
   * the caller; that they are well-formed is the signer's promise.
   * @throws SigningError `SIGNER_…`, `SERVER_BUSY`, `STORAGE_FULL`, `FILE_CHANGED`
   */
  sign(signable: SignablePackage, key: OpenedKey, signal?: AbortSignal): Promise<readonly SignatureRecord[]>
}

/** A signer with its lifetime: helper process, waiting line, health. */
export interface OpenedSigner extends Signer {
  readonly kind: 'embedded' | 'command'
  /** How many packages wait for their turn; 0 for a signer without a line of its own. */
  waiting(): number
  /** Resolves when the signer can do its work (command present and executable, helper alive); otherwise rejects with the SigningError. */
  probe(): Promise<void>
  close(): Promise<void>
}
