import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import { messageAlgorithm, verifyMessage } from '../../../formats/index.ts'
import { count } from '../../helpers/full-size.ts'

const MESSAGE = Buffer.from('a whole file')
const ALGORITHMS = [
  ['ecdsa-p256-sha256', generateKeyPairSync('ec', { namedCurve: 'P-256' }), generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ['ed25519', generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')],
  ['ml-dsa-65', generateKeyPairSync('ml-dsa-65'), generateKeyPairSync('ml-dsa-65')],
] as const

const signatureOf = (privateKey: KeyObject, message = MESSAGE) => sign(privateKey.asymmetricKeyType === 'ec' ? 'sha256' : null, message, privateKey)

void t.test('verifyMessage accepts the published vector of RFC 8032, section 7.1, test 2', async (t) => {
  const x = Buffer.from('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', 'hex').toString('base64url')
  const signature = Buffer.from('92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00', 'hex')
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  t.equal(verifyMessage({ publicKey, message: Buffer.from('72', 'hex'), signature }), true)
  t.equal(verifyMessage({ publicKey, message: Buffer.from('73', 'hex'), signature }), false)
})

for (const [algorithm, { privateKey, publicKey }, other] of ALGORITHMS) {
  void t.test(`verifyMessage with ${algorithm} accepts a signature over the whole message, and nothing else`, async (t) => {
    t.equal(messageAlgorithm(publicKey), algorithm)
    t.equal(messageAlgorithm(privateKey), algorithm)
    const signature = signatureOf(privateKey)
    t.equal(verifyMessage({ publicKey, message: MESSAGE, signature }), true)
    t.equal(verifyMessage({ publicKey, message: Buffer.alloc(0), signature: signatureOf(privateKey, Buffer.alloc(0)) }), true, 'an empty message')
    const wrong: readonly (readonly [string, Uint8Array])[] = [
      ['of another key', signatureOf(other.privateKey)], ['of another message', signatureOf(privateKey, Buffer.from('other'))], ['nothing', Buffer.alloc(0)], ['zeros', Buffer.alloc(signature.length)],
      ['a byte less', signature.subarray(0, -1)], ['a byte more', Buffer.concat([signature, Buffer.alloc(1)])], ['a byte in front', Buffer.concat([Buffer.alloc(1), signature])], ['one of RSA', Buffer.alloc(256, 7)],
    ]
    for (const [name, given] of wrong) t.equal(verifyMessage({ publicKey, message: MESSAGE, signature: given }), false, name)
    for (let at = 0; at < signature.length; at += Math.ceil(signature.length / 100)) {
      const changed = Buffer.from(signature)
      changed[at] = (changed[at] as number) ^ 1
      if (verifyMessage({ publicKey, message: MESSAGE, signature: changed })) t.fail(`byte ${at} changed`)
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => !verifyMessage({ publicKey, message: MESSAGE, signature: bytes })), { numRuns: count(50, 5000) })
    t.throws(() => verifyMessage({ publicKey: privateKey, message: MESSAGE, signature }), TypeError, 'a private key')
  })
}

void t.test('ECDSA in another DER, or in none, is no signature', async (t) => {
  const [, { privateKey, publicKey }] = ALGORITHMS[0]
  const raw = sign('sha256', MESSAGE, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  t.equal(verifyMessage({ publicKey, message: MESSAGE, signature: raw }), false, 'two numbers side by side')
  const integer = (bytes: Buffer) => Buffer.concat([Buffer.from([0x02, bytes.length + 2]), Buffer.alloc(2), bytes])
  const padded = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))])
  t.equal(verifyMessage({ publicKey, message: MESSAGE, signature: Buffer.concat([Buffer.from([0x30, padded.length]), padded]) }), false, 'zeros in front of the numbers')
})

void t.test('every other key has no such algorithm, and verifies nothing', async (t) => {
  const others = [generateKeyPairSync('rsa', { modulusLength: 1024 }), generateKeyPairSync('ec', { namedCurve: 'P-384' }), generateKeyPairSync('ec', { namedCurve: 'secp256k1' }), generateKeyPairSync('ed448'), generateKeyPairSync('ml-dsa-44'), generateKeyPairSync('x25519')]
  for (const { publicKey } of others) {
    t.equal(messageAlgorithm(publicKey), undefined)
    t.throws(() => verifyMessage({ publicKey, message: MESSAGE, signature: Buffer.alloc(64) }), { name: 'TypeError', message: 'the key is no ECDSA P-256, Ed25519 or ML-DSA-65 public key' })
  }
})
