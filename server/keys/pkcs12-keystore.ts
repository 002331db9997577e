import { createHmac, createPrivateKey, timingSafeEqual, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { BerError, childOf, integerOf, octetsOf, oidOf, parseBer, TAG, type BerElement } from '../asn1/ber.ts'
import { KeystoreFault, refused } from './keystore-fault.ts'
import { decryptWith } from './pkcs12-decrypt.ts'
import { deriveByPkcs12, type KdfHash } from './pkcs12-kdf.ts'

/** A private key of a keystore. `alias` is its friendly name, as the keystore spells it. It is decrypted by `open` alone. */
export type KeystoreKey = Readonly<{ alias?: string; open(): Promise<KeyObject> }>

/** What is in a keystore: keys and certificates in its order. */
export type Keystore = Readonly<{ keys: readonly KeystoreKey[]; certificates: readonly X509Certificate[] }>

const DATA = '1.2.840.113549.1.7.1'
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6'
const BAG = { key: '1.2.840.113549.1.12.10.1.1', shroudedKey: '1.2.840.113549.1.12.10.1.2', certificate: '1.2.840.113549.1.12.10.1.3', nested: '1.2.840.113549.1.12.10.1.6' } as const
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1'
const FRIENDLY_NAME = '1.2.840.113549.1.9.20'
const VERSION = 3

/** The hashes of the integrity check, by object identifier, and how long what they make is. */
const MAC_HASHES: ReadonlyMap<string, Readonly<{ hash: KdfHash; bytes: number }>> = new Map([
  ['1.3.14.3.2.26', { hash: 'sha1', bytes: 20 }], ['2.16.840.1.101.3.4.2.4', { hash: 'sha224', bytes: 28 }], ['2.16.840.1.101.3.4.2.1', { hash: 'sha256', bytes: 32 }],
  ['2.16.840.1.101.3.4.2.2', { hash: 'sha384', bytes: 48 }], ['2.16.840.1.101.3.4.2.3', { hash: 'sha512', bytes: 64 }],
])

/**
 * Resolves with what `use` makes of a PKCS#12 keystore. Its integrity check comes before anything is decrypted; what was decrypted is
 * overwritten with zeros afterwards, so `use` must open the keys it wants.
 * @throws KeystoreFault
 * @see RFC 7292
 */
export async function withKeystore<T>(bytes: Buffer, passphrase: Buffer, use: (keystore: Keystore) => Promise<T>): Promise<T> {
  const decrypted: Buffer[] = []
  const damaged = (cause: unknown): never => {
    throw cause instanceof BerError ? new KeystoreFault({ kind: 'damaged' }, { cause }) : cause
  }
  return await readKeystore(bytes, { passphrase, decrypted }).then(use).catch(damaged).finally(() => {
    for (const content of decrypted) content.fill(0)
  })
}

/** The passphrase, and where everything is put that was decrypted with it. */
type Opening = Readonly<{ passphrase: Buffer; decrypted: Buffer[] }>

async function readKeystore(bytes: Buffer, opening: Opening): Promise<Keystore> {
  const pfx = parseBer(bytes)
  const version = integerOf(childOf(pfx, 0, TAG.integer))
  if (version !== VERSION) throw refused(`is a keystore of version ${version}; only version 3 is read`)
  const authenticated = contentOf(childOf(pfx, 1, TAG.sequence))
  checkMac(pfx.children[2], authenticated, opening.passphrase)
  const keys: KeystoreKey[] = []
  const certificates: X509Certificate[] = []
  for (const info of parseBer(authenticated).children) {
    for (const bag of bagsIn(parseBer(await safeContents(info, opening)))) {
      const oid = oidOf(childOf(bag, 0, TAG.oid))
      if (oid === BAG.key || oid === BAG.shroudedKey) keys.push(keyIn(bag, oid, opening))
      else if (oid === BAG.certificate) certificates.push(...certificateIn(bag))
    }
  }
  return { keys, certificates }
}

/** The octets of a ContentInfo of the type data. */
function contentOf(info: BerElement): Buffer {
  const oid = oidOf(childOf(info, 0, TAG.oid))
  if (oid !== DATA) throw refused(`is protected in a way that is not read here (${oid}); make it again with a passphrase`)
  return octetsOf(only(childOf(info, 1, TAG.explicit)))
}

function checkMac(mac: BerElement | undefined, content: Buffer, passphrase: Buffer): void {
  if (mac === undefined) throw refused('has no integrity check; make it again with one')
  const digestInfo = childOf(mac, 0, TAG.sequence)
  const oid = oidOf(childOf(childOf(digestInfo, 0, TAG.sequence), 0, TAG.oid))
  const known = MAC_HASHES.get(oid)
  if (known === undefined) throw refused(`has an integrity check that is not known here (${oid}); make it again with SHA-256`)
  const iterations = mac.children[2] === undefined ? 1 : integerOf(mac.children[2])
  const key = deriveByPkcs12(3, { hash: known.hash, passphrase, salt: octetsOf(childOf(mac, 1, TAG.octets)), iterations, length: known.bytes })
  const expected = createHmac(known.hash, key).update(content).digest()
  const given = octetsOf(childOf(digestInfo, 1, TAG.octets))
  key.fill(0)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new KeystoreFault({ kind: 'passphrase' })
}

/** The bytes of the bags in a ContentInfo, decrypted where they are not plain. */
async function safeContents(info: BerElement, { passphrase, decrypted }: Opening): Promise<Buffer> {
  if (oidOf(childOf(info, 0, TAG.oid)) !== ENCRYPTED_DATA) return contentOf(info)
  const encryptedData = childOf(childOf(info, 1, TAG.explicit), 0, TAG.sequence)
  const [, algorithm, content] = childOf(encryptedData, 1, TAG.sequence).children
  if (algorithm === undefined || content === undefined) throw new BerError('there is no encrypted content')
  const plain = await decryptWith(algorithm, octetsOf(content), passphrase)
  decrypted.push(plain)
  return plain
}

/** The bags in a SafeContents, and those in the bags that hold nothing but bags. */
function bagsIn(contents: BerElement): readonly BerElement[] {
  return contents.children.flatMap((bag) => (oidOf(childOf(bag, 0, TAG.oid)) === BAG.nested ? bagsIn(valueOf(bag)) : [bag]))
}

function valueOf(bag: BerElement): BerElement {
  return only(childOf(bag, 1, TAG.explicit))
}

function keyIn(bag: BerElement, oid: string, { passphrase, decrypted }: Opening): KeystoreKey {
  const value = valueOf(bag)
  const alias = friendlyName(bag)
  const open = async (): Promise<KeyObject> => {
    const pkcs8 = oid === BAG.key ? value.raw : await decryptWith(childOf(value, 0, TAG.sequence), octetsOf(childOf(value, 1, TAG.octets)), passphrase)
    decrypted.push(pkcs8)
    try {
      return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    } catch (cause) {
      throw refused('has a key that cannot be read; it is damaged or of an unknown algorithm', cause)
    }
  }
  return { open, ...(alias === undefined ? {} : { alias }) }
}

function certificateIn(bag: BerElement): readonly X509Certificate[] {
  const value = valueOf(bag)
  if (oidOf(childOf(value, 0, TAG.oid)) !== X509_CERTIFICATE) return []
  try {
    return [new X509Certificate(octetsOf(only(childOf(value, 1, TAG.explicit))))]
  } catch (cause) {
    throw new KeystoreFault({ kind: 'damaged' }, { cause })
  }
}

function friendlyName({ children }: BerElement): string | undefined {
  const attributes = children[2]?.children ?? []
  const named = attributes.find((attribute) => oidOf(childOf(attribute, 0, TAG.oid)) === FRIENDLY_NAME)
  if (named === undefined) return undefined
  const { content } = childOf(childOf(named, 1, TAG.set), 0, TAG.text16)
  if (content.length % 2 !== 0) throw new BerError('a name ends in half a character')
  return Buffer.from(content).swap16().toString('utf16le')
}

function only({ children: [child] }: BerElement): BerElement {
  if (child === undefined) throw new BerError('there is nothing where something should be')
  return child
}
