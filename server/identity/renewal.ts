import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { isInForce, readCrls, subjectOf, type Crl } from './crl.ts'
import { checkTls, tlsOptions, type TlsMaterial } from './tls.ts'
import { pemBlocks } from './pem.ts'
import { readValidity } from './validity.ts'

/** TLS material that is not taken up, with everything that speaks against it. */
export class TlsFaults extends Error {
  override readonly name = 'TlsFaults'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

/**
 * Returns what speaks against putting this TLS material in the place of one that works, a sentence each: what cannot be read or
 * does not fit together, a certificate or revocation list that is not in its dates, an authority without a revocation list of its own.
 * Each of these would let nobody in.
 */
export function renewalFaults(material: TlsMaterial, now: Date): readonly string[] {
  try {
    readValidity({ certPem: material.cert, clientCaPem: material.clientCa, crlPem: material.crl })
    checkTls(material)
    createSecureContext(tlsOptions(material, 1))
  } catch (error) {
    return [(error as Error).message]
  }
  const [served, authorities] = ([[material.cert, 'the server certificate'], [material.clientCa, 'the client CA']] as const).map(([pem, what]) => pemBlocks(pem, 'CERTIFICATE', what).map((block) => new X509Certificate(block))) as [X509Certificate[], X509Certificate[]]
  const dates = [...served.slice(0, 1).flatMap((one) => dateFaults('tls.cert', one, now)), ...authorities.flatMap((one) => dateFaults('tls.clientCa', one, now))]
  return material.crl === undefined ? dates : [...dates, ...listFaults(readCrls(material.crl), authorities, now)]
}

function dateFaults(member: string, { subject, validFromDate, validToDate }: X509Certificate, now: Date): readonly string[] {
  const name = subject.replaceAll('\n', ', ')
  if (now < validFromDate) return [`${member}: the certificate of ${name} is not valid before ${validFromDate.toISOString()}`]
  return now > validToDate ? [`${member}: the certificate of ${name} expired at ${validToDate.toISOString()}`] : []
}

function listFaults(lists: readonly Crl[], authorities: readonly X509Certificate[], now: Date): readonly string[] {
  const dates = lists.filter((list) => !isInForce(list, now)).map(({ thisUpdate, nextUpdate }) => {
    return nextUpdate === undefined || thisUpdate > now ? `tls.crl: a revocation list begins at ${thisUpdate.toISOString()}` : `tls.crl: a revocation list expired at ${nextUpdate.toISOString()}`
  })
  const missing = authorities.filter((authority) => !hasList(authority, lists))
  return [...dates, ...missing.map(({ subject }) => `tls.crl: there is no revocation list that ${subject.replaceAll('\n', ', ')} has signed`)]
}

function hasList(authority: X509Certificate, lists: readonly Crl[]): boolean {
  const own = lists.filter(({ issuer }) => issuer === subjectOf(authority))
  return own.length > 0 && own.every((list) => list.isSignedBy(authority))
}
