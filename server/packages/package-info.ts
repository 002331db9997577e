import type { Format } from '../schemas/format.ts'

/** What an installp package says about itself in `./lpp_name`, with the two times a record may carry. */
export type InstallpInfo = Readonly<{
  package: string
  ftype: string
  filesets: readonly Readonly<{ fileset: string; vrmf: string }>[]
  /** Date of the volume record: seconds since 1970-01-01 UTC. */
  builtAt: number
  /** Modification time of `./lpp_name`: seconds since 1970-01-01 UTC. */
  lppNameModifiedAt: number
}>

/** The Digital Signature Block that ends a package: raw signature region and key path, as formats/signature/dsb.ts has them. */
export type DsbInfo = Readonly<{ signature: Buffer; keyPath?: string }>

/**
 * What a signature over a file is judged by: the bytes it would cover, a block at their end, and, where they are a sound package, what
 * that says of itself. `sizeBytes` and `sha256` as in {@link PackageInfo}.
 */
export type Examined = Readonly<{ sizeBytes: number; sha256: Buffer; installp?: InstallpInfo; dsb?: DsbInfo }>

/**
 * What one streaming pass over an open file found. `sizeBytes` and `sha256` (32 raw bytes) are of the bytes that a signature
 * covers: the whole file, without a Digital Signature Block at the end of a package. A file that is not signed was not read to its end.
 */
export type PackageInfo = Readonly<
  | { kind: 'installp'; sizeBytes: number; sha256: Buffer; installp: InstallpInfo; dsb?: DsbInfo }
  | { kind: 'detached'; sizeBytes: number; sha256: Buffer; format: Format }
  | { kind: 'toc' }
  | { kind: 'refused'; format: Format }
>
