import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { FileKeyConfig } from '../config/key-schema.ts'
import { pemLabel, withKeyFile } from './key-file.ts'
import { KeyFaults } from './key-faults.ts'
import { holdKey } from './held-key.ts'
import type { HeldKey, OpenedKey } from './key.ts'
import type { SigningPlace } from './message-key.ts'
import { passphraseName, withPassphrase, type PassphraseSource } from './passphrase.ts'

/**
 * Resolves with a key whose private part was read from a PKCS#8 PEM file, plain or encrypted, and which has signed something random that
 * verified. It signs in the threads of a pool. What was read of key and passphrase is overwritten with zeros.
 * @throws KeyFaults; SigningError when the pool cannot work
 */
export async function openFileKey({ keyid, path, installedPath, ...source }: FileKeyConfig, place: SigningPlace): Promise<OpenedKey & HeldKey> {
  const privateKey = await readPrivateKey(path, source)
  return await holdKey({ keyid, kind: 'file', path, privateKey, installedPath }, place)
}

/**
 * Resolves with the private key in a PKCS#8 PEM file that nobody else can read, plain or encrypted; of what kind it is, is not looked at.
 * @throws KeyFaults
 */
export function readPrivateKey(path: string, source: PassphraseSource): Promise<KeyObject> {
  return withKeyFile(path, 'secret', (pem) => {
    const label = pemLabel(pem)
    if (label === 'PRIVATE KEY') return readPlain(path, pem, source)
    if (label === 'ENCRYPTED PRIVATE KEY') return readEncrypted(path, pem, source)
    throw new KeyFaults([`${path} ${labelFault(path, label)}`])
  })
}

function readPlain(path: string, pem: Buffer, source: PassphraseSource): KeyObject {
  const passphrase = passphraseName(source)
  // Somebody believes that this key is encrypted. They should know that it is not.
  if (passphrase !== undefined) throw new KeyFaults([`${path} is not encrypted, although there is a ${passphrase.member}: encrypt it, or remove ${passphrase.member}`])
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new KeyFaults([`${path} is damaged: no private key can be read from it`], { cause })
  }
}

async function readEncrypted(path: string, pem: Buffer, source: PassphraseSource): Promise<KeyObject> {
  return await withPassphrase(source, `${path} is encrypted: name a passphraseFile or a passphraseFd`, (passphrase) => {
    try {
      return createPrivateKey({ key: pem, format: 'pem', passphrase })
    } catch (cause) {
      const place = passphraseName(source)?.place
      const fault = `${path} cannot be decrypted: the first line of ${place} is not its passphrase, the file is damaged, or its encryption is outdated`
      throw new KeyFaults([fault], { cause })
    }
  })
}

function labelFault(path: string, label: string | undefined): string {
  switch (label) {
    case 'RSA PRIVATE KEY': return `is in PKCS#1 form; make PKCS#8 of it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in ${path} -out NEW`
    case 'OPENSSH PRIVATE KEY': return 'is in OpenSSH form; make PKCS#8 of a copy: ssh-keygen -p -m PKCS8 -f COPY'
    default: return 'is not one private key in PKCS#8 PEM form (BEGIN PRIVATE KEY or BEGIN ENCRYPTED PRIVATE KEY)'
  }
}
