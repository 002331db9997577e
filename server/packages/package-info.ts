import type { Brand } from '../schemas/brand.ts'

/** SHA-256 as 64 lower-case hexadecimal digits. */
export type Sha256Hex = Brand<string, 'Sha256Hex'>

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

/** What one streaming pass over an open file found. `sha256` is 32 raw bytes over the whole file. */
export type PackageInfo = Readonly<{ sizeBytes: number; sha256: Buffer } & ({ kind: 'installp'; installp: InstallpInfo } | { kind: 'toc' } | { kind: 'other' })>
