import { sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { SigningError } from '../errors.ts'
import type { ThreadPool } from '../threads/pool.ts'
import type { Message, MessageKey } from './key.ts'

/** The task of a worker thread that signs a whole message. */
export type SignMessageTask = Readonly<{ kind: 'signMessage'; privateKey: KeyObject; message: Message }>

/** Where keys sign: the threads, and the largest file that is held in memory as a whole there (`limits.wholeFileBytes`). */
export type SigningPlace = Readonly<{ pool: ThreadPool; maxWholeBytes: number }>

/** Returns a key that signs whole messages in the threads of a pool: a file is read there, from the descriptor, and nowhere else. */
export function createMessageKey(privateKey: KeyObject, { pool, maxWholeBytes }: SigningPlace): MessageKey {
  return {
    kind: 'message',
    maxBytes: maxWholeBytes,
    sign: async (message, signal) => {
      const task: SignMessageTask = { kind: 'signMessage', privateKey, message: cloneable(message) }
      const { buffer, byteOffset, length } = await pool.run<Uint8Array>(task, { bytes: message.kind === 'file' ? message.sizeBytes : 0, signal })
      return Buffer.from(buffer, byteOffset, length)
    },
  }
}

/** Refuses a file that is too large to be held as a whole. @throws SigningError `FILE_TOO_LARGE` */
export function checkWholeSize(sizeBytes: number, maxBytes: number): void {
  if (sizeBytes <= maxBytes) return
  throw new SigningError('FILE_TOO_LARGE', `the file has ${sizeBytes} bytes; a key that signs whole files signs at most limits.wholeFileBytes, ${maxBytes}`)
}

// Copies of a few bytes: a small Buffer is a window into a shared one, all of which would be cloned.
function cloneable(message: Message): Message {
  return message.kind === 'bytes' ? { kind: 'bytes', bytes: Uint8Array.from(message.bytes) } : { ...message, sha256: Uint8Array.from(message.sha256) }
}

/**
 * Returns the signature over a whole message: DER for ECDSA, with SHA-256; raw for Ed25519 and ML-DSA-65. Synchronous, for a worker thread.
 * @throws SigningError `SIGNER_FAILED`
 */
export function signMessage(privateKey: KeyObject, message: Uint8Array): Buffer {
  try {
    return sign(privateKey.asymmetricKeyType === 'ec' ? 'sha256' : null, message, privateKey)
  } catch (cause) {
    throw new SigningError('SIGNER_FAILED', 'the key could not sign', { cause })
  }
}
