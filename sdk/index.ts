/** The client of the signing server, published as `signing-server`. */
export { createClient } from './client.ts'
export type {
  Client, ClientOptions, ExportKeyRequest, ExportSignatureRequest, FindSignaturesRequest, GetKeyRequest, GetSignatureRequest, GetTileRequest, ListFilesRequest, Replayable,
  SignAnswerFor, SignedEvent, SignUploadCallOptions, SignUploadRequest, UploadCallOptions, VerifyUploadRequest,
} from './client.ts'
export type { CallOptions, ExportedFile, SignCallOptions } from './call.ts'
export type { KeyOptions } from './idempotency.ts'
export type { Upload, UploadSource } from './upload.ts'
export type { RetryOptions } from './retry.ts'
export type { Address } from './connection-fault.ts'
export type { Pem } from './credentials.ts'
export { CONNECTION_ERROR_CODES, ConnectionError, ProblemError } from './problem.ts'
export type { ConnectionErrorCode } from './problem.ts'
export { OPERATIONS } from './generated/operations.ts'
export type { OperationId } from './request.ts'
export { attachDsb, describeFile, detachDsb, examineFile, givenSignature, guessForm, isRecordOf, LOCAL_FILE_ERROR_CODES, LocalFileError, verifyOffline, placeFile, readLogKey, verifyProof, verifyReceipt, writeNewFile } from './local.ts'
export type {
  AttachedDsb, AttachOptions, DescribedFile, Destination, Detached, LocalFileErrorCode, OfflineRequest, OfflineVerification, Placing, Proven, ReadOptions, SignatureFile,
  UnprovenReason,
} from './local.ts'
export { auditLog } from './log-audit.ts'
export type { AuditedClient, AuditProgress, LogAuditOptions, LogAuditReport, LogHistory } from './log-audit.ts'
export type { AuditFinding } from './log-finding.ts'
export type {
  BatchAnswer, BatchOutcome, DigestItem, ErrorCode, FileEntry, ExportForm, FileKind, FileList, Fileset, Format, FoundSignature, GivenSignature, InvalidReason, Key, KeyForm, Keyid, KeyList, LogAudit, LogFinding, Operation, Problem, Receipt,
  SignAgainRequest, SignAnswer, Signature, SignatureForm, SignatureList, SignatureRecord, SignBatchRequest, SignDigestRequest, SignEvent, SigningAlgorithm, SignPathRequest, SignRequest, SkipReason,
  Verification, VerifyDigestRequest, VerifyPathRequest, VerifyRequest, Warning, Whoami,
} from './generated/schema.ts'
export { formatSignatureRecord, SIGNATURE_FILE_HEADER } from '../formats/index.ts'
export type { LogEntry, SignatureEntry } from '../formats/index.ts'
