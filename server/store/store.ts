import type { Signature } from '../schemas/signature.ts'

/** Where a signed file lay, so that a listing can say which of its files are signed. The root by name, never an absolute path. */
export type SignedFile = Readonly<{ root: string; relativePath: string; sizeBytes: number; modifiedAtMs: number }>

/** A verified signature with what the catalogue keeps beside it; `file` where the server could read it itself. */
export type CatalogueEntry = Readonly<{ signature: Signature; client: string; spkiSha256: string; file?: SignedFile }>

/** A signature of the catalogue and the name of the client it was made for. */
export type Catalogued = Readonly<{ signature: Signature; client: string }>

/** The catalogue: everything that was ever signed. One resource with a lifetime, so more than one method. */
export interface Store {
  /**
   * Records one signature durably; when the promise resolves the row survives a power cut. Calls of the same moment are committed together.
   * @throws SigningError `STORE_FAILED`, `STORAGE_FULL`
   */
  record(entry: CatalogueEntry): Promise<void>
  /** The signature with this id (UUID), or undefined. @throws SigningError `STORE_FAILED` */
  get(id: string): Promise<Catalogued | undefined>
  /** The signatures over this SHA-256 (64 hexadecimal digits), newest first, at most 100. @throws SigningError `STORE_FAILED` */
  findByDigest(sha256: string): Promise<readonly Catalogued[]>
  /** Of these files of one root those whose latest signature was made at this very size and modification time, by relativePath. @throws SigningError `STORE_FAILED` */
  signedAmong(root: string, files: readonly Omit<SignedFile, 'root'>[]): Promise<ReadonlySet<string>>
  /** Resolves when the store accepts writes. @throws SigningError `STORE_FAILED` */
  probe(): Promise<void>
  close(): Promise<void>
}
