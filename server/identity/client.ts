import { createHash, type X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { parseSubjectAltName } from './subject-alt-name.ts'

/** Who a connection's certificate says it is. Only what policy, log and catalogue need; the certificate itself is not kept. */
export type ClientIdentity = Readonly<{
  /** Subject alternative names as `TYPE:value`, for instance `URI:urn:example:release-bot`. */
  sans: readonly string[]
  /** SHA-256 of the DER SubjectPublicKeyInfo, 64 lower-case hexadecimal digits: a renewed certificate with the same key stays the same client. */
  spkiSha256: string
  /** Serial number, hexadecimal. */
  serial: string
  notAfter: Date
}>

/** Returns the identity in a certificate. Its chain is not checked here: TLS did that before the connection stood. */
export function readIdentity(certificate: X509Certificate): ClientIdentity {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' })
  return {
    sans: parseSubjectAltName(certificate.subjectAltName),
    spkiSha256: createHash('sha256').update(spki).digest('hex'),
    serial: certificate.serialNumber.toLowerCase(),
    notAfter: certificate.validToDate,
  }
}

const identities = new WeakMap<TLSSocket, ClientIdentity>()

/**
 * Returns the identity of a connection, or undefined where the peer showed no certificate that TLS accepted. Read once per
 * connection and kept on the socket: parsing the certificate for each request would cost a quarter of the rate.
 */
export function identityOf(socket: TLSSocket): ClientIdentity | undefined {
  const known = identities.get(socket)
  if (known !== undefined) return known
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined
  if (certificate === undefined) return undefined
  const identity = readIdentity(certificate)
  identities.set(socket, identity)
  return identity
}
