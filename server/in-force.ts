import type { FastifyBaseLogger } from 'fastify'
import type { Configured } from './configured.ts'
import type { Listener, ListenerName } from './http/connections.ts'
import type { Lives } from './http/live.ts'
import type { Metrics } from './http/metrics.ts'
import { createStanding } from './identity/standing.ts'
import { tlsOptions } from './identity/tls.ts'
import { watchValidity } from './identity/validity-watch.ts'
import { watchExpiry } from './keys/expiry-watch.ts'
import type { Keyring } from './keys/key.ts'
import { endOf } from './keys/life.ts'
import type { Tokens } from './keys/pkcs11.ts'
import type { Changed } from './reload.ts'

/** The configuration that is in force: what listens, what is measured and what is warned of follow it. */
export interface InForce {
  /** Puts another one in its place; returns facts for the log. */
  take(before: Configured, next: Configured, changed: Changed): Readonly<Record<string, unknown>>
  /** Ends the tokens of what is in force, and of what some request may still work with. */
  close(): Promise<void>
}

export type InForceDeps = Readonly<{
  lives: Lives
  listeners: ReadonlyMap<ListenerName, Listener>
  metrics: Pick<Metrics, 'keysRead' | 'validityRead'>
  log: FastifyBaseLogger
  clock: () => Date
}>

/** Returns what holds the first configuration of a server in force. */
export function createInForce(first: Configured, { lives, listeners, metrics, log, clock }: InForceDeps): InForce {
  let now = first
  const retiring = new Set<Tokens>()
  const measure = (): void => {
    metrics.validityRead(now.validity)
    metrics.keysRead(endsOf(now.live.keyring))
  }
  const renew = (): number => {
    const stands = createStanding(now.tls)
    return [...listeners.values()].reduce((sum, listener) => sum + listener.renew(tlsOptions(now.tls, now.config.limits.handshakeMs), (certificate) => stands(certificate, clock())), 0)
  }
  measure()
  const expiry = watchExpiry({ keyring: () => now.live.keyring, clock, tell: (notice) => log.warn(notice, notice.notice === 0 ? 'key expired' : 'key expires soon') })
  const validity = watchValidity({ validity: () => now.validity, clock, tell: (notice) => log.warn(notice, notice.notice === 0 ? 'tls material expired' : 'tls material expires soon'), ended: () => void renew() })
  return {
    take: (before, next, changed) => {
      now = next
      retiring.add(before.tokens)
      void lives.replace(next.live).then(async () => await before.tokens.close(next.tokens)).then(() => retiring.delete(before.tokens))
      measure()
      const facts = changed.tls === undefined ? {} : { connectionsEnded: renew(), ...ends(next) }
      for (const watch of [expiry, validity]) watch.look()
      return facts
    },
    close: async () => {
      for (const watch of [expiry, validity]) watch.close()
      await Promise.all([now.tokens.close(), ...[...retiring].map(async (tokens) => await tokens.close(now.tokens))])
    },
  }
}

function ends({ validity: { serverNotAfter, clientCaNotAfter, crlNextUpdate } }: Configured): Readonly<Record<string, unknown>> {
  return { certEndsAt: serverNotAfter.toISOString(), clientCaEndsAt: clientCaNotAfter.toISOString(), crlEndsAt: crlNextUpdate?.toISOString() }
}

function endsOf(keyring: Keyring): ReadonlyMap<string, Date> {
  return new Map([...keyring].flatMap(([keyid, key]) => {
    const end = endOf(key)
    return end === undefined ? [] : [[keyid, end.at] as const]
  }))
}
