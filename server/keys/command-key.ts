import { X509Certificate, createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { CommandKeyConfig } from '../config/key-schema.ts'
import { pemLabel, withKeyFile } from './key-file.ts'
import { KeyFaults } from './key-faults.ts'
import type { OpenedKey } from './key.ts'
import { rsaAlgorithm } from './rsa.ts'

/**
 * Resolves with the public part of the key behind the wrapped command, read from a PEM file that holds one SubjectPublicKeyInfo or one
 * certificate. Of a certificate nothing but the key is used; its dates say nothing about the signatures.
 * @throws KeyFaults
 */
export async function openCommandKey({ keyid, publicKey: path, covers, installedPath }: CommandKeyConfig): Promise<OpenedKey> {
  const publicKey = await readPublicKeyFile(path)
  const algorithm = rsaAlgorithm(publicKey)
  if (typeof algorithm === 'string') throw new KeyFaults([`the key in ${path} ${algorithm}`])
  return { keyid, kind: 'command', covers, ...algorithm, publicKey, ...(installedPath === undefined ? {} : { installedPath }) }
}

/**
 * Resolves with the public key in a PEM file that holds one SubjectPublicKeyInfo or one certificate.
 * @throws KeyFaults
 */
export async function readPublicKeyFile(path: string): Promise<KeyObject> {
  return await withKeyFile(path, 'public', (pem) => readPublicKey(path, pem))
}

function readPublicKey(path: string, pem: Buffer): KeyObject {
  // Asked for first: createPublicKey would also make a public key of a private one, and nobody would notice where that lies.
  const label = pemLabel(pem)
  if (label !== 'PUBLIC KEY' && label !== 'CERTIFICATE') throw new KeyFaults([`${path} ${labelFault(path, label)}`])
  try {
    return label === 'CERTIFICATE' ? new X509Certificate(pem).publicKey : createPublicKey(pem)
  } catch (cause) {
    throw new KeyFaults([`${path} is damaged: no public key can be read from it`], { cause })
  }
}

function labelFault(path: string, label = ''): string {
  if (label.endsWith('PRIVATE KEY')) return 'holds a private key; the server wants the public one only, and nobody else should have this one'
  if (label === 'RSA PUBLIC KEY') return `is in PKCS#1 form; convert it: openssl rsa -RSAPublicKey_in -in ${path} -pubout -out NEW`
  return 'is not one public key or certificate in PEM form (BEGIN PUBLIC KEY or BEGIN CERTIFICATE)'
}
