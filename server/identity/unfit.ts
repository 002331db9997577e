import type { TLSSocket } from 'node:tls'
import { identityOf, isAuthority } from './client.ts'

/** Why a connection must not be served although its handshake succeeded. */
export type Unfitness = 'CERT_HAS_EXPIRED' | 'CLIENT_CERT_IS_CA'

/**
 * Returns why a new connection must not be served, or undefined. OpenSSL takes the certificate of an authority for that of a client where its
 * key usage does not forbid it (RFC 5280, 4.2.1.9): who may issue certificates must not be a client by the way.
 */
export function unfitness(socket: TLSSocket, now: Date): Unfitness | undefined {
  return isAuthority(socket) ? 'CLIENT_CERT_IS_CA' : outlived(socket, now)
}

/**
 * Returns whether a connection has outlived its certificate. OpenSSL looks at the dates in the first handshake alone: not when a session is
 * resumed, and not while a connection stays open.
 */
export function outlived(socket: TLSSocket, now: Date): Unfitness | undefined {
  const identity = identityOf(socket)
  return identity !== undefined && identity.notAfter < now ? 'CERT_HAS_EXPIRED' : undefined
}
