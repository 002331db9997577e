import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import t from 'tap'
import { rsaAlgorithm, signDigest } from '../../../server/keys/rsa.ts'

function rsaKey(modulusLength: number, publicExponent = 65_537): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength, publicExponent }).privateKey
}

const SIZES = [
  { bits: 2048, want: { algorithm: 'rsa-2048-sha256', signatureBytes: 256 } },
  { bits: 3072, want: { algorithm: 'rsa-3072-sha256', signatureBytes: 384 } },
  { bits: 4096, want: { algorithm: 'rsa-4096-sha256', signatureBytes: 512 } },
] as const

void t.test('an RSA key of a known size', async (t) => {
  for (const { bits, want } of SIZES) {
    void t.test(`of ${bits} bits is ${want.algorithm}, and signs a digest as crypto.sign signs the data, byte for byte`, async (t) => {
      const privateKey = rsaKey(bits)
      t.strictSame(rsaAlgorithm(privateKey), want)
      t.strictSame(rsaAlgorithm(createPublicKey(privateKey)), want)
      for (const data of [Buffer.alloc(0), randomBytes(1), randomBytes(100_000)]) {
        const signature = signDigest(privateKey, createHash('sha256').update(data).digest())
        t.ok(signature.equals(sign('sha256', data, privateKey)))
        t.equal(signature.length, want.signatureBytes)
      }
    })
  }
})

void t.test('rsaAlgorithm', async (t) => {
  void t.test('tells what is wrong with any other key', async (t) => {
    const faults = [
      [generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, 'is of type ec; an RSA key is needed'],
      [generateKeyPairSync('ed25519').publicKey, 'is of type ed25519; an RSA key is needed'],
      [generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey, 'is of type rsa-pss; an RSA key is needed'],
      [rsaKey(1024), 'has 1024 bits; 2048, 3072 or 4096 are needed'],
      [rsaKey(2056), 'has 2056 bits; 2048, 3072 or 4096 are needed'],
      [rsaKey(2048, 3), 'has the public exponent 3; 65537 is usual, less is refused'],
    ] as const
    for (const [key, fault] of faults) t.equal(rsaAlgorithm(key), fault)
  })

  void t.test('accepts a public exponent above 65537', async (t) => {
    t.match(rsaAlgorithm(rsaKey(2048, 65_539)), { algorithm: 'rsa-2048-sha256' })
  })
})

void t.test('signDigest', async (t) => {
  void t.test('fails with SIGNER_FAILED when the key cannot sign in this way', async (t) => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    t.throws(() => signDigest(privateKey, Buffer.alloc(32)), { name: 'SigningError', code: 'SIGNER_FAILED', cause: Error })
  })

  void t.test('takes nothing but 32 bytes', async (t) => {
    const privateKey = rsaKey(2048)
    for (const length of [0, 31, 33]) t.throws(() => signDigest(privateKey, Buffer.alloc(length)), TypeError)
  })
})
