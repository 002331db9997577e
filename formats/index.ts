/** The byte formats of AIX package signing, published as `signing-server/formats`: no file, no network, no clock. */
export { FORMAT_ERROR_CODES, FormatError } from './error.ts'
export type { FormatErrorCode } from './error.ts'

export { VRMF_PART_MAX, formatVrmf, normaliseVrmf, parseVrmf } from './installp/vrmf.ts'
export type { Vrmf } from './installp/vrmf.ts'
export { NAME_BYTES_MAX, checkFtype, checkName } from './installp/name.ts'
export { formatLppName, parseLppName } from './installp/lpp-name.ts'
export type { LppName, LppNameFileset } from './installp/lpp-name.ts'
export { createBffReader } from './installp/bff.ts'
export type { BffHandlers, BffReader } from './installp/bff.ts'
export type { FileRecord, VolumeRecord } from './installp/bff-record.ts'
export { bffChunks, writeBff } from './installp/bff-writer.ts'
export type { BffMember, BffOptions, SizedChunks } from './installp/bff-writer.ts'
export { packageChunks, writePackage } from './installp/package-writer.ts'
export type { PackageFileset, PackagePayload, PackageSource } from './installp/package-writer.ts'
export { createPackageScanner } from './installp/scan.ts'
export type { InstallpScan, PackageScan, PackageScanner } from './installp/scan.ts'

export {
  SIGNATURE_FILE_HEADER, SIGNATURE_FILE_RECORDS_MAX,
  formatSignatureFile, formatSignatureRecord, parseSignatureFile,
} from './signature/file.ts'
export type { SignatureFileOptions, SignatureRecord } from './signature/file.ts'
export { SHA256_DIGEST_INFO_PREFIX, encodeDigestInfo } from './signature/digest-info.ts'
export { verifySignature } from './signature/verify.ts'
export type { SignedDigest } from './signature/verify.ts'
export { DSB_EYE_CATCHER, createDsbDetector } from './signature/dsb.ts'
export type { DsbDetector } from './signature/dsb.ts'
