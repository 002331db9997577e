import type { ErrorCode, Problem } from './generated/schema.ts'

/**
 * The server understood the request and refused it, or failed: the problem document (RFC 9457) of its answer, member by member.
 * `message` is `detail` and `hint` as two sentences. A server newer than this SDK can send a `code` that the type does not list.
 */
export class ProblemError extends Error {
  /** `urn:signing-server:problem:` and the code. */
  readonly type: string
  /** Fixed per code. */
  readonly title: string
  /** The HTTP status. */
  readonly status: number
  /** What happened. */
  readonly detail: string
  /** `urn:uuid:` and the request id. */
  readonly instance: string
  readonly code: ErrorCode
  /** Whether the same request may succeed later. */
  readonly retryable: boolean
  /** What to do next. */
  readonly hint: string
  /** Every fault of the input, each with a JSON Pointer (RFC 6901); absent where the input is not the matter. */
  declare readonly errors?: NonNullable<Problem['errors']>
  /** The id (UUID) under which the server's log has this request. */
  readonly requestId: string
  /** How long the server asked to wait before the next try, in milliseconds: its Retry-After. */
  declare readonly retryAfterMs?: number

  constructor(problem: Problem, facts: Readonly<{ retryAfterMs?: number | undefined }> = {}) {
    super(sentences(problem.detail, problem.hint))
    this.name = 'ProblemError'
    this.type = problem.type
    this.title = problem.title
    this.status = problem.status
    this.detail = problem.detail
    this.instance = problem.instance
    this.code = problem.code
    this.retryable = problem.retryable
    this.hint = problem.hint
    if (problem.errors !== undefined) this.errors = problem.errors
    this.requestId = problem.instance.replace(/^urn:uuid:/, '')
    if (facts.retryAfterMs !== undefined) this.retryAfterMs = facts.retryAfterMs
  }

  /** Returns the problem document. */
  toJSON(): Problem {
    const { type, title, status, detail, instance, code, retryable, hint, errors } = this
    return { type, title, status, detail, instance, code, retryable, hint, ...(errors === undefined ? {} : { errors }) }
  }
}

/** What to do next, by code; the list of codes is closed. */
const HINTS = {
  CONNECTION_REFUSED: 'Start the server with `npm start` in a checkout or with `signing-server start`, or name the host and port where it listens.',
  HOST_NOT_FOUND: 'Check the spelling of the host name.',
  HOST_UNREACHABLE: 'Check the network between this machine and the server.',
  TIMEOUT: 'Look whether the server is busy, or allow more time with `timeoutMs`.',
  CERTIFICATE_REFUSED: 'The certificate must come from the client CA of the server, hold now, be for client authentication and not be revoked; the log of the server names the fault.',
  SERVER_CERTIFICATE_UNTRUSTED: 'Do not go on without finding out why: name the server as its certificate does, and use the CA certificate that its administrator handed out.',
  TLS_FAILED: 'Look whether the port is the service port of a signing server.',
  CREDENTIALS_UNUSABLE: 'Use the three PEM files that the administrator handed out: certificate, key and CA certificate.',
  CONNECTION_LOST: 'The request may have been done or not; it can be repeated: what was signed already is not signed again.',
  ANSWER_CUT_OFF: 'Repeat the request: what was signed already is not signed again.',
  ANSWER_NOT_UNDERSTOOD: 'Look whether the port is the service port of a signing server, and whether it is newer than this SDK.',
} as const

/** Why there is no answer of the server. */
export type ConnectionErrorCode = keyof typeof HINTS

/** Every {@link ConnectionErrorCode}. */
export const CONNECTION_ERROR_CODES = Object.keys(HINTS) as readonly ConnectionErrorCode[]

/**
 * There is no answer, or none that can be used: the server was not reached, refused the connection or the certificate, was not the right
 * one, was too slow, or stopped in the middle. `message` is `detail` and `hint` as two sentences; `cause` is the error underneath.
 */
export class ConnectionError extends Error {
  readonly code: ConnectionErrorCode
  /** What happened; names host and port where they matter. */
  readonly detail: string
  /** What to do next. */
  readonly hint: string

  constructor(code: ConnectionErrorCode, detail: string, facts: Readonly<{ hint?: string | undefined; cause?: unknown }> = {}) {
    const hint = facts.hint ?? HINTS[code]
    super(sentences(detail, hint), facts.cause === undefined ? {} : { cause: facts.cause })
    this.name = 'ConnectionError'
    this.code = code
    this.detail = detail
    this.hint = hint
  }
}

function sentences(detail: string, hint: string): string {
  return `${detail}${/[.?!]$/.test(detail) ? '' : '.'} ${hint}`
}

/** Returns whether a value is a problem document as far as {@link ProblemError} relies on it. */
export function isProblem(value: unknown): value is Problem {
  if (typeof value !== 'object' || value === null) return false
  const problem = value as Record<string, unknown>
  const texts = ['type', 'title', 'detail', 'instance', 'code', 'hint']
  return (
    texts.every((member) => typeof problem[member] === 'string') &&
    typeof problem['status'] === 'number' &&
    typeof problem['retryable'] === 'boolean' &&
    (problem['errors'] === undefined || (Array.isArray(problem['errors']) && problem['errors'].every(isInputFault)))
  )
}

function isInputFault(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const fault = value as Record<string, unknown>
  return typeof fault['pointer'] === 'string' && typeof fault['detail'] === 'string'
}
