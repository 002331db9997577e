/**
 * The closed list of everything that can go wrong, named for the fact. `http/problems.ts` gives each code its status and
 * title, `docs/errors.md` its cause and remedy; a test compares the three.
 */
export const ERROR_CODES = [
  // the request
  'REQUEST_MALFORMED',
  'REQUEST_INVALID',
  'REQUEST_TIMEOUT',
  'REQUEST_ABORTED',
  'HEADERS_TOO_LARGE',
  'BODY_MALFORMED',
  'BODY_TOO_LARGE',
  'CONTENT_TYPE_UNSUPPORTED',
  'ROUTE_NOT_FOUND',
  'IDEMPOTENCY_KEY_MALFORMED',
  'IDEMPOTENCY_KEY_REUSED',
  'REQUEST_IN_PROGRESS',
  // the client
  'CLIENT_UNKNOWN',
  'CLIENT_NOT_YET_VALID',
  'CLIENT_EXPIRED',
  'OPERATION_DENIED',
  'FORMAT_NOT_ALLOWED',
  'FILESET_NOT_ALLOWED',
  'SIGNATURE_COUNT_REACHED',
  'RATE_LIMITED',
  'CLIENT_BUSY',
  // where
  'PATH_MALFORMED',
  'PATH_OUTSIDE_ROOTS',
  'PATH_UNREADABLE',
  'FILE_NAME_REFUSED',
  'FILE_KIND_REFUSED',
  'FILE_CHANGED',
  'FILE_TOO_LARGE',
  'DIRECTORY_TOO_LARGE',
  // what
  'NOT_A_PACKAGE',
  'PACKAGE_MALFORMED',
  'DSB_MALFORMED',
  'DSB_STACKED',
  'FORMAT_NOT_ACCEPTED',
  // what was sent
  'DIGEST_MALFORMED',
  'DIGEST_MISMATCH',
  'DIGEST_NOT_ALLOWED',
  'DIGEST_NOT_SIGNABLE',
  // what was signed before
  'FILESET_LEVEL_ALREADY_SIGNED',
  'RESIGN_NOT_ALLOWED',
  'CONTENT_UNAVAILABLE',
  // the key and the signer
  'KEYID_REQUIRED',
  'KEY_NOT_AVAILABLE',
  'KEY_NOT_SUITABLE',
  'KEY_NOT_YET_VALID',
  'KEY_EXPIRED',
  'KEY_RETIRED',
  'KEY_REVOKED',
  'SIGNER_BUSY',
  'SIGNER_NOT_AVAILABLE',
  'SIGNER_TIMEOUT',
  'SIGNER_FAILED',
  'SIGNER_OUTPUT_TOO_LARGE',
  'SIGNER_NO_RECORD',
  'SIGNER_RECORD_MALFORMED',
  'SIGNER_SIGNATURE_TRUNCATED',
  'SIGNER_RECORD_MISMATCH',
  'SIGNATURE_INVALID',
  // what is kept
  'SIGNATURE_NOT_FOUND',
  'TILE_NOT_FOUND',
  'FORM_NOT_AVAILABLE',
  'STORE_FAILED',
  'STORAGE_FULL',
  // the server
  'SERVER_BUSY',
  'SHUTTING_DOWN',
  'INTERNAL',
] as const

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number]

/** Facts for the log, never for the client: they may name absolute paths. */
export type ErrorFacts = Readonly<Record<string, unknown>>

/**
 * The one error that crosses module borders. `message` is a safe sentence that a client may read: no absolute server path,
 * no command output, no secret. Everything else belongs in `facts` or `cause`, which only the log sees.
 */
export class SigningError extends Error {
  override readonly name = 'SigningError'
  readonly code: ErrorCode
  readonly facts: ErrorFacts

  constructor(code: ErrorCode, message: string, { cause, ...facts }: { cause?: unknown } & ErrorFacts = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.facts = facts
  }
}

/** Returns whatever was thrown as a SigningError: an error that is not ours is `INTERNAL`, whose sentence says nothing of it. */
export function asSigningError(error: unknown): SigningError {
  return error instanceof SigningError ? error : new SigningError('INTERNAL', 'something went wrong inside the server', { cause: error })
}
