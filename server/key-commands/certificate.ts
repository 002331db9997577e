import 'reflect-metadata'
import { createPublicKey, randomBytes, type KeyObject, type webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import type { SigningAlgorithm } from '../schemas/key.ts'

/** How Web Cryptography calls the algorithms, for the library that writes certificates; the keys and the signatures are Node's own. */
const NAMES = {
  'rsa-2048-sha256': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  'rsa-3072-sha256': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  'rsa-4096-sha256': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  'ecdsa-p256-sha256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  ed25519: { name: 'Ed25519' },
  'ml-dsa-65': { name: 'ML-DSA-65' },
} as const satisfies Readonly<Record<SigningAlgorithm, object>>

/** A key, and the name that its certificate shall have. */
export type Named = Readonly<{ privateKey: KeyObject; algorithm: SigningAlgorithm; subject: x509.JsonName }>

/**
 * Resolves with a certificate, PEM, that a key signs for itself: of no authority, for digital signatures alone, from now on for so many
 * days. Its serial number is 16 random bytes of which the first bit is 0.
 * @see RFC 5280, sections 4.1.2.2 and 4.2.1
 */
export async function issueSelfSigned({ privateKey, algorithm, subject }: Named, { notBefore, days }: Readonly<{ notBefore: Date; days: number }>): Promise<string> {
  const keys = cryptoKeys(privateKey, algorithm)
  const from = new Date(Math.trunc(notBefore.getTime() / 1000) * 1000)
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: subject,
    notBefore: from,
    notAfter: new Date(from.getTime() + days * DAY_MS),
    keys,
    signingAlgorithm: NAMES[algorithm],
    extensions: [...usage(), await x509.SubjectKeyIdentifierExtension.create(keys.publicKey)],
  })
  return `${certificate.toString('pem')}\n`
}

/** Resolves with a request for a certificate, PEM, for an authority. @see RFC 2986 */
export async function requestCertificate({ privateKey, algorithm, subject }: Named): Promise<string> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ name: subject, keys: cryptoKeys(privateKey, algorithm), signingAlgorithm: NAMES[algorithm], extensions: usage() })
  return `${request.toString('pem')}\n`
}

const DAY_MS = 86_400_000

/** What a signing key may be used for. No extended usage: which one AIX would look for is not published. */
function usage(): x509.Extension[] {
  return [new x509.BasicConstraintsExtension(false, undefined, true), new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true)]
}

function serialNumber(): string {
  const bytes = randomBytes(16)
  // Positive, and with a first byte that is not 0, so that DER neither adds nor takes one away.
  bytes[0] = (bytes.readUInt8(0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

function cryptoKeys(privateKey: KeyObject, algorithm: SigningAlgorithm): webcrypto.CryptoKeyPair {
  const name = NAMES[algorithm]
  return { privateKey: privateKey.toCryptoKey(name, true, ['sign']), publicKey: createPublicKey(privateKey).toCryptoKey(name, true, ['verify']) }
}
