import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { asSigningError, SigningError, type ErrorCode } from '../errors.ts'
import type { Problem } from '../schemas/problem.ts'
import { PROBLEM_KINDS } from './problem-table.ts'

export const PROBLEM_MEDIA_TYPE = 'application/problem+json'

type InputFault = NonNullable<Problem['errors']>[number]

/** Returns the problem document (RFC 9457) of one code for the request with this id (UUID). */
export function problemOf(code: ErrorCode, detail: string, requestId: string, errors?: InputFault[]): Problem {
  const { status, title, retryable, hint } = PROBLEM_KINDS[code]
  return {
    type: `urn:signing-server:problem:${code}`,
    title,
    status,
    detail,
    instance: `urn:uuid:${requestId}`,
    code,
    retryable,
    hint,
    ...(errors === undefined ? {} : { errors }),
  }
}

/** Returns the problem document of whatever was thrown: an error that is not ours says nothing to the client. */
export function problemFromError(error: unknown, requestId: string): Problem {
  const { code, message } = asSigningError(error)
  return problemOf(code, message, requestId)
}

/** Whether the same request would have the same problem again. A fault of the server may be gone the next time. */
export function isFinal(error: unknown): boolean {
  const { code } = asSigningError(error)
  return !PROBLEM_KINDS[code].retryable && code !== 'INTERNAL'
}

/** The statuses of what has too much to do: the server, or this client. */
const BUSY = new Set([429, 503])

/** Returns after how many seconds a refused request may come again where nobody knows better; undefined where waiting does not help. */
export function leastRetryAfter({ status }: Problem): number | undefined {
  return BUSY.has(status) ? 1 : undefined
}

/** Sends a problem as the whole answer, with Retry-After where waiting helps: what somebody found out, or else the least. */
export async function sendProblem(reply: FastifyReply, problem: Problem): Promise<void> {
  reply.problemCode = problem.code
  const retryAfter = leastRetryAfter(problem)
  if (retryAfter !== undefined && !reply.hasHeader('retry-after')) reply.header('retry-after', String(retryAfter))
  // Whoever stopped sending will not send the rest, which the connection would wait for.
  if (problem.code === 'REQUEST_TIMEOUT') reply.header('connection', 'close')
  // A serializer of its own: the route's response schema must not stand between an error and its reader.
  await reply.code(problem.status).type(PROBLEM_MEDIA_TYPE).serializer(JSON.stringify).send(problem)
}

/** The error handler of the app: every throw of a hook, a body parser, a schema or a handler ends here. */
export async function answerError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  reply.failure = error
  const waitMs = error instanceof SigningError ? error.facts['retryAfterMs'] : undefined
  if (typeof waitMs === 'number') reply.header('retry-after', String(Math.max(1, Math.ceil(waitMs / 1000))))
  await sendProblem(reply, fromFastify(error, request) ?? problemFromError(error, request.id))
}

/** The answer for a URL that no route has. */
export async function answerNotFound(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  await sendProblem(reply, problemOf('ROUTE_NOT_FOUND', 'there is no such route', request.id))
}

const FASTIFY_CODES: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['CONTENT_TYPE_UNSUPPORTED', 'the content type of the body is missing or not one this route takes'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['BODY_MALFORMED', 'the body is empty'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['BODY_MALFORMED', 'the body is not JSON, or has a member `__proto__` or `constructor.prototype`'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['BODY_TOO_LARGE', 'the body is larger than `limits.bodyBytes` allows'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['BODY_MALFORMED', 'the body is not as long as Content-Length says'],
  FST_ERR_BAD_URL: ['REQUEST_MALFORMED', 'the URL is malformed'],
  FST_ERR_MAX_PARAM_LENGTH: ['ROUTE_NOT_FOUND', 'there is no such route'],
}

/** More faults than a person mends at once say nothing new, and would make a short request a long answer. */
const MAX_FAULTS = 100

function fromFastify(error: FastifyError, { id, raw }: FastifyRequest): Problem | undefined {
  if (error.validation !== undefined) {
    const errors = error.validation.slice(0, MAX_FAULTS).map((fault) => inputFault(error.validationContext, fault))
    return problemOf('REQUEST_INVALID', `the request has ${errors.length === 1 ? 'a fault' : `${errors.length} faults`}`, id, errors)
  }
  if (error.code === 'ECONNRESET' && raw.destroyed) return problemOf('REQUEST_ABORTED', 'the client went away', id)
  const known = FASTIFY_CODES[error.code]
  return known === undefined ? undefined : problemOf(known[0], known[1], id)
}

type Fault = Readonly<{ instancePath: string; message?: string; keyword: string; params: Record<string, unknown> }>

function inputFault(context: string | undefined, { instancePath, message, keyword, params }: Fault): InputFault {
  const place = context === 'body' || context === undefined ? '' : `/${context}`
  const member = keyword === 'additionalProperties' ? params['additionalProperty'] : keyword === 'required' ? params['missingProperty'] : undefined
  if (typeof member !== 'string') return { pointer: `${place}${instancePath}`, detail: String(message) }
  const pointer = `${place}${instancePath}/${member.slice(0, 100).toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1')}`
  return { pointer, detail: keyword === 'required' ? 'is missing' : 'is not a known member' }
}
