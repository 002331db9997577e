import type { KeyObject, X509Certificate } from 'node:crypto'
import type { Pkcs12KeyConfig } from '../config/key-schema.ts'
import { holdKey } from './held-key.ts'
import { withKeyFile } from './key-file.ts'
import { KeyFaults } from './key-faults.ts'
import type { HeldKey, OpenedKey } from './key.ts'
import { KeystoreFault, refused } from './keystore-fault.ts'
import type { SigningPlace } from './message-key.ts'
import { passphraseName, withPassphrase, type PassphraseSource } from './passphrase.ts'
import { withKeystore, type Keystore, type KeystoreKey } from './pkcs12-keystore.ts'

/**
 * Resolves with a key whose private part was read from a PKCS#12 keystore, and which has signed something random that verified. A
 * certificate of the key in the keystore becomes `certificatePem`. It signs in the threads of a pool. What was read and decrypted is
 * overwritten with zeros.
 * @throws KeyFaults; SigningError when the pool cannot work
 * @see docs/decisions/0020-pkcs12.md
 */
export async function openPkcs12Key(config: Pkcs12KeyConfig, place: SigningPlace): Promise<OpenedKey & HeldKey> {
  const { keyid, path, installedPath } = config
  const { privateKey, certificate } = await readKeystoreFile(config)
  const key = await holdKey({ keyid, kind: 'pkcs12', path, privateKey, installedPath }, place)
  return certificate === undefined ? key : { ...key, certificatePem: certificate.toString() }
}

/** A private key of a keystore, with its certificate where the keystore has one. */
export type KeystoreEntry = Readonly<{ privateKey: KeyObject; certificate?: X509Certificate }>

/** Which key of which keystore is meant. */
export type KeystoreFile = PassphraseSource & Readonly<{ path: string; alias?: string | undefined }>

/** Resolves with the only key of a PKCS#12 file that nobody else can read, or the one of an alias. @throws KeyFaults */
export async function readKeystoreFile({ path, alias, ...source }: KeystoreFile): Promise<KeystoreEntry> {
  return await withKeyFile(path, 'secret', async (bytes) => {
    checkKind(path, bytes)
    return await withPassphrase(source, `${path} needs a passphrase: name a passphraseFile or a passphraseFd`, async (passphrase) => {
      try {
        return await withKeystore(bytes, passphrase, async (keystore) => await chooseEntry(keystore, alias))
      } catch (error) {
        if (error instanceof KeystoreFault) throw new KeyFaults([sentenceOf(error, path, passphraseName(source)?.place)], { cause: error })
        throw error
      }
    })
  })
}

/** What a keystore is most often mistaken for gets a sentence of its own. */
function checkKind(path: string, bytes: Buffer): void {
  if (bytes.includes('-----BEGIN ')) throw new KeyFaults([`${path} is in PEM form; a private key in PEM is a key of kind file`])
  const mark = bytes.length < 4 ? 0 : bytes.readUInt32BE(0)
  if (mark !== 0xfeedfeed && mark !== 0xcececece) return
  throw new KeyFaults([`${path} is a Java keystore; make PKCS#12 of it: keytool -importkeystore -srckeystore ${path} -destkeystore NEW -deststoretype pkcs12`])
}

function sentenceOf({ problem }: KeystoreFault, path: string, place: string | undefined): string {
  switch (problem.kind) {
    case 'damaged': return `${path} is damaged or no PKCS#12 keystore: nothing can be read from it`
    case 'passphrase': return `${path} cannot be opened: the first line of ${place} is not its passphrase, or the file is damaged`
    case 'refused': return `${path} ${problem.sentence}`
  }
}

async function chooseEntry({ keys, certificates }: Keystore, alias: string | undefined): Promise<KeystoreEntry> {
  const privateKey = await chooseKey(keys, alias).open()
  const certificate = certificates.find((candidate) => candidate.checkPrivateKey(privateKey))
  if (certificate === undefined && certificates.length > 0) throw refused('has certificates, but none of them is of the key')
  return { privateKey, ...(certificate === undefined ? {} : { certificate }) }
}

function chooseKey(keys: readonly KeystoreKey[], alias: string | undefined): KeystoreKey {
  const fitting = alias === undefined ? keys : keys.filter((key) => key.alias !== undefined && sameAlias(key.alias, alias))
  const [key, another] = fitting
  if (key !== undefined && another === undefined) return key
  if (keys.length === 0) throw refused('has no private key')
  const names = keys.map((each) => JSON.stringify(each.alias ?? '')).join(', ')
  if (alias === undefined) throw refused(`has several private keys; name one by its alias: ${names}`)
  throw refused(`has ${key === undefined ? 'no' : 'more than one'} private key with the alias ${JSON.stringify(alias)}; it has: ${names}`)
}

/** Java writes the names of entries in lower case, whatever they were called. */
function sameAlias(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
