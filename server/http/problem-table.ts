import type { ErrorCode } from '../errors.ts'

/** What the edge adds to a code: the HTTP status, the fixed title, whether the same request may succeed later, and what to do next. */
export type ProblemKind = Readonly<{ status: number; title: string; retryable: boolean; hint: string }>

const once = (status: number, title: string, hint: string): ProblemKind => ({ status, title, retryable: false, hint })
const later = (status: number, title: string, hint: string): ProblemKind => ({ status, title, retryable: true, hint })

const SEE_LOG = 'Tell the administrator of the server the request id; the log has the details.'

/** The only place where a code meets a status. docs/errors.md explains each code; a test compares both ways. */
export const PROBLEM_KINDS: Readonly<Record<ErrorCode, ProblemKind>> = {
  REQUEST_MALFORMED: once(400, 'Not an HTTP request', 'Check what the client sends; the service speaks HTTP/1.1 over TLS 1.3.'),
  REQUEST_INVALID: once(400, 'Request invalid', 'Mend the members named in `errors`; GET /openapi.yaml has the schema.'),
  REQUEST_TIMEOUT: later(408, 'Request too slow', 'Send the whole request within the time limit.'),
  REQUEST_ABORTED: later(499, 'Client went away', 'Nobody reads this answer; it stands in log and metrics.'),
  HEADERS_TOO_LARGE: once(431, 'Header fields too large', 'Send fewer or shorter header fields.'),
  BODY_MALFORMED: once(400, 'Body is not JSON', 'Send a JSON object, encoded in UTF-8.'),
  BODY_TOO_LARGE: once(413, 'Body too large', 'Send a smaller body.'),
  CONTENT_TYPE_UNSUPPORTED: once(415, 'Content type not supported', 'Send `Content-Type: application/json`.'),
  ROUTE_NOT_FOUND: once(404, 'No such route', 'GET /openapi.yaml lists the routes and their methods.'),
  IDEMPOTENCY_KEY_MALFORMED: once(400, 'Idempotency-Key malformed', 'Send one key of 1 to 255 visible ASCII characters, such as a UUID, bare or in double quotes.'),
  IDEMPOTENCY_KEY_REUSED: once(422, 'Idempotency-Key used before', 'Use a new key for each new request, and the same key only to repeat the very same request.'),
  REQUEST_IN_PROGRESS: later(409, 'Request in progress', 'The first request with this Idempotency-Key still runs; try again after the time in Retry-After.'),

  CLIENT_UNKNOWN: once(403, 'Client not listed', 'Ask the administrator to list this certificate under `clients`.'),
  CLIENT_NOT_YET_VALID: later(403, 'Client not yet valid', 'Wait until the time that `detail` names, or ask the administrator for another `notBefore`.'),
  CLIENT_EXPIRED: once(403, 'Client expired', 'Ask the administrator for another `notAfter`.'),
  OPERATION_DENIED: once(403, 'Operation not allowed', 'GET /whoami shows what this client may do.'),
  FORMAT_NOT_ALLOWED: once(403, 'Format not allowed', 'GET /whoami shows the formats that this client may have signed.'),
  FILESET_NOT_ALLOWED: once(403, 'Fileset not allowed', 'GET /whoami shows the filesets that this client may have signed.'),
  SIGNATURE_COUNT_REACHED: once(403, 'No more signatures for this client', 'Ask the administrator for a larger `maxSignatures`, or for another client; what was signed is still handed out.'),
  RATE_LIMITED: later(429, 'Too many requests', 'Wait for the time in Retry-After; RateLimit in every answer shows what is left.'),
  CLIENT_BUSY: later(429, 'Too many requests at once', 'Let one of the running requests end, then try again after the time in Retry-After.'),

  PATH_MALFORMED: once(400, 'Path malformed', 'Send an absolute path without `..`, `.`, empty parts or control characters.'),
  PATH_OUTSIDE_ROOTS: once(403, 'Path outside the roots', 'Check the spelling; GET /files without a path lists the roots of this client.'),
  PATH_UNREADABLE: once(403, 'Path unreadable', 'Make the path readable for the user that runs the server.'),
  FILE_NAME_REFUSED: once(422, 'File name refused', 'Rename the file: printable UTF-8 without control characters.'),
  FILE_KIND_REFUSED: once(422, 'Not a regular file', 'Name a regular file or a directory.'),
  FILE_CHANGED: later(409, 'File changed', 'Wait until nobody writes the file, then sign it again.'),
  FILE_TOO_LARGE: once(413, 'File too large', 'Ask the administrator to raise the limit that `detail` names.'),
  DIRECTORY_TOO_LARGE: once(413, 'Directory too large', 'Sign its parts one by one, or ask the administrator to raise `limits.directoryEntries`.'),

  NOT_A_PACKAGE: once(422, 'Not a package', 'Name an installp package image (backup file format).'),
  PACKAGE_MALFORMED: once(422, 'Package malformed', 'Build the package again; it is damaged or not made like an installp image.'),
  DSB_MALFORMED: once(422, 'Signature block malformed', 'Remove the damaged Digital Signature Block from the end of the package, then sign it again.'),
  DSB_STACKED: once(422, 'More than one signature block', 'Remove every Digital Signature Block from the end of the package, then sign it again.'),
  FORMAT_NOT_ACCEPTED: once(422, 'Format not accepted', 'Ask the administrator to add the format to `formats.accept`.'),

  DIGEST_MALFORMED: once(400, 'Digest header malformed', 'Send `Content-Digest: sha-256=:<base64>:` (RFC 9530).'),
  DIGEST_MISMATCH: once(400, 'Digest differs', 'Send the file again; what arrived is not what the digest was made of.'),
  DIGEST_NOT_ALLOWED: once(403, 'Digest alone not allowed', 'Send the file, or ask the administrator for `digestOnly`.'),
  DIGEST_NOT_SIGNABLE: once(422, 'Digest alone cannot be signed', 'Send the file, or name it by path: the signer needs its bytes.'),

  FILESET_LEVEL_ALREADY_SIGNED: once(409, 'Level signed before with other content', 'Raise the level of the fileset; or send `resign: true`, where the policy of this client allows it.'),
  RESIGN_NOT_ALLOWED: once(403, 'Signing anew not allowed', 'Ask the administrator for `resign`, or leave the member out.'),
  CONTENT_UNAVAILABLE: once(409, 'Content not available', 'Send the file itself where you have it, or build it again.'),

  KEYID_REQUIRED: once(400, 'Key not named', 'Send `keyid`; GET /keys lists the keys of this client.'),
  KEY_NOT_AVAILABLE: once(403, 'Key not available', 'GET /keys lists the keys of this client.'),
  KEY_NOT_SUITABLE: once(422, 'Key not suitable', 'Name an RSA key: what AIX installs takes no other; GET /keys shows the algorithm of each.'),
  KEY_NOT_YET_VALID: later(422, 'Key not yet valid', 'Name another key, or wait; GET /keys shows the dates of each.'),
  KEY_EXPIRED: once(422, 'Key expired', 'Name its successor; GET /keys shows the dates of each key.'),
  KEY_RETIRED: once(422, 'Key retired', 'Name its successor; GET /keys shows the state of each key.'),
  KEY_REVOKED: once(422, 'Key revoked', 'Name another key, and sign again what this one signed; GET /keys shows the state of each.'),
  SIGNER_BUSY: later(503, 'Signer busy', 'Try again after the time in Retry-After.'),
  SIGNER_NOT_AVAILABLE: later(503, 'Signer not available', SEE_LOG),
  SIGNER_TIMEOUT: later(504, 'Signer too slow', 'Try again; if it persists, ask the administrator to look at the command or raise `signer.timeoutMs`.'),
  SIGNER_FAILED: later(502, 'Signer failed', SEE_LOG),
  SIGNER_OUTPUT_TOO_LARGE: once(502, 'Signer output too large', SEE_LOG),
  SIGNER_NO_RECORD: once(502, 'Signer made no record', SEE_LOG),
  SIGNER_RECORD_MALFORMED: once(502, 'Signature record malformed', SEE_LOG),
  SIGNER_SIGNATURE_TRUNCATED: once(502, 'Signature of the wrong length', SEE_LOG),
  SIGNER_RECORD_MISMATCH: once(502, 'Signature record of another package', SEE_LOG),
  SIGNATURE_INVALID: once(502, 'Signature does not verify', SEE_LOG),

  SIGNATURE_NOT_FOUND: once(404, 'No such signature', 'Check the id; a client sees its own signatures.'),
  TILE_NOT_FOUND: once(404, 'No such tile', 'Fetch GET /log/checkpoint, and only tiles that a tree of its size has.'),
  FORM_NOT_AVAILABLE: once(422, 'Form not available', 'Ask for another form; `sig` exists for every signature.'),
  STORE_FAILED: later(503, 'Catalogue not writable', SEE_LOG),
  STORAGE_FULL: later(507, 'No space left', 'Ask the administrator of the server to make room, then try again.'),

  SERVER_BUSY: later(503, 'Server busy', 'Try again after the time in Retry-After.'),
  SHUTTING_DOWN: later(503, 'Server shutting down', 'Try again after the time in Retry-After.'),
  INTERNAL: once(500, 'Internal error', SEE_LOG),
}
