import { execFileSync } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { deriveByPkcs12 } from '../../server/keys/pkcs12-kdf.ts'
import type { KdfHash } from '../../server/keys/pkcs12-kdf.ts'

/** What `openssl pkcs12 -export` is given: the key, a certificate (empty: none), and more of its options. */
export type OpensslOptions = Readonly<{ folder: string; pem: string; certificate: string; passphrase: string; more?: readonly string[] }>

let made = 0

/** Makes a keystore with the real openssl and returns its path; the passphrase travels in a file. */
export function opensslKeystore({ folder, pem, certificate, passphrase, more = [] }: OpensslOptions): string {
  made += 1
  const at = (name: string) => join(folder, `keystore-${made}.${name}`)
  writeFileSync(at('pem'), pem + certificate)
  writeFileSync(at('pass'), passphrase)
  execFileSync('openssl', ['pkcs12', '-export', '-in', at('pem'), '-passout', `file:${at('pass')}`, ...(certificate === '' ? ['-nocerts'] : []), ...more, '-out', at('p12')], { stdio: 'pipe' })
  return at('p12')
}

/** DER of one element. */
export function der(tag: number, ...contents: readonly (Buffer | string)[]): Buffer {
  const content = Buffer.concat(contents.map((each) => (typeof each === 'string' ? Buffer.from(each, 'hex') : each)))
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

/** DER of an object identifier. */
export function oid(text: string): Buffer {
  const [first = 0, second = 0, ...others] = text.split('.').map(Number)
  const base128 = (arc: number): number[] => (arc < 0x80 ? [arc] : [...base128(Math.floor(arc / 0x80)).map((byte) => byte | 0x80), arc % 0x80])
  return der(0x06, Buffer.from([first * 40 + second, ...others.flatMap(base128)]))
}

/** DER of an integer from 0 on. */
export function integer(value: number): Buffer {
  const hex = value.toString(16)
  const even = hex.length % 2 === 0 ? hex : `0${hex}`
  return der(0x02, Number.parseInt(even.slice(0, 2), 16) >= 0x80 ? `00${even}` : even)
}

const octets = (bytes: Buffer) => der(0x04, bytes)
const sequence = (...contents: readonly Buffer[]) => der(0x30, ...contents)
const explicit = (content: Buffer) => der(0xa0, content)

/** Names of the object identifiers that a keystore is made of. */
export const OID = {
  data: '1.2.840.113549.1.7.1', encryptedData: '1.2.840.113549.1.7.6', envelopedData: '1.2.840.113549.1.7.3',
  keyBag: '1.2.840.113549.1.12.10.1.1', shroudedKeyBag: '1.2.840.113549.1.12.10.1.2', certBag: '1.2.840.113549.1.12.10.1.3', crlBag: '1.2.840.113549.1.12.10.1.4', nestedBag: '1.2.840.113549.1.12.10.1.6',
  x509: '1.2.840.113549.1.9.22.1', sdsi: '1.2.840.113549.1.9.22.2', friendlyName: '1.2.840.113549.1.9.20', localKeyId: '1.2.840.113549.1.9.21',
} as const

/** A bag with a value, and a name where it has one. */
export function bag(kind: string, value: Buffer, name?: string): Buffer {
  const attribute = (text: string) => sequence(oid(OID.friendlyName), der(0x31, der(0x1e, Buffer.from(text, 'utf16le').swap16())))
  const other = sequence(oid(OID.localKeyId), der(0x31, octets(Buffer.from('id'))))
  return sequence(oid(kind), explicit(value), ...(name === undefined ? [] : [der(0x31, other, attribute(name))]))
}

/** A bag with a plain private key. */
export function keyBag(key: KeyObject, name?: string): Buffer {
  return bag(OID.keyBag, key.export({ type: 'pkcs8', format: 'der' }), name)
}

/** A bag with a certificate in DER. */
export function certBag(certificate: Buffer, kind: string = OID.x509): Buffer {
  return bag(OID.certBag, sequence(oid(kind), explicit(octets(certificate))))
}

/** A ContentInfo with plain bags. */
export function plainContent(...bags: readonly Buffer[]): Buffer {
  return sequence(oid(OID.data), explicit(octets(sequence(...bags))))
}

/** What can be wrong or unusual about a keystore that is put together by hand. */
export type KeystoreParts = Readonly<{
  contents: readonly Buffer[]
  passphrase?: string
  version?: number
  hash?: KdfHash
  hashOid?: string
  /** As the keystore says; the integrity check is computed with as many, unless that is more than anybody does. */
  iterations?: number
  outer?: string
  mac?: boolean
}>

/** Puts a keystore together by hand, with what openssl would not write. Without `iterations` the number is left out: one. */
export function keystore({ contents, passphrase = 'secret', version = 3, hash = 'sha256', hashOid = '2.16.840.1.101.3.4.2.1', iterations, outer = OID.data, mac = true }: KeystoreParts): Buffer {
  const safe = sequence(...contents)
  const salt = randomBytes(8)
  const done = Math.min(iterations ?? 1, 1000)
  const key = done === 0 ? Buffer.alloc(32) : deriveByPkcs12(3, { hash, passphrase: Buffer.from(passphrase), salt, iterations: done, length: 32 })
  const digest = createHmac(hash, key).update(safe).digest()
  const macData = sequence(sequence(sequence(oid(hashOid), der(0x05)), octets(digest)), octets(salt), ...(iterations === undefined ? [] : [integer(iterations)]))
  return sequence(integer(version), sequence(oid(outer), explicit(octets(safe))), ...(mac ? [macData] : []))
}
