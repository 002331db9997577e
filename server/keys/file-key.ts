import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { FileKeyConfig } from '../config/schema.ts'
import { pemLabel, withKeyFile } from './key-file.ts'
import { KeyFaults } from './key-faults.ts'
import { holdKey } from './held-key.ts'
import type { HeldKey, OpenedKey } from './key.ts'
import type { SigningPlace } from './message-key.ts'

// OpenSSL takes no longer one.
const PASSPHRASE_BYTES_MAX = 1024

/**
 * Resolves with a key whose private part was read from a PKCS#8 PEM file, plain or encrypted, and which has signed something random that
 * verified. It signs in the threads of a pool. What was read from the key file and the passphrase file is overwritten with zeros.
 * @throws KeyFaults; SigningError when the pool cannot work
 */
export async function openFileKey({ keyid, path, passphraseFile, installedPath }: FileKeyConfig, place: SigningPlace): Promise<OpenedKey & HeldKey> {
  const privateKey = await readPrivateKey(path, passphraseFile)
  return await holdKey({ keyid, kind: 'file', path, privateKey, installedPath }, place)
}

function readPrivateKey(path: string, passphraseFile: string | undefined): Promise<KeyObject> {
  return withKeyFile(path, 'secret', (pem) => {
    const label = pemLabel(pem)
    if (label === 'PRIVATE KEY') return readPlain(path, pem, passphraseFile)
    if (label === 'ENCRYPTED PRIVATE KEY') return readEncrypted(path, pem, passphraseFile)
    throw new KeyFaults([`${path} ${labelFault(path, label)}`])
  })
}

function readPlain(path: string, pem: Buffer, passphraseFile: string | undefined): KeyObject {
  // Somebody believes that this key is encrypted. They should know that it is not.
  if (passphraseFile !== undefined) throw new KeyFaults([`${path} is not encrypted, although there is a passphraseFile: encrypt it, or remove passphraseFile`])
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new KeyFaults([`${path} is damaged: no private key can be read from it`], { cause })
  }
}

async function readEncrypted(path: string, pem: Buffer, passphraseFile: string | undefined): Promise<KeyObject> {
  if (passphraseFile === undefined) throw new KeyFaults([`${path} is encrypted: name a passphraseFile`])
  return withKeyFile(passphraseFile, 'secret', (bytes) => {
    const passphrase = firstLine(bytes)
    if (passphrase.length === 0) throw new KeyFaults([`the first line of ${passphraseFile} is empty; it must be the passphrase`])
    if (passphrase.length > PASSPHRASE_BYTES_MAX) {
      throw new KeyFaults([`the first line of ${passphraseFile} has more than ${PASSPHRASE_BYTES_MAX} bytes, the most a passphrase can have`])
    }
    try {
      return createPrivateKey({ key: pem, format: 'pem', passphrase })
    } catch (cause) {
      const fault = `${path} cannot be decrypted: the first line of ${passphraseFile} is not its passphrase, the file is damaged, or its encryption is outdated`
      throw new KeyFaults([fault], { cause })
    }
  })
}

// Bytes, not text: a string could not be overwritten afterwards.
function firstLine(bytes: Buffer): Buffer {
  const lineEnd = bytes.indexOf('\n')
  const line = lineEnd === -1 ? bytes : bytes.subarray(0, lineEnd)
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line
}

function labelFault(path: string, label: string | undefined): string {
  switch (label) {
    case 'RSA PRIVATE KEY': return `is in PKCS#1 form; make PKCS#8 of it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in ${path} -out NEW`
    case 'OPENSSH PRIVATE KEY': return 'is in OpenSSH form; make PKCS#8 of a copy: ssh-keygen -p -m PKCS8 -f COPY'
    default: return 'is not one private key in PKCS#8 PEM form (BEGIN PRIVATE KEY or BEGIN ENCRYPTED PRIVATE KEY)'
  }
}
