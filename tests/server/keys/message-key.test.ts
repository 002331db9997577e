import { generateKeyPairSync, hash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { verifyMessage } from '../../../formats/index.ts'
import { fitsLength, keyAlgorithm, signsMessages } from '../../../server/keys/algorithms.ts'
import { checkWholeSize, createMessageKey, signMessage } from '../../../server/keys/message-key.ts'
import { probeKey } from '../../../server/keys/probe.ts'
import { createThreadPool } from '../../../server/threads/pool.ts'
import { WORKER_MODULE } from '../../../server/threads/worker-module.ts'

const pool = createThreadPool({ module: WORKER_MODULE, size: 1, maxWaiting: 10 })
t.teardown(() => pool.close())

const PAIRS = [
  { want: { algorithm: 'ecdsa-p256-sha256', signatureBytes: 72, signs: 'message' }, pair: generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
  { want: { algorithm: 'ed25519', signatureBytes: 64, signs: 'message' }, pair: generateKeyPairSync('ed25519') },
  { want: { algorithm: 'ml-dsa-65', signatureBytes: 3309, signs: 'message' }, pair: generateKeyPairSync('ml-dsa-65') },
] as const

void t.test('the algorithm of a key is known by its type, and which lengths its signatures have', async (t) => {
  for (const { want, pair } of PAIRS) {
    t.strictSame([keyAlgorithm(pair.privateKey), keyAlgorithm(pair.publicKey), signsMessages(want.algorithm)], [want, want, true])
    t.strictSame([want.signatureBytes + 1, want.signatureBytes, want.signatureBytes - 1].map((length) => fitsLength(want, length)), [false, true, want.algorithm === 'ecdsa-p256-sha256'])
  }
  const rsa = { algorithm: 'rsa-2048-sha256', signatureBytes: 256, signs: 'digest' } as const
  t.strictSame([keyAlgorithm(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey), signsMessages(rsa.algorithm), fitsLength(rsa, 255), fitsLength(rsa, 256)], [rsa, false, false, true])
})

void t.test('a message key signs bytes and open files in a thread', async (t) => {
  const path = join(t.testdir({}), 'file')
  const bytes = Buffer.alloc(700_000, 'a whole file ')
  writeFileSync(path, bytes)
  const handle = await open(path)
  t.teardown(async () => await handle.close())
  const file = { kind: 'file', fd: handle.fd, fileBytes: bytes.length, sizeBytes: bytes.length, sha256: hash('sha256', bytes, 'buffer') } as const
  for (const { want: { algorithm, signatureBytes }, pair: { privateKey, publicKey } } of PAIRS) {
    const key = createMessageKey(privateKey, { pool, maxWholeBytes: 5 })
    t.strictSame([key.kind, key.maxBytes], ['message', 5])
    const signature = await key.sign(file)
    t.ok(Buffer.isBuffer(signature) && signature.length <= signatureBytes, algorithm)
    t.ok(verifyMessage({ publicKey, message: bytes, signature }), 'over the file')
    const first = bytes.subarray(0, 1000)
    t.ok(verifyMessage({ publicKey, message: first, signature: await key.sign({ ...file, sizeBytes: 1000, sha256: hash('sha256', first, 'buffer') }) }), 'over its beginning')
    t.ok(verifyMessage({ publicKey, message: first, signature: await key.sign({ kind: 'bytes', bytes: first }) }), 'over bytes')
    await t.resolves(probeKey({ key, publicKey }))
    await t.rejects(probeKey({ key, publicKey: generateKeyPairSync('ed25519').publicKey }), { code: 'SIGNER_FAILED' })
    await t.rejects(key.sign({ ...file, sha256: Buffer.alloc(32) }), { code: 'FILE_CHANGED' }, 'other bytes than those that were hashed')
    await t.rejects(key.sign({ ...file, fileBytes: 1 }), { code: 'FILE_CHANGED' })
    await t.rejects(key.sign(file, AbortSignal.abort(new Error('gone'))), { message: 'gone' })
  }
})

void t.test('signMessage signs with what the algorithm wants', async (t) => {
  const message = Buffer.from('a message')
  for (const { want, pair: { privateKey, publicKey } } of PAIRS) t.ok(verifyMessage({ publicKey, message, signature: signMessage(privateKey, message) }), want.algorithm)
})

void t.test('signMessage fails with SIGNER_FAILED when the key cannot sign', async (t) => {
  t.throws(() => signMessage(generateKeyPairSync('x25519').privateKey, Buffer.alloc(1)), { name: 'SigningError', code: 'SIGNER_FAILED', cause: Error })
})

void t.test('checkWholeSize names the limit', async (t) => {
  t.doesNotThrow(() => checkWholeSize(10, 10))
  t.throws(() => checkWholeSize(11, 10), { code: 'FILE_TOO_LARGE', message: 'the file has 11 bytes; a key that signs whole files signs at most limits.wholeFileBytes, 10' })
})
