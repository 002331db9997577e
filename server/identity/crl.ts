import { verify, type X509Certificate } from 'node:crypto'
import { BerError, childOf, oidOf, parseBer, TAG, type BerElement } from '../asn1/ber.ts'
import { pemBlocks, readBlock } from './pem.ts'

/** A certificate revocation list. Names are DER in hexadecimal: names are the same when their bytes are. */
export type Crl = Readonly<{
  issuer: string
  thisUpdate: Date
  /** When the next one is due; RFC 5280 demands it, and not everybody obeys. */
  nextUpdate?: Date
  /** The serial numbers that it revokes, as {@link serialOf} has them. */
  serials: ReadonlySet<string>
  /** Whether this authority signed it. Of an algorithm that is not known here it is believed: OpenSSL, which lets clients in, looks itself. */
  isSignedBy(authority: X509Certificate): boolean
}>

const WHAT = 'the revocation list'

/** A reload asks for the lists of one text several times, and a long one takes a while to read. */
let last: Readonly<{ pem: string; lists: readonly Crl[] }> | undefined

/**
 * Returns the revocation lists in a PEM text. Extensions are not read: an entry revokes, whatever else it says.
 * @throws Error with a sentence for the operator
 * @see RFC 5280, section 5.1
 */
export function readCrls(pem: string): readonly Crl[] {
  if (last?.pem !== pem) last = { pem, lists: pemBlocks(pem, 'X509 CRL', WHAT).map((block) => readBlock(() => parseCrl(derOf(block)), WHAT)) }
  return last.lists
}

const [UTC_TIME, GENERALIZED_TIME, BIT_STRING] = [0x17, 0x18, 0x03]

/** Returns a revocation list in DER. @throws BerError */
export function parseCrl(der: Buffer): Crl {
  const list = parseBer(der)
  if (list.tag !== TAG.sequence) throw new BerError('there is no list where one should be')
  const signed = childOf(list, 0, TAG.sequence)
  // Whether there is a version; then everything is one further on.
  const first = signed.children[0]?.tag === TAG.integer ? 1 : 0
  const next = signed.children[first + 3]
  const hasNext = next?.tag === UTC_TIME || next?.tag === GENERALIZED_TIME
  const rest = signed.children.slice(first + (hasNext ? 4 : 3))
  // Whatever else stood there would hide entries.
  if (!['', '30', '30,a0', 'a0'].includes(rest.map(({ tag }) => tag.toString(16)).join())) throw new BerError('there are no entries where some should be')
  const entries = rest.find(({ tag }) => tag === TAG.sequence)?.children ?? []
  const algorithm = childOf(list, 1, TAG.sequence)
  const bits = childOf(list, 2, BIT_STRING).content
  // The algorithm stands twice, once of it signed; and a signature has no unused bits.
  if (!childOf(signed, first, TAG.sequence).raw.equals(algorithm.raw) || bits[0] !== 0) throw new BerError('there is no signature where one should be')
  return {
    issuer: childOf(signed, first + 1, TAG.sequence).raw.toString('hex'),
    thisUpdate: timeOf(signed.children[first + 2]),
    ...(hasNext ? { nextUpdate: timeOf(next) } : {}),
    serials: new Set(entries.map((entry) => plainSerial(childOf(entry, 0, TAG.integer).content.toString('hex')))),
    isSignedBy: (authority) => verifies({ algorithm: oidOf(childOf(algorithm, 0, TAG.oid)), signed: signed.raw, signature: bits.subarray(1) }, authority),
  }
}

/** What is hashed how, by the object identifier of the signature; null where the key decides. @see RFC 8017, RFC 5758, RFC 8410 */
const HASHES: ReadonlyMap<string, string | null> = new Map([
  ['1.2.840.113549.1.1.11', 'sha256'], ['1.2.840.113549.1.1.12', 'sha384'], ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.3.2', 'sha256'], ['1.2.840.10045.4.3.3', 'sha384'], ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.3.101.112', null], ['1.3.101.113', null],
])

function verifies({ algorithm, signed, signature }: Readonly<{ algorithm: string; signed: Buffer; signature: Buffer }>, { publicKey }: X509Certificate): boolean {
  const hash = HASHES.get(algorithm)
  try {
    return hash === undefined || verify(hash, signed, publicKey, signature)
  } catch {
    // The key is of a kind that makes no such signatures.
    return false
  }
}

/** Returns the name of an authority as {@link Crl} has it. @see RFC 5280, section 4.1 */
export function subjectOf(authority: Pick<X509Certificate, 'raw'>): string {
  const certificate = childOf(parseBer(authority.raw), 0, TAG.sequence)
  const first = certificate.children[0]?.tag === TAG.explicit ? 1 : 0
  return childOf(certificate, first + 4, TAG.sequence).raw.toString('hex')
}

/** Returns the serial number of a certificate as {@link Crl} has it: hexadecimal, lower case, without leading zeros. */
export function serialOf({ serialNumber }: Pick<X509Certificate, 'serialNumber'>): string {
  return plainSerial(serialNumber.toLowerCase())
}

/** Whether a list is in force: no longer at its next update. */
export function isInForce({ thisUpdate, nextUpdate }: Pick<Crl, 'thisUpdate' | 'nextUpdate'>, now: Date): boolean {
  return thisUpdate <= now && (nextUpdate === undefined || now < nextUpdate)
}

function plainSerial(hex: string): string {
  return hex.replace(/^0+(?=.)/, '')
}

function derOf(block: string): Buffer {
  return Buffer.from(block.replaceAll(/-----[^-]+-----/g, ''), 'base64')
}

/** UTCTime has two digits of the year, from 1950 to 2049; both have seconds and end in Z. @see RFC 5280, section 4.1.2.5 */
function timeOf(element: BerElement | undefined): Date {
  const text = element?.content.toString('latin1') ?? ''
  const digits = element?.tag === UTC_TIME ? `${Number(text.slice(0, 2)) < 50 ? 20 : 19}${text}` : text
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits)
  const time = parts === null ? new Date(Number.NaN) : new Date(`${parts.slice(1, 4).join('-')}T${parts.slice(4).join(':')}Z`)
  if ((element?.tag !== UTC_TIME && element?.tag !== GENERALIZED_TIME) || Number.isNaN(time.getTime())) throw new BerError('there is no time where one should be')
  return time
}
