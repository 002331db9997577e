import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import type { TLSSocket } from 'node:tls'
import { SigningError } from '../errors.ts'
import type { ClientIdentity } from '../identity/client.ts'
import type { Caller } from '../operations/caller.ts'
import { decide, type Resource } from '../policy/decide.ts'
import type { Operation } from '../schemas/whoami.ts'
import { liveOf } from './live.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; set before anything else of the request is looked at. */
    caller: Caller | undefined
  }
  interface FastifyContextConfig {
    /** The operation that the policy must allow. */
    operation?: Operation
    /** A route without an operation of its own, for every listed client: the document and its page. */
    listed?: true
  }
}

export type AuthenticateOptions = Readonly<{ clock: () => Date; identify: (socket: TLSSocket) => ClientIdentity | undefined }>

/**
 * Decides on every request in the first hook, before a body is read: who is unknown, or may not do this, gets no further. A route
 * that says neither which operation it is nor that it is for every listed client does not start.
 */
export function authenticate(app: FastifyInstance, options: AuthenticateOptions): void {
  app.decorateRequest('caller', undefined)
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => void routes.push(route))
  // Only now: the hooks of a scope, which may mark the routes of a plugin, run after those of the app.
  app.addHook('onReady', async () => {
    const open = routes.find(({ config }) => config?.operation === undefined && config?.listed !== true)
    if (open !== undefined) throw new TypeError(`the route ${open.url} does not say who may call it`)
  })
  app.addHook('onRequest', async (request) => admit(request, options))
}

/**
 * Sets the caller of a request, if it may do what it asks for.
 * @throws SigningError `CLIENT_UNKNOWN`, `OPERATION_DENIED`
 */
export function admit(request: FastifyRequest, { clock, identify }: AuthenticateOptions): void {
  const { policy } = liveOf(request)
  const identity = identify(request.raw.socket as TLSSocket)
  // TLS looked at its dates once, when the connection, or the session that it resumes, began.
  if (identity !== undefined && identity.notAfter < clock()) throw new SigningError('CLIENT_UNKNOWN', 'the client certificate of this connection has expired', { sans: identity.sans, spkiSha256: identity.spkiSha256 })
  const { operation } = request.routeOptions.config
  const resource: Resource = operation === undefined ? { kind: 'listed' } : { kind: 'operation', operation }
  const decision = decide(policy, identity, resource)
  if (decision.client !== undefined && identity !== undefined) request.caller = { identity, client: decision.client, policy }
  if (decision.kind === 'deny') throw denied(decision.reason, request, identity)
}

/** Returns the caller of a request that passed {@link authenticate}. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === undefined) throw new TypeError('a handler ran without a caller')
  return request.caller
}

function denied(reason: SigningError['code'], { routeOptions }: FastifyRequest, identity: ClientIdentity | undefined): SigningError {
  if (reason === 'CLIENT_UNKNOWN') return new SigningError(reason, 'no client of the configuration has this certificate', { sans: identity?.sans, spkiSha256: identity?.spkiSha256 })
  return new SigningError(reason, `this client may not call ${routeOptions.config.operation}`)
}
