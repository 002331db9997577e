import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import * as x509 from '@peculiar/x509'

const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }

/** Returns a self-signed certificate of a key pair, PEM; good for a year from now unless told otherwise. */
export async function issueSelfSigned({ privateKey, publicKey }: Readonly<{ privateKey: KeyObject; publicKey: KeyObject }>, dates: Readonly<{ notBefore?: Date; notAfter?: Date }> = {}): Promise<string> {
  const keys = {
    privateKey: await webcrypto.subtle.importKey('pkcs8', privateKey.export({ type: 'pkcs8', format: 'der' }), RSA, true, ['sign']),
    publicKey: await webcrypto.subtle.importKey('spki', publicKey.export({ type: 'spki', format: 'der' }), RSA, true, ['verify']),
  }
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({ name: 'CN=example', keys, signingAlgorithm: RSA, ...dates })
  return `${certificate.toString('pem')}\n`
}
