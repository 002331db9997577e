import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorCode } from '../errors.ts'
import { callerOf } from '../http/authenticate.ts'
import { abortSignal } from '../http/abort.ts'
import { asJson, asNdjson, signEvents } from '../http/sign-answer.ts'
import { answer, NO_QUERY, problemResponses, type App } from '../http/route.ts'
import { sign, type Outcome, type SignDeps, type SignRun } from '../operations/sign.ts'
import { refTo } from '../schemas/reference.ts'
import { SignAnswer, SignEvent, SignRequest } from '../schemas/sign.ts'

const NDJSON = 'application/x-ndjson'

/** What the route needs beside the operation: the signal that ends running work, and who is told of each outcome. */
export type SignRouteDeps = SignDeps & Readonly<{ stop: AbortSignal; observe: (request: FastifyRequest, outcome: Outcome) => void }>

/** `POST /sign`: signs the package file, or every package of the directory, that the request names. */
export function signRoute(app: App, deps: SignRouteDeps): void {
  const done = answer(SignAnswer, 'Every name of the listing with its outcome. A directory of which some files fail is still 200.')
  const response = {
    200: { ...done, content: { ...(done['content'] as object), [NDJSON]: { schema: refTo(SignEvent) } } },
    ...problemResponses(...CODES),
  }
  const schema = {
    operationId: 'sign',
    tags: ['signing'],
    summary: 'Sign packages',
    description: 'Signs one package file, or every package of a directory in name order. With `Accept: application/x-ndjson` the outcomes arrive as files finish, one event a line.',
    querystring: NO_QUERY,
    body: refTo(SignRequest),
    response,
  }
  app.post('/sign', { schema, config: { operation: 'sign' } }, async (request, reply) => {
    const run = await sign(deps, callerOf(request), request.body, abortSignal(reply, deps.stop))
    const observe = (outcome: Outcome) => deps.observe(request, outcome)
    const events = signEvents(await settled(run, observe), request.id, observe)
    return await stream(request, reply, events)
  })
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
  return { ...run, outcomes: Readable.from(outcomes) }
}

async function stream(request: FastifyRequest, reply: FastifyReply, events: ReturnType<typeof signEvents>): Promise<FastifyReply> {
  const ndjson = request.headers.accept?.includes(NDJSON) ?? false
  const body = Readable.from(ndjson ? asNdjson(events) : asJson(events), { objectMode: false })
  // The answer has begun, so a fault in the middle can only cut it off; the log shows why.
  body.once('error', (error) => {
    reply.failure = error
  })
  return await reply.type(ndjson ? NDJSON : 'application/json; charset=utf-8').send(body)
}

const CODES: readonly ErrorCode[] = [
  'BODY_MALFORMED', 'BODY_TOO_LARGE', 'CONTENT_TYPE_UNSUPPORTED', 'PATH_MALFORMED', 'PATH_OUTSIDE_ROOTS', 'PATH_UNREADABLE', 'FILE_NAME_REFUSED', 'FILE_KIND_REFUSED', 'FILE_CHANGED',
  'FILE_TOO_LARGE', 'DIRECTORY_TOO_LARGE', 'NOT_A_PACKAGE', 'PACKAGE_MALFORMED', 'PACKAGE_HAS_DSB', 'KEYID_REQUIRED', 'KEY_NOT_AVAILABLE', 'SIGNER_BUSY',
  'SIGNER_NOT_AVAILABLE', 'SIGNER_TIMEOUT', 'SIGNER_FAILED', 'SIGNER_OUTPUT_TOO_LARGE', 'SIGNER_NO_RECORD', 'SIGNER_RECORD_MALFORMED',
  'SIGNER_SIGNATURE_TRUNCATED', 'SIGNER_RECORD_MISMATCH', 'SIGNATURE_INVALID', 'STORE_FAILED', 'STORAGE_FULL', 'REQUEST_TIMEOUT',
]
