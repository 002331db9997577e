/** The client of the signing server, published as `signing-server`. */
export { createClient } from './client.ts'
export type { Client, ClientOptions, GetKeyRequest, GetSignatureRequest, ListFilesRequest } from './client.ts'
export type { CallOptions } from './call.ts'
export type { RetryOptions } from './retry.ts'
export type { Address } from './connection-fault.ts'
export type { Pem } from './credentials.ts'
export { CONNECTION_ERROR_CODES, ConnectionError, ProblemError } from './problem.ts'
export type { ConnectionErrorCode } from './problem.ts'
export { OPERATIONS } from './generated/operations.ts'
export type { OperationId } from './request.ts'
export type {
  ErrorCode, FileEntry, FileKind, FileList, Key, Keyid, KeyList, Operation, Problem, SignAnswer, Signature, SignatureRecord,
  SignEvent, SigningAlgorithm, SignRequest, SkipReason, Warning, Whoami,
} from './generated/schema.ts'
export { formatSignatureRecord, SIGNATURE_FILE_HEADER } from '../formats/index.ts'
