import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto'

/** Longest validity of a leaf certificate, in days: what TLS clients at large have come to accept. */
export const LEAF_DAYS = 825
/** Validity of an authority's own certificate, in days: ten years. */
export const AUTHORITY_DAYS = 3652

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 86_400_000
const CRL_NUMBER = '2.5.29.20'

/** A certificate with its private key, both PEM texts (the key as unencrypted PKCS#8); an authority is kept in this shape too. */
export interface Issued {
  readonly certificatePem: string
  readonly privateKeyPem: string
  /** The serial number, 32 lower-case hexadecimal digits, as `issueCrl` wants it. */
  readonly serialHex: string
}

/** What is needed of an authority to issue in its name; `ca.pem` and `ca.key` read from files will do. */
export type Authority = Pick<Issued, 'certificatePem' | 'privateKeyPem'>

/** One subject alternative name. An IP address is written `127.0.0.1` or `::1`. */
export interface San {
  readonly type: 'dns' | 'email' | 'ip' | 'uri'
  readonly value: string
}

/** From when to when a certificate holds, to the second: from now on, as long as its kind may last, unless said otherwise. */
export interface Validity {
  readonly notBefore?: Date
  readonly notAfter?: Date
}

/** What a certificate may be used for: to answer as a server, to call as a client. */
export type ExtendedKeyUsage = 'clientAuth' | 'serverAuth'

/**
 * Makes a root authority: a new P-256 key and a certificate `CN=name` that it signs itself, which may sign certificates and CRLs but no
 * further authorities (`pathLenConstraint` 0).
 * @see RFC 5280, sections 4.2.1.1 (AKI), 4.2.1.2 (SKI), 4.2.1.3 (key usage) and 4.2.1.9 (basic constraints)
 */
export async function createAuthority(subject: Validity & { readonly name: string }): Promise<Issued> {
  const keys = await newKeyPair()
  return certify({
    keys,
    subject: commonName(subject.name),
    issuer: { name: commonName(subject.name), publicKey: keys.publicKey, signingKey: keys.privateKey },
    validity: validity(subject, AUTHORITY_DAYS),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true)
    ]
  })
}

/** Issues a certificate for a TLS server (`serverAuth`), named by its first SAN; clients look at the SANs alone. */
export async function issueServer(authority: Authority, subject: Validity & { readonly sans: readonly [San, ...San[]] }): Promise<Issued> {
  return issueLeaf(authority, { ...subject, name: subject.sans[0].value, extendedKeyUsage: ['serverAuth'] })
}

/**
 * Issues a certificate for a TLS client: `CN=name`, `clientAuth` unless another `extendedKeyUsage` is given, and the SANs by which a
 * policy knows the client.
 */
export async function issueClient(
  authority: Authority,
  subject: Validity & { readonly name: string, readonly sans: readonly San[], readonly extendedKeyUsage?: readonly ExtendedKeyUsage[] }
): Promise<Issued> {
  return issueLeaf(authority, { ...subject, extendedKeyUsage: subject.extendedKeyUsage ?? ['clientAuth'] })
}

/**
 * Issues the authority's revocation list (version 2) as PEM with the label `X509 CRL`, the only one that Node's `crl` option reads.
 * `revoked` are serial numbers in hexadecimal, each listed once, revoked since `thisUpdate`. The CRL number is `thisUpdate` in seconds of
 * the epoch, so a later list has the higher number without anybody counting.
 * @see RFC 5280, section 5
 */
export async function issueCrl(
  authority: Authority,
  list: { readonly revoked: readonly string[], readonly thisUpdate: Date, readonly nextUpdate: Date }
): Promise<string> {
  const issuer = await openAuthority(authority)
  const thisUpdate = wholeSecond(list.thisUpdate)
  const crl = await x509.X509CrlGenerator.create({
    issuer: issuer.name,
    signingKey: issuer.signingKey,
    signingAlgorithm: ALGORITHM,
    thisUpdate,
    nextUpdate: wholeSecond(list.nextUpdate),
    // A reason is always given: the library writes an entry without one as an empty extension list, which DER forbids.
    entries: list.revoked.map((serialNumber) => ({ serialNumber, revocationDate: thisUpdate, reason: x509.X509CrlReason.superseded })),
    extensions: [
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      new x509.Extension(CRL_NUMBER, false, derInteger(thisUpdate.getTime() / 1000))
    ]
  })
  return pem(crl.rawData, 'X509 CRL')
}

interface Issuer {
  readonly name: x509.Name
  readonly publicKey: x509.PublicKeyType
  readonly signingKey: webcrypto.CryptoKey
}

async function issueLeaf(
  authority: Authority,
  subject: Validity & { readonly name: string, readonly sans: readonly San[], readonly extendedKeyUsage: readonly ExtendedKeyUsage[] }
): Promise<Issued> {
  return certify({
    keys: await newKeyPair(),
    subject: commonName(subject.name),
    issuer: await openAuthority(authority),
    validity: validity(subject, LEAF_DAYS),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(subject.extendedKeyUsage.map((usage) => x509.ExtendedKeyUsage[usage])),
      // An empty list of names is no valid extension (RFC 5280, 4.2.1.6).
      ...subject.sans.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(subject.sans.map(generalName))]
    ]
  })
}

async function certify(certificate: {
  readonly keys: webcrypto.CryptoKeyPair
  readonly subject: x509.Name
  readonly issuer: Issuer
  readonly validity: Required<Validity>
  readonly extensions: readonly x509.Extension[]
}): Promise<Issued> {
  const { keys, subject, issuer } = certificate
  const serialHex = newSerial()
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: serialHex,
    subject,
    issuer: issuer.name,
    ...certificate.validity,
    publicKey: keys.publicKey,
    signingKey: issuer.signingKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      ...certificate.extensions,
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey)
    ]
  })
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { certificatePem: pem(made.rawData, 'CERTIFICATE'), privateKeyPem: pem(pkcs8, 'PRIVATE KEY'), serialHex }
}

async function openAuthority(authority: Authority): Promise<Issuer> {
  const certificate = new x509.X509Certificate(authority.certificatePem)
  const pkcs8 = createPrivateKey(authority.privateKeyPem).export({ format: 'der', type: 'pkcs8' })
  const signingKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['sign'])
  return { name: certificate.subjectName, publicKey: certificate.publicKey, signingKey }
}

function newKeyPair(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
}

/** Sixteen random bytes whose first two bits are 01: positive, and never shorter in DER. */
function newSerial(): string {
  const bytes = randomBytes(16)
  bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x40, 0)
  return bytes.toString('hex')
}

/** Built from parts, not from text: a comma or an equals sign in a name must not become another attribute. */
function commonName(name: string): x509.Name {
  return new x509.Name([{ CN: [{ utf8String: name }] }])
}

function generalName(san: San): x509.GeneralName {
  return new x509.GeneralName(san.type === 'uri' ? 'url' : san.type, san.value)
}

/** Both ends belong to the period (RFC 5280, 4.1.2.5), hence one second less than the full days. */
function validity({ notBefore = new Date(), notAfter }: Validity, days: number): Required<Validity> {
  const from = wholeSecond(notBefore)
  return { notBefore: from, notAfter: wholeSecond(notAfter ?? new Date(from.getTime() + days * DAY_MS - 1000)) }
}

/** X.509 times have no fractions (RFC 5280, 4.1.2.5). */
function wholeSecond(time: Date): Date {
  return new Date(Math.floor(time.getTime() / 1000) * 1000)
}

/** A non-negative integer in DER. */
function derInteger(value: number): Uint8Array {
  const digits = value.toString(16)
  const octets = Buffer.from(digits.padStart(digits.length + digits.length % 2, '0'), 'hex')
  const positive = octets.readUInt8(0) < 0x80 ? octets : Buffer.concat([Buffer.of(0), octets])
  return Buffer.concat([Buffer.of(2, positive.length), positive])
}

function pem(der: ArrayBuffer, label: string): string {
  return `${x509.PemConverter.encode(der, label)}\n`
}
