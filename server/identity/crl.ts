import 'reflect-metadata'
import type { X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { pemBlocks } from './validity.ts'

/** A certificate revocation list. Names are DER in hexadecimal: names are the same when their bytes are. */
export type Crl = Readonly<{
  issuer: string
  thisUpdate: Date
  nextUpdate?: Date
  /** The serial numbers that it revokes. */
  serials: ReadonlySet<bigint>
  /** Resolves with whether this authority signed it. */
  isSignedBy(authority: X509Certificate): Promise<boolean>
}>

/** Returns the revocation lists in a PEM text. @throws Error with a sentence for the operator */
export function readCrls(pem: string): readonly Crl[] {
  return pemBlocks(pem, 'X509 CRL', 'the revocation list').map((block) => {
    const list = new x509.X509Crl(block)
    return {
      issuer: hex(list.issuerName),
      thisUpdate: list.thisUpdate,
      ...(list.nextUpdate === undefined ? {} : { nextUpdate: list.nextUpdate }),
      serials: new Set(list.entries.map(({ serialNumber }) => BigInt(`0x${serialNumber}`))),
      isSignedBy: async (authority) => await list.verify({ publicKey: new x509.X509Certificate(authority.raw) }).catch(() => false),
    }
  })
}

/** Returns the name of an authority as {@link Crl} has it. */
export function subjectOf(authority: X509Certificate): string {
  return hex(new x509.X509Certificate(authority.raw).subjectName)
}

/** Returns the serial number of a certificate as {@link Crl} has it. */
export function serialOf({ serialNumber }: X509Certificate): bigint {
  return BigInt(`0x${serialNumber}`)
}

/** Whether a list is in force: no longer at its next update. */
export function isInForce({ thisUpdate, nextUpdate }: Pick<Crl, 'thisUpdate' | 'nextUpdate'>, now: Date): boolean {
  return thisUpdate <= now && (nextUpdate === undefined || now < nextUpdate)
}

function hex(name: x509.Name): string {
  return Buffer.from(name.toArrayBuffer()).toString('hex')
}
