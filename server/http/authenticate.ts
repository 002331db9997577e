import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { TLSSocket } from 'node:tls'
import type { ClientConfig } from '../config/schema.ts'
import { SigningError } from '../errors.ts'
import type { ClientIdentity } from '../identity/client.ts'
import type { Caller } from '../operations/caller.ts'
import { decide, type Denial, type Resource } from '../policy/decide.ts'
import type { Standing } from '../policy/meters.ts'
import type { Operation } from '../schemas/whoami.ts'
import { liveOf } from './live.ts'
import { enter, tellLimits, type LimitOptions } from './rate-limit.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; set before anything else of the request is looked at. */
    caller: Caller | undefined
  }
  interface FastifyReply {
    /** How the client stands to its limits when it is asked; undefined where nobody was let in. */
    standing: (() => readonly Standing[]) | undefined
  }
  interface FastifyContextConfig {
    /** The operation that the policy must allow. */
    operation?: Operation
    /** A route without an operation of its own, for every listed client: the document and its page. */
    listed?: true
  }
}

export type AuthenticateOptions = Readonly<{ identify: (socket: TLSSocket) => ClientIdentity | undefined; clock: () => Date }> & LimitOptions

/**
 * Decides on every request in the first hook, before a body is read: who is unknown, or may not do this, gets no further. A route
 * that says neither which operation it is nor that it is for every listed client does not start.
 */
export function authenticate(app: FastifyInstance, options: AuthenticateOptions): void {
  app.decorateRequest('caller', undefined)
  app.decorateReply('standing', undefined)
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => void routes.push(route))
  // Only now: the hooks of a scope, which may mark the routes of a plugin, run after those of the app.
  app.addHook('onReady', async () => {
    const open = routes.find(({ config }) => config?.operation === undefined && config?.listed !== true)
    if (open !== undefined) throw new TypeError(`the route ${open.url} does not say who may call it`)
  })
  app.addHook('onRequest', (request, reply, done) => {
    admit(request, reply, options)
    done()
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    tellLimits(reply)
    done()
  })
}

/**
 * Sets the caller of a request, if it may do what it asks for, now, and has not used up its limits.
 * @throws SigningError `CLIENT_UNKNOWN`, `CLIENT_NOT_YET_VALID`, `CLIENT_EXPIRED`, `OPERATION_DENIED`, and what {@link enter} throws
 */
export function admit(request: FastifyRequest, reply: FastifyReply, { identify, clock, meters, fileBytes, bodyBytes }: AuthenticateOptions): void {
  const { policy } = liveOf(request)
  const identity = identify(request.raw.socket as TLSSocket)
  const at = clock()
  const { operation } = request.routeOptions.config
  const resource: Resource = operation === undefined ? { kind: 'listed', at } : { kind: 'operation', operation, at }
  const decision = decide(policy, identity, resource)
  const { client } = decision
  if (client === undefined || identity === undefined) throw new SigningError('CLIENT_UNKNOWN', 'no client of the configuration has this certificate', { sans: identity?.sans, spkiSha256: identity?.spkiSha256 })
  request.caller = { identity, client, policy }
  if (decision.kind === 'deny') throw denied(decision.reason, client, operation)
  request.caller = enter(reply, request.caller, { meters, fileBytes, bodyBytes })
}

/** Returns the caller of a request that passed {@link authenticate}. */
export function callerOf(request: Pick<FastifyRequest, 'caller'>): Caller {
  if (request.caller === undefined) throw new TypeError('a handler ran without a caller')
  return request.caller
}

function denied(reason: Denial, { notBefore, notAfter }: ClientConfig, operation: Operation | undefined): SigningError {
  if (reason === 'CLIENT_NOT_YET_VALID') return new SigningError(reason, `this client may do nothing before ${notBefore}`)
  if (reason === 'CLIENT_EXPIRED') return new SigningError(reason, `this client may do nothing any more since ${notAfter}`)
  return new SigningError(reason, `this client may not call ${operation}`)
}
