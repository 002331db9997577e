import { randomUUID } from 'node:crypto'
import swagger from '@fastify/swagger'
import Fastify, { LogController, type FastifyBaseLogger, type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import { SigningError } from './errors.ts'
import { admit, authenticate, type AuthenticateOptions } from './http/authenticate.ts'
import { inviteBody } from './http/invite-body.ts'
import { jsonParser } from './http/json-body.ts'
import type { Beside, Lives } from './http/live.ts'
import { logFile, logOutcome } from './http/log.ts'
import { COMPONENTS, OPENAPI_OPTIONS } from './http/openapi.ts'
import { answerError, answerNotFound, problemFromError } from './http/problems.ts'
import { tellLimits } from './http/rate-limit.ts'
import { createRefusalLog, type RefusalLog } from './http/refusal-log.ts'
import { logRefusal } from './http/refusals.ts'
import { buildSerializer } from './http/serializer.ts'
import { buildValidator } from './http/validator.ts'
import type { Metrics } from './http/metrics.ts'
import type { App } from './http/route.ts'
import { OCTET_STREAM } from './http/upload.ts'
import type { ExportDeps } from './operations/export-signature.ts'
import { createIncidents, type Incidents } from './operations/incidents.ts'
import type { FindSignaturesDeps } from './operations/find-signatures.ts'
import type { ListFilesDeps } from './operations/list-files.ts'
import type { Outcome } from './operations/outcome.ts'
import type { SignDeps } from './operations/sign.ts'
import { documentRoutes } from './routes/document.ts'
import { exportKeyRoute, getKeyRoute, listKeysRoute } from './routes/keys.ts'
import { listFilesRoute } from './routes/list-files.ts'
import { auditLogRoute, getCheckpointRoute, getLogKeyRoute, getTileRoute } from './routes/log.ts'
import { signRoute } from './routes/sign.ts'
import { exportSignatureRoute, findSignaturesRoute, getSignatureRoute } from './routes/signatures.ts'
import { verifyRoute } from './routes/verify.ts'
import { whoamiRoute } from './routes/whoami.ts'

/** Everything the app stands on; it opens no file, no socket and no clock of its own. */
export type AppDeps = AuthenticateOptions &
  Beside<Omit<SignDeps, 'incidents'>> &
  Beside<ListFilesDeps> &
  Beside<FindSignaturesDeps> &
  Beside<ExportDeps> &
  Readonly<{
    /** What the configuration says at the moment; a request keeps to its end what it began with. */
    lives: Pick<Lives, 'take' | 'release'>
    metrics: Pick<Metrics, 'requestFinished' | 'fileFinished'>
    /** The key that verifies the checkpoints of the log: `NAME+KEYID+BASE64` (C2SP signed-note). */
    logKey: string
    /** Aborts when running requests must end: the deadline after SIGTERM. */
    stop: AbortSignal
    /** Whether the server is stopping: new requests are answered SHUTTING_DOWN, and connections end with their answer. */
    draining: () => boolean
    /** How long answers to requests with an Idempotency-Key are kept, as the document says. */
    idempotency: Readonly<{ keepMs: number }>
    log: FastifyBaseLogger
  }>

/** Builds the service: hooks, the document, and every route on one screen. */
export async function buildApp(deps: AppDeps): Promise<FastifyInstance> {
  const incidents = createIncidents({ log: deps.store, clock: deps.clock, fault: (err) => deps.log.error({ err }, 'refusal or failure not written to the log') })
  const refusals = createRefusalLog()
  const options: FastifyServerOptions = {
    loggerInstance: deps.log,
    bodyLimit: deps.bodyBytes,
    logController: new LogController({ disableRequestLogging: true }),
    exposeHeadRoutes: false,
    genReqId: () => randomUUID(),
    schemaController: { compilersFactory: { buildValidator: buildValidator as never, buildSerializer: buildSerializer as never } },
    return503OnClosing: false,
    routerOptions: { maxParamLength: 256 },
    frameworkErrors: (error, request, reply) => void answerUnrouted(error, { request, reply }, { ...deps, incidents, refusals }),
  }
  const app = Fastify(options)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(OCTET_STREAM, (_request, payload, done) => done(null, payload))
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, jsonParser(app))
  app.setErrorHandler(async (error: FastifyError, request, reply) => await refuse(error, { request, reply }, { ...deps, incidents, refusals }))
  app.setNotFoundHandler(answerNotFound)

  app.decorateRequest('live', undefined)
  app.decorateReply('problemCode', undefined)
  app.decorateReply('failure', undefined)
  // The hooks of every request are no promises: each would cost a turn of its own.
  app.addHook('onRequest', (request, reply, done) => {
    begin(request, reply, { ...deps, refusals })
    if (deps.draining()) throw new SigningError('SHUTTING_DOWN', 'the server is shutting down')
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1') throw new SigningError('REQUEST_MALFORMED', 'the request has no Host header')
    done()
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (deps.draining()) reply.header('connection', 'close')
    done()
  })
  authenticate(app, deps)
  app.addHook('preParsing', inviteBody)
  app.addHook('onClose', async () => void (await Promise.all([incidents.close(), refusals.close()])))

  for (const schema of COMPONENTS) app.addSchema(schema)
  await app.register(swagger, OPENAPI_OPTIONS)

  const observe = (request: FastifyRequest, outcome: Outcome): void => {
    logFile(request, outcome)
    deps.metrics.fileFinished(measured(request, outcome))
  }
  await app.register(async (scope) => {
    const routes = scope as unknown as App
    signRoute(routes, { ...deps, incidents, observe })
    listFilesRoute(routes, deps)
    verifyRoute(routes, deps)
    findSignaturesRoute(routes, deps)
    getSignatureRoute(routes, deps)
    exportSignatureRoute(routes, deps)
    getCheckpointRoute(routes, deps)
    getTileRoute(routes, deps)
    getLogKeyRoute(routes, deps)
    auditLogRoute(routes, deps)
    listKeysRoute(routes)
    getKeyRoute(routes)
    exportKeyRoute(routes)
    whoamiRoute(routes, deps)
  })
  await app.register(async (scope) => documentRoutes(scope))
  return app
}

/** What every answer begins with, and what is written down when it is over: sent, or given up because the client went away. */
function begin(request: FastifyRequest, reply: FastifyReply, { metrics, lives, identify, refusals }: AppDeps & Readonly<{ refusals: RefusalLog }>): void {
  const live = lives.take()
  request.live = live
  reply.header('request-id', request.id).header('cache-control', 'no-store')
  // Not the hook onResponse: it is silent about an answer whose reader went away.
  let isSent = false
  reply.raw.once('finish', () => { isSent = true }).once('close', () => {
    lives.release(live)
    if (!isSent) reply.problemCode ??= reply.failure === undefined ? 'REQUEST_ABORTED' : 'INTERNAL'
    logOutcome(request, reply, { identify, refusals })
    metrics.requestFinished({ operation: request.routeOptions.config.operation ?? 'other', code: reply.problemCode ?? 'OK', durationMs: reply.elapsedTime })
  })
}

type Exchange = Readonly<{ request: FastifyRequest; reply: FastifyReply }>
type RefusingDeps = AppDeps & Readonly<{ incidents: Incidents; refusals: RefusalLog }>

/** Answers whatever was thrown; who is refused finds that in the log. */
async function refuse(error: FastifyError, { request, reply }: Exchange, deps: RefusingDeps): Promise<void> {
  await logRefusal(request, error, deps)
  await answerError(error, request, reply)
}

/** Answers a URL that does not even reach a route, and so no hook: a stranger is told that it is one, as everywhere. */
async function answerUnrouted(error: FastifyError, exchange: Exchange, deps: RefusingDeps): Promise<void> {
  begin(exchange.request, exchange.reply, deps)
  const denied = unadmitted(exchange, deps)
  tellLimits(exchange.reply)
  await refuse(denied ?? error, exchange, deps)
}

function unadmitted({ request, reply }: Exchange, deps: AppDeps): FastifyError | undefined {
  try {
    return void admit(request, reply, deps)
  } catch (denied) {
    return denied as FastifyError
  }
}

function measured({ id }: FastifyRequest, outcome: Outcome): Parameters<Metrics['fileFinished']>[0] {
  switch (outcome.kind) {
    case 'signed':
      return { outcome: 'signed' }
    case 'skipped':
      return { outcome: 'skipped', code: outcome.reason }
    case 'failed':
      return { outcome: 'failed', code: problemFromError(outcome.error, id).code }
  }
}
