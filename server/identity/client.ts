import { createHash, type X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { createNewest } from './newest.ts'
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

/** What a certificate says of who shows it. The same certificate says the same each time. */
type Shown = Readonly<{ identity: ClientIdentity; isAuthority: boolean }>

/** Read once per connection: to parse the certificate for each request would cost a quarter of the rate. */
const ofConnections = new WeakMap<TLSSocket, Shown>()

/**
 * Of certificates that TLS has accepted, by their SHA-256, the newest ones: a client that comes again shows the same one, and to export
 * its public key is half of what a resumed handshake costs beside TLS. Whether it is accepted, listed, and still valid is decided each time.
 */
const ofCertificates = createNewest<Shown>(1_000)

/** Returns the identity of a connection, or undefined where the peer showed no certificate that TLS accepted. */
export function identityOf(socket: TLSSocket): ClientIdentity | undefined {
  return shownOn(socket)?.identity
}

/** Returns whether the peer showed the certificate of an authority, one that may issue others. */
export function isAuthority(socket: TLSSocket): boolean {
  return shownOn(socket)?.isAuthority === true
}

function shownOn(socket: TLSSocket): Shown | undefined {
  const known = ofConnections.get(socket)
  if (known !== undefined) return known
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined
  if (certificate === undefined) return undefined
  const shown = shownBy(certificate)
  ofConnections.set(socket, shown)
  return shown
}

function shownBy(certificate: X509Certificate): Shown {
  const { fingerprint256 } = certificate
  const known = ofCertificates.get(fingerprint256)
  if (known !== undefined) return known
  const shown = { identity: readIdentity(certificate), isAuthority: certificate.ca }
  ofCertificates.set(fingerprint256, shown)
  return shown
}
