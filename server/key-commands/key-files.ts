import { createPublicKey, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { passphraseName, withPassphrase, type PassphraseSource } from '../keys/passphrase.ts'
import { spkiSha256 } from '../keys/spki.ts'
import { issueSelfSigned, requestCertificate } from './certificate.ts'
import { tryPrivateKey } from './make-key.ts'
import type { NewFile } from './new-files.ts'
import { parseSubject } from './subject.ts'
import type { SigningAlgorithm } from '../schemas/key.ts'

/** A private key, what it is called in a message, and its certificate where it came with one. */
export type ObtainedKey = Readonly<{ privateKey: KeyObject; name: string; certificatePem?: string | undefined }>

/**
 * What is made of a key: the folder of its files, its keyid, how its private part is encrypted, and what its certificate is: a request
 * for an authority (`csr`), else one that it signs for itself, `subject` for `days`.
 */
export type KeyFileOptions = Readonly<{ keyid: string; folder: string; passphrase: PassphraseSource; csr: boolean; subject: string; days: number; now: Date }>

/** The files of a key, none of them written yet, and what is in them. */
export type KeyFiles = Readonly<{ keyid: string; algorithm: SigningAlgorithm; spkiSha256: string; passphrase: PassphraseSource; privateKey: NewFile; publicKey: NewFile; certificate?: NewFile; request?: NewFile }>

/**
 * Resolves with the files of a key: `KEYID.pem` (PKCS#8, mode 0600), `KEYID.public.pem` (SubjectPublicKeyInfo, mode 0644, what belongs
 * on the AIX targets) and `KEYID.certificate.pem` or `KEYID.csr.pem`. The key has signed something that verified.
 * @throws KeyCommandFault, KeyFaults
 */
export async function prepareKeyFiles({ privateKey, name, certificatePem }: ObtainedKey, { keyid, folder, passphrase, csr, subject, days, now }: KeyFileOptions): Promise<KeyFiles> {
  const { algorithm } = tryPrivateKey(privateKey, name)
  const file = (ending: string, content: string, mode: NewFile['mode'] = 0o644): NewFile => ({ path: join(folder, `${keyid}.${ending}`), content, mode })
  const publicKey = createPublicKey(privateKey)
  const named = { privateKey, algorithm, subject: parseSubject(subject) }
  const paper = csr
    ? { request: file('csr.pem', await requestCertificate(named)) }
    : { certificate: file('certificate.pem', certificatePem ?? (await issueSelfSigned(named, { notBefore: now, days }))) }
  return {
    keyid,
    algorithm,
    spkiSha256: spkiSha256(publicKey),
    passphrase,
    privateKey: file('pem', await privatePem(privateKey, passphrase), 0o600),
    publicKey: file('public.pem', publicKey.export({ type: 'spki', format: 'pem' })),
    ...paper,
  }
}

/** Returns every file of a key, the private one first. */
export function filesOf({ privateKey, publicKey, certificate, request }: KeyFiles): readonly NewFile[] {
  return [privateKey, publicKey, certificate, request].filter((file) => file !== undefined)
}

async function privatePem(privateKey: KeyObject, source: PassphraseSource): Promise<string> {
  if (passphraseName(source) === undefined) return privateKey.export({ type: 'pkcs8', format: 'pem' })
  return await withPassphrase(source, 'there is no passphrase', (passphrase) => privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }))
}
