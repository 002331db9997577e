import { X509Certificate } from 'node:crypto'
import { isInForce, readCrls, serialOf, subjectOf, type Crl } from './crl.ts'
import type { TlsMaterial } from './tls.ts'
import { pemBlocks } from './pem.ts'

/** Says whether a certificate, with the ones that came with it as its issuers, would be let in now. */
export type Standing = (certificate: X509Certificate, now: Date) => boolean

/** Longer chains are in nobody's use, and without an end certificates could name each other in a ring. */
const CHAIN_MAX = 8

/**
 * Returns what judges connections that stand already, as OpenSSL judges new ones: every certificate up to a self-signed one of the
 * client CA is in its dates and, with revocation lists, each issuer has one in force and none that revokes it.
 * @see RFC 5280, sections 6.1 and 6.3
 */
export function createStanding({ clientCa, crl }: Pick<TlsMaterial, 'clientCa' | 'crl'>): Standing {
  const authorities = pemBlocks(clientCa, 'CERTIFICATE', 'the client CA').map((block) => new X509Certificate(block))
  const lists = crl === undefined ? undefined : readCrls(crl)
  const links = createLinks(lists)
  const isAnchor = (certificate: X509Certificate, now: Date): boolean => authorities.some(({ raw }) => raw.equals(certificate.raw)) && links(certificate, certificate, now)
  const leadsToAnchor = (certificate: X509Certificate, { sent, now, depth }: Walk): boolean =>
    [...authorities, ...sent].some((issuer) => links(certificate, issuer, now) && (isAnchor(issuer, now) || (depth < CHAIN_MAX && leadsToAnchor(issuer, { sent, now, depth: depth + 1 }))))
  return (certificate, now) => leadsToAnchor(certificate, { sent: issuersSent(certificate), now, depth: 1 })
}

type Walk = Readonly<{ sent: readonly X509Certificate[]; now: Date; depth: number }>

/** Returns what says whether a certificate is a good one of an issuer. */
function createLinks(lists: readonly Crl[] | undefined): (certificate: X509Certificate, issuer: X509Certificate, now: Date) => boolean {
  const known = new Map<string, readonly Crl[]>()
  const listsOf = (issuer: X509Certificate, all: readonly Crl[]): readonly Crl[] => {
    const found = known.get(issuer.fingerprint256) ?? all.filter((list) => list.issuer === subjectOf(issuer))
    known.set(issuer.fingerprint256, found)
    return found
  }
  return (certificate, issuer, now) => {
    if (now < certificate.validFromDate || now > certificate.validToDate) return false
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) return false
    if (lists === undefined) return true
    const own = listsOf(issuer, lists)
    return own.some((list) => isInForce(list, now)) && !own.some(({ serials }) => serials.has(serialOf(certificate)))
  }
}

function issuersSent({ issuerCertificate }: X509Certificate): readonly X509Certificate[] {
  return issuerCertificate === undefined ? [] : [issuerCertificate, ...issuersSent(issuerCertificate)]
}
