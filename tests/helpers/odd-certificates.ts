import 'reflect-metadata'
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import type { Authority } from '../../certs/pki.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const HOUR_MS = 3_600_000
const SUBJECT_ALT_NAME = '2.5.29.17'

/** The tag of a GeneralName (RFC 5280, 4.2.1.6), with `constructed` where it is not text. */
export const NAME_TAG = { email: 0x81, dns: 0x82, directory: 0xa4, uri: 0x86, ip: 0x87 } as const

/** What the key of a certificate may do (RFC 5280, 4.2.1.3). */
export const KEY_USAGE = x509.KeyUsageFlags

/** A subject alternative name in its bytes: no library looks at what they are. */
export type OddName = Readonly<{ tag: number; bytes: string | Buffer }>

/** A certificate that no careful authority would issue. What is not given is as a client's certificate has it. */
export type OddCertificate = Readonly<{
  commonName?: string
  names?: readonly OddName[]
  isAuthority?: boolean
  keyUsage?: number
  /** The usages by name; an empty list leaves the extension out. */
  usages?: readonly ('clientAuth' | 'serverAuth' | 'codeSigning')[]
  notBefore?: Date
  notAfter?: Date
}>

/** A certificate and its key, PEM, as TLS options and as an authority for further ones. */
export type OddIdentity = Authority & Readonly<{ cert: string; key: string }>

/** Issues a certificate as it is wished; without an authority it is self-signed. */
export async function issueOdd(authority: Authority | undefined, odd: OddCertificate): Promise<OddIdentity> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const subject = new x509.Name([{ CN: [{ utf8String: odd.commonName ?? 'odd' }] }])
  const issuer = authority === undefined ? { subjectName: subject, publicKey: keys.publicKey } : new x509.X509Certificate(authority.certificatePem)
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: `40${randomBytes(8).toString('hex')}`,
    subject,
    issuer: issuer.subjectName,
    notBefore: odd.notBefore ?? new Date(Date.now() - HOUR_MS),
    notAfter: odd.notAfter ?? new Date(Date.now() + HOUR_MS),
    publicKey: keys.publicKey,
    signingKey: authority === undefined ? keys.privateKey : await signingKeyOf(authority),
    signingAlgorithm: ALGORITHM,
    extensions: [...extensionsOf(odd), await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey)],
  })
  const cert = made.toString('pem')
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  return { cert, key, certificatePem: cert, privateKeyPem: key }
}

async function signingKeyOf({ privateKeyPem }: Authority): Promise<webcrypto.CryptoKey> {
  const pkcs8 = createPrivateKey(privateKeyPem).export({ format: 'der', type: 'pkcs8' })
  return await webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['sign'])
}

function extensionsOf({ names = [], isAuthority = false, keyUsage = x509.KeyUsageFlags.digitalSignature, usages = ['clientAuth'] }: OddCertificate): x509.Extension[] {
  return [
    new x509.BasicConstraintsExtension(isAuthority, undefined, true),
    new x509.KeyUsagesExtension(keyUsage, true),
    ...(usages.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension(usages.map((usage) => x509.ExtendedKeyUsage[usage]))]),
    ...(names.length === 0 ? [] : [new x509.Extension(SUBJECT_ALT_NAME, false, der(0x30, Buffer.concat(names.map(({ tag, bytes }) => der(tag, Buffer.from(bytes as string, 'latin1'))))))]),
  ]
}

/** A directory name with one common name, for a subject alternative name. */
export function directoryName(commonName: string): OddName {
  return { tag: NAME_TAG.directory, bytes: Buffer.from(new x509.Name([{ CN: [{ utf8String: commonName }] }]).toArrayBuffer()) }
}

function der(tag: number, content: Buffer): Buffer {
  const length = content.length < 0x80 ? [content.length] : [0x82, content.length >> 8, content.length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...length), content])
}
