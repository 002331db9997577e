import { X509Certificate, type KeyObject } from 'node:crypto'
import { KeyFaults } from './key-faults.ts'
import { pemLabel, withKeyFile } from './key-file.ts'

/**
 * Resolves with the PEM text of the certificate in a file, when it is one of this key. Its dates are the business of whoever installs it.
 * @throws KeyFaults
 */
export async function readCertificate(path: string, publicKey: KeyObject): Promise<string> {
  return await withKeyFile(path, 'public', (pem) => {
    if (pemLabel(pem) !== 'CERTIFICATE') throw new KeyFaults([`${path} is not one certificate in PEM form (BEGIN CERTIFICATE)`])
    const certificate = parse(path, pem)
    if (!certificate.publicKey.equals(publicKey)) throw new KeyFaults([`${path} is the certificate of another key`])
    return certificate.toString()
  })
}

function parse(path: string, pem: Buffer): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw new KeyFaults([`${path} is damaged: no certificate can be read from it`], { cause })
  }
}
