import { constants, createHash, createPrivateKey, generateKeyPairSync, privateEncrypt, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import t from 'tap'
import { SHA256_DIGEST_INFO_PREFIX, encodeDigestInfo } from '../../../formats/signature/digest-info.ts'
import { recoverDigest, verifySignature } from '../../../formats/signature/verify.ts'

const data = Buffer.from('a package')
const sha256 = createHash('sha256').update(data).digest()

function padAndSign(privateKey: KeyObject, payload: Buffer): Buffer {
  return privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, payload)
}

for (const modulusLength of [2048, 3072, 4096]) {
  void t.test(`an RSA-${modulusLength} signature verifies exactly when node:crypto verifies it`, async (t) => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength })
    const signature = sign('sha256', data, privateKey)
    t.ok(padAndSign(privateKey, encodeDigestInfo(sha256)).equals(signature), 'signing the DigestInfo gives the same bytes')
    t.equal(verifySignature({ publicKey, sha256, signature }), true)

    for (const at of [0, 1, signature.length - 1]) {
      const changed = Buffer.from(signature)
      changed[at] = (changed[at] as number) ^ 1
      t.equal(verifySignature({ publicKey, sha256, signature: changed }), false, `byte ${at} changed`)
      t.equal(verify('sha256', data, publicKey, changed), false)
    }
    const otherDigest = createHash('sha256').update('another package').digest()
    t.equal(verifySignature({ publicKey, sha256: otherDigest, signature }), false)
  })
}

void t.test('a wrong signature is false and never an error', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const signature = sign('sha256', data, privateKey)
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const other = generateKeyPairSync('rsa', { modulusLength: 3072 })
  const sha512 = createHash('sha512').update(data).digest()
  const wrong: [string, Buffer][] = [
    ['of no bytes', Buffer.alloc(0)],
    ['one byte short', signature.subarray(1)],
    ['one byte long', Buffer.concat([Buffer.alloc(1), signature])],
    ['of zeros', Buffer.alloc(256)],
    ['above the modulus', Buffer.alloc(256, 0xff)],
    ['padded with NULs as in a signature block', Buffer.concat([signature, Buffer.alloc(256)])],
    ['by another key', sign('sha256', data, stranger.privateKey)],
    ['by a key of another length', sign('sha256', data, other.privateKey)],
    ['with SHA-512', sign('sha512', data, privateKey)],
    ['with PSS padding', sign('sha256', data, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING })],
    ['of the bare digest', padAndSign(privateKey, sha256)],
    ['of a DigestInfo with bytes behind it', padAndSign(privateKey, Buffer.concat([encodeDigestInfo(sha256), Buffer.alloc(3)]))],
    ['of a DigestInfo without its NULL', padAndSign(privateKey, Buffer.concat([Buffer.from('302f300b0609608648016503040201', 'hex'), Buffer.from('0420', 'hex'), sha256]))],
    ['of a digest of another length', padAndSign(privateKey, Buffer.concat([Buffer.from(SHA256_DIGEST_INFO_PREFIX, 'hex'), sha512]))],
  ]
  for (const [name, given] of wrong) t.equal(verifySignature({ publicKey, sha256, signature: given }), false, name)
  const first = wrong.find(([, given]) => recoverDigest(publicKey, given)?.equals(sha256))
  t.equal(first, undefined, 'nor is the digest recovered from any of them')
  t.same(recoverDigest(publicKey, signature), sha256)
  const foreign = Buffer.alloc(32, 1)
  t.same(recoverDigest(publicKey, padAndSign(privateKey, encodeDigestInfo(foreign))), foreign, 'a signature over other bytes says over which')
  t.equal(recoverDigest(publicKey, padAndSign(privateKey, Buffer.alloc(20))), undefined)
})

void t.test('a key that is no RSA public key is a TypeError, so is a digest of another length', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const signature = sign('sha256', data, privateKey)
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
  for (const key of [elliptic.publicKey, pss.publicKey, privateKey, createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))]) {
    t.throws(() => verifySignature({ publicKey: key, sha256, signature }), { name: 'TypeError' })
    t.throws(() => recoverDigest(key, signature), { name: 'TypeError' })
  }
  t.throws(() => verifySignature({ publicKey, sha256: sha256.subarray(1), signature }), { name: 'TypeError' })
  t.throws(() => encodeDigestInfo(Buffer.alloc(20)), { name: 'TypeError' })
})
