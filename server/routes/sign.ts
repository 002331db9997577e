import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type, type Static } from 'typebox'
import type { ErrorCode } from '../errors.ts'
import { abortSignal } from '../http/abort.ts'
import { chooseMediaType } from '../http/accept.ts'
import { callerOf } from '../http/authenticate.ts'
import { idempotencyKey, REPLAYED, REPLAYED_HEADER, repeatableHeaders } from '../http/idempotency-key.ts'
import { withLive, type Beside } from '../http/live.ts'
import { allowTime } from '../http/patience.ts'
import { isFinal, problemFromError, sendProblem } from '../http/problems.ts'
import { problemResponses, type App } from '../http/route.ts'
import { asJson, asNdjson, batchAnswer, signEvents } from '../http/sign-answer.ts'
import { NDJSON, sendStream } from '../http/stream.ts'
import { isUpload, OCTET_STREAM, SignUploadQuery, UPLOAD_BODY, uploadOf } from '../http/upload.ts'
import { signOnce, type Answered } from '../operations/once.ts'
import type { Outcome, SignRun } from '../operations/outcome.ts'
import { sign, type SignDeps, type SignInput } from '../operations/sign.ts'
import { refTo } from '../schemas/reference.ts'
import { BatchAnswer, SignAnswer, SignEvent, SignRequest } from '../schemas/sign.ts'

/**
 * What the route needs beside the operation: the signal that ends running work, who is told of each outcome, and how long answers to
 * requests with an Idempotency-Key are kept.
 */
export type SignRouteDeps = Beside<SignDeps> & Readonly<{ stop: AbortSignal; observe: (request: FastifyRequest, outcome: Outcome) => void; idempotency: Readonly<{ keepMs: number }> }>

/** `POST /sign`: signs what the request names by path or by digest, or sends. */
export function signRoute(app: App, deps: SignRouteDeps): void {
  const schema = {
    operationId: 'sign',
    tags: ['signing'],
    summary: 'Sign packages',
    description:
      'Signs one package file, or every package of a directory in name order, that the server can read; a file that is sent; digests, for clients whose policy allows it; or once more what an earlier signature covers. With `Accept: application/x-ndjson` the outcomes of a directory arrive as files finish, one event a line.',
    headers: repeatableHeaders(deps.idempotency.keepMs),
    querystring: SignUploadQuery,
    body: { content: { 'application/json': { schema: refTo(SignRequest) }, [OCTET_STREAM]: { schema: UPLOAD_BODY } } },
    response: { 200: DONE, ...problemResponses(...CODES) },
  }
  // Before the body is looked at: what is refused by the thousand must cost next to nothing.
  const onRequest = (request: FastifyRequest, _reply: FastifyReply, done: () => void): void => {
    checkRoom(request, deps)
    done()
  }
  app.post('/sign', { schema, config: { operation: 'sign' }, onRequest }, async (request, reply) => {
    const answered = await answer(request, reply, deps)
    if (answered.kind === 'problem') return await repeatProblem(reply, answered)
    const { run, requestId, repeated } = answered
    // What an earlier request did was logged and counted then.
    const observe = repeated ? () => undefined : (outcome: Outcome) => deps.observe(request, outcome)
    const body = run.kind === 'batch' ? batchAnswer(run, requestId, observe) : signEvents(await settled(run, observe), requestId, observe)
    if (repeated) reply.header(REPLAYED, 'true')
    return 'items' in body ? body : await send(request, reply, { events: body, isWhole: run.kind === 'file' })
  })
}

/**
 * Refuses a request that could not even wait now. Not what is sent: who sends it may have it only once, and how many may do so is bounded.
 * @throws SigningError `SERVER_BUSY`, `SHUTTING_DOWN`
 */
function checkRoom(request: FastifyRequest, { turns }: Pick<SignRouteDeps, 'turns'>): void {
  if (!isUpload(request)) turns.checkRoom(callerOf(request).client.name)
}

async function answer(request: FastifyRequest, reply: FastifyReply, deps: SignRouteDeps): Promise<Answered> {
  const key = idempotencyKey(request)
  const input = inputOf(request)
  if ('upload' in input) allowTime(reply)
  const [caller, signal] = [callerOf(request), abortSignal(reply, deps.stop)]
  const at = withLive(deps, request)
  if (key !== undefined) return await signOnce({ ...at, isFinal }, caller, { input, attempt: { key, requestId: request.id } }, signal)
  return { kind: 'run', run: await sign(at, caller, input, signal), requestId: request.id, repeated: false }
}

async function repeatProblem(reply: FastifyReply, { error, requestId }: Extract<Answered, { kind: 'problem' }>): Promise<FastifyReply> {
  reply.failure = error
  await sendProblem(reply.header(REPLAYED, 'true'), problemFromError(error, requestId))
  return reply
}

function inputOf(request: FastifyRequest): SignInput {
  const upload = uploadOf(request)
  if (upload === undefined) return request.body as SignRequest
  const { filename: _filename, ...asked } = request.query as Static<typeof SignUploadQuery>
  return { upload: { ...upload, ...asked } }
}

const DONE = {
  description: 'Every name of the listing with its outcome, or the outcome of each item. A directory or a batch of which some fail is still 200.',
  headers: REPLAYED_HEADER,
  content: { 'application/json': { schema: Type.Union([refTo(SignAnswer), refTo(BatchAnswer)]) }, [NDJSON]: { schema: refTo(SignEvent) } },
}

/** A single file that is not signed is a problem with a status of its own, so its outcome is awaited before the answer begins. */
async function settled(run: SignRun, observe: (outcome: Outcome) => void): Promise<SignRun> {
  if (run.kind === 'directory') return run
  const outcomes: Outcome[] = []
  for await (const outcome of run.outcomes) {
    outcomes.push(outcome)
    if (outcome.kind !== 'failed') continue
    observe(outcome)
    throw outcome.error
  }
  return { ...run, outcomes: each(outcomes) }
}

async function* each(outcomes: readonly Outcome[]): AsyncGenerator<Outcome> {
  yield* outcomes
}

type Sending = Readonly<{ events: ReturnType<typeof signEvents>; isWhole: boolean }>

/** Sends the events in the form that is asked for: piece by piece, or in one where they are whole before the answer begins. */
async function send(request: FastifyRequest, reply: FastifyReply, { events, isWhole }: Sending): Promise<FastifyReply> {
  if (chooseMediaType(request.headers.accept, ['application/json', NDJSON]) === NDJSON) return await sendStream(reply, NDJSON, asNdjson(events))
  const pieces = asJson(events)
  if (!isWhole) return await sendStream(reply, JSON_UTF8, pieces)
  return await reply.type(JSON_UTF8).serializer(String).send((await Array.fromAsync(pieces)).join(''))
}

const JSON_UTF8 = 'application/json; charset=utf-8'

const CODES: readonly ErrorCode[] = [
  'IDEMPOTENCY_KEY_MALFORMED', 'IDEMPOTENCY_KEY_REUSED', 'REQUEST_IN_PROGRESS',
  'FORMAT_NOT_ALLOWED', 'FILESET_NOT_ALLOWED', 'SIGNATURE_COUNT_REACHED',
  'BODY_MALFORMED', 'BODY_TOO_LARGE', 'CONTENT_TYPE_UNSUPPORTED', 'PATH_MALFORMED', 'PATH_OUTSIDE_ROOTS', 'PATH_UNREADABLE', 'FILE_NAME_REFUSED', 'FILE_KIND_REFUSED', 'FILE_CHANGED',
  'FILE_TOO_LARGE', 'DIRECTORY_TOO_LARGE', 'NOT_A_PACKAGE', 'PACKAGE_MALFORMED', 'DSB_MALFORMED', 'DSB_STACKED', 'FORMAT_NOT_ACCEPTED', 'DIGEST_MALFORMED', 'DIGEST_MISMATCH', 'DIGEST_NOT_ALLOWED', 'DIGEST_NOT_SIGNABLE', 'FILESET_LEVEL_ALREADY_SIGNED', 'RESIGN_NOT_ALLOWED', 'SIGNATURE_NOT_FOUND', 'CONTENT_UNAVAILABLE', 'KEYID_REQUIRED', 'KEY_NOT_AVAILABLE', 'KEY_NOT_SUITABLE', 'KEY_NOT_YET_VALID', 'KEY_EXPIRED', 'KEY_RETIRED', 'KEY_REVOKED', 'SIGNER_BUSY',
  'SIGNER_NOT_AVAILABLE', 'SIGNER_TIMEOUT', 'SIGNER_FAILED', 'SIGNER_OUTPUT_TOO_LARGE', 'SIGNER_NO_RECORD', 'SIGNER_RECORD_MALFORMED',
  'SIGNER_SIGNATURE_TRUNCATED', 'SIGNER_RECORD_MISMATCH', 'SIGNATURE_INVALID', 'STORE_FAILED', 'STORAGE_FULL', 'REQUEST_TIMEOUT', 'REQUEST_ABORTED',
]
