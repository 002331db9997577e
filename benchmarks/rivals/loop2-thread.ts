import { constants, createHash, privateEncrypt, randomBytes, sign, type KeyObject } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'

/** `taken` is shared by the threads: the number of items that were taken already. */
export type ThreadTask = Readonly<{ taken: Int32Array } & ({ kind: 'files' | 'hash'; paths: readonly string[] } | { kind: 'messages'; count: number })>

// RFC 8017, section 9.2, note 1: what stands before a SHA-256 digest.
const DIGEST_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex')
const buffer = Buffer.allocUnsafeSlow(256 * 1024)
const key = workerData as KeyObject

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a browser's windows have origins, threads do not
;(parentPort as MessagePort).on('message', (task: ThreadTask) => (parentPort as MessagePort).postMessage(perform(task)))

/** Returns the signature of the first file, if this thread was the one to sign it. */
function perform(task: ThreadTask): Uint8Array | undefined {
  let first: Uint8Array | undefined
  const total = task.kind === 'messages' ? task.count : task.paths.length
  for (let index = Atomics.add(task.taken, 0, 1); index < total; index = Atomics.add(task.taken, 0, 1)) {
    if (task.kind === 'messages') {
      sign('sha256', randomBytes(32), key)
      continue
    }
    const digest = hashFile(task.paths[index] as string)
    const signature = task.kind === 'files' ? signDigest(digest) : undefined
    if (index === 0) first = signature
  }
  return first
}

function signDigest(digest: Buffer): Buffer {
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.concat([DIGEST_INFO, digest]))
}

function hashFile(path: string): Buffer {
  const fd = openSync(path, 'r')
  const hash = createHash('sha256')
  for (let bytes = readSync(fd, buffer); bytes > 0; bytes = readSync(fd, buffer)) hash.update(buffer.subarray(0, bytes))
  closeSync(fd)
  return hash.digest()
}
