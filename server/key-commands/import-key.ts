import { createPublicKey } from 'node:crypto'
import { readCertificate } from '../keys/certificate.ts'
import { readPrivateKey } from '../keys/file-key.ts'
import { pemLabel, withKeyFile } from '../keys/key-file.ts'
import { passphraseName, type PassphraseSource } from '../keys/passphrase.ts'
import { readKeystoreFile } from '../keys/pkcs12.ts'
import { KeyCommandFault } from './fault.ts'
import type { ObtainedKey } from './key-files.ts'

/** A file with a private key, PKCS#8 PEM or PKCS#12; `alias` says which of a keystore, `certificate` is a PEM file. */
export type KeySource = Readonly<{ path: string; passphrase: PassphraseSource; alias?: string | undefined; certificate?: string | undefined }>

/**
 * Resolves with the key in a file that nobody else can read, and its certificate: that of `certificate`, else the one that a keystore has.
 * @throws KeyFaults, KeyCommandFault
 */
export async function readKeySource({ path, passphrase, alias, certificate }: KeySource): Promise<ObtainedKey> {
  const { isKeystore, isEncrypted } = await formOf(path)
  if (isEncrypted && passphraseName(passphrase) === undefined) throw new KeyCommandFault(`${path} is encrypted: name its passphrase with --from-passphrase-file or --from-passphrase-fd`, { usage: true })
  if (!isKeystore && alias !== undefined) throw new KeyCommandFault(`--alias chooses a key of a PKCS#12 keystore, and ${path} is in PEM form`, { usage: true })
  const found = isKeystore ? await fromKeystore({ path, passphrase, alias }) : { privateKey: await readPrivateKey(path, passphrase) }
  const key = { ...found, name: `the key in ${path}` }
  return certificate === undefined ? key : { ...key, certificatePem: await readCertificate(certificate, createPublicKey(key.privateKey)) }
}

async function fromKeystore({ path, passphrase, alias }: KeySource): Promise<Pick<ObtainedKey, 'privateKey' | 'certificatePem'>> {
  const { privateKey, certificate } = await readKeystoreFile({ path, alias, ...passphrase })
  return { privateKey, certificatePem: certificate?.toString() }
}

/** What is no PEM is read as a keystore, whose reader says what it is instead. */
async function formOf(path: string): Promise<Readonly<{ isKeystore: boolean; isEncrypted: boolean }>> {
  return await withKeyFile(path, 'secret', (bytes) => {
    const isKeystore = !bytes.includes('-----BEGIN ')
    return { isKeystore, isEncrypted: isKeystore || pemLabel(bytes) === 'ENCRYPTED PRIVATE KEY' }
  })
}
