import type { FastifyRequest } from 'fastify'
import type { TLSSocket } from 'node:tls'
import type { Incidents } from '../operations/incidents.ts'
import type { AuthenticateOptions } from './authenticate.ts'

/**
 * Resolves when the tamper-evident log has that this request was refused, if it was: whoever gets the answer finds the entry. Not for
 * a connection without a certificate, of which nothing is known.
 */
export async function logRefusal(request: FastifyRequest, error: unknown, { incidents, identify }: Readonly<{ incidents: Incidents }> & Pick<AuthenticateOptions, 'identify'>): Promise<void> {
  const { caller, raw, routeOptions } = request
  const identity = caller?.identity ?? identify(raw.socket as TLSSocket)
  if (identity === undefined) return
  const who = { spkiSha256: identity.spkiSha256, ...(caller === undefined ? {} : { client: caller.client.name }) }
  await incidents.request(who, routeOptions.config.operation ?? 'other', error)
}
