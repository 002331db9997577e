import { hash, pbkdf2Sync } from 'node:crypto'
import { isUtf8, transcode } from 'node:buffer'
import { refused } from './keystore-fault.ts'

/** The hashes that derive keys, by the names Node has for them. */
export type KdfHash = 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512'

/** The most iterations that are done: about a second. The usual numbers are 2048 (OpenSSL), 10,000 (Java) and 600,000 (NSS). */
export const ITERATIONS_MAX = 1_000_000

/** What a derived key is for: 1 a key, 2 an initialisation vector, 3 the key of the integrity check. */
export type KdfPurpose = 1 | 2 | 3

/** What a key is derived from. `passphrase`: its bytes as the operator gave them. */
export type Derivation = Readonly<{ hash: KdfHash; passphrase: Buffer; salt: Buffer; iterations: number; length: number }>

const HASH_BYTES: Readonly<Record<KdfHash, number>> = { sha1: 20, sha224: 28, sha256: 32, sha384: 48, sha512: 64 }

/**
 * Returns a key of `length` bytes by the method of PKCS#12 itself.
 * @throws KeystoreFault for more iterations than are done, before the first of them
 * @see RFC 7292, appendix B.2
 */
export function deriveByPkcs12(purpose: KdfPurpose, { hash: name, passphrase, salt, iterations, length }: Derivation): Buffer {
  checkIterations(iterations)
  const [hashBytes, blockBytes] = [HASH_BYTES[name], HASH_BYTES[name] > 32 ? 128 : 64]
  const text = utf16Of(passphrase)
  const diversifier = Buffer.alloc(blockBytes, purpose)
  const input = Buffer.concat([repeated(salt, blockBytes), repeated(text, blockBytes)])
  const derived = Buffer.alloc(Math.ceil(length / hashBytes) * hashBytes)
  for (let at = 0; at < derived.length; at += hashBytes) {
    let block = hash(name, Buffer.concat([diversifier, input]), 'buffer')
    for (let done = 1; done < iterations; done += 1) block = hash(name, block, 'buffer')
    block.copy(derived, at)
    addToEach(input, Buffer.alloc(blockBytes, block))
  }
  for (const secret of [text, input]) secret.fill(0)
  return derived.subarray(0, length)
}

/** Returns a key of `length` bytes by PBKDF2. @throws KeystoreFault for more iterations than are done @see RFC 8018, section 5.2 */
export function deriveByPbkdf2({ hash: name, passphrase, salt, iterations, length }: Derivation): Buffer {
  checkIterations(iterations)
  return pbkdf2Sync(passphrase, salt, iterations, length, name)
}

function checkIterations(iterations: number): void {
  if (iterations > ITERATIONS_MAX) throw refused(`wants its key derived in more than ${ITERATIONS_MAX} iterations; make it again with fewer`)
  if (iterations === 0) throw refused('wants its key derived in no iterations; it is not protected at all')
}

/** UTF-16, big-endian, with a terminating zero: what PKCS#12 makes of a passphrase. Bytes that are no UTF-8 are taken for ISO 8859-1. */
function utf16Of(passphrase: Buffer): Buffer {
  const text = transcode(passphrase, isUtf8(passphrase) ? 'utf8' : 'latin1', 'utf16le')
  const ended = Buffer.concat([text.swap16(), Buffer.alloc(2)])
  text.fill(0)
  return ended
}

/** As many whole blocks as the bytes need, filled with them again and again. */
function repeated(bytes: Buffer, blockBytes: number): Buffer {
  return bytes.length === 0 ? bytes : Buffer.alloc(Math.ceil(bytes.length / blockBytes) * blockBytes, bytes)
}

/** Adds `addend` and 1 to every block of `input`, as large unsigned numbers that may overflow. */
function addToEach(input: Buffer, addend: Buffer): void {
  for (let start = 0; start < input.length; start += addend.length) {
    let carry = 1
    for (let at = addend.length - 1; at >= 0; at -= 1) {
      carry += (input[start + at] as number) + (addend[at] as number)
      input[start + at] = carry & 0xff
      carry >>= 8
    }
  }
}
