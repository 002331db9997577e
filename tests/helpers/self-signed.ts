import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import * as x509 from '@peculiar/x509'

const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }

/** Returns a self-signed certificate of a key pair, PEM. */
export async function issueSelfSigned({ privateKey, publicKey }: Readonly<{ privateKey: KeyObject; publicKey: KeyObject }>): Promise<string> {
  const keys = {
    privateKey: await webcrypto.subtle.importKey('pkcs8', privateKey.export({ type: 'pkcs8', format: 'der' }), RSA, true, ['sign']),
    publicKey: await webcrypto.subtle.importKey('spki', publicKey.export({ type: 'spki', format: 'der' }), RSA, true, ['verify']),
  }
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({ name: 'CN=example', keys, signingAlgorithm: RSA })
  return `${certificate.toString('pem')}\n`
}
