import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { SigningError } from '../errors.ts'
import type { ThreadPool } from '../threads/pool.ts'
import { keyAlgorithm } from './algorithms.ts'
import type { DigestKey, HeldKey, HeldKind, OpenedKey } from './key.ts'
import { KeyFaults } from './key-faults.ts'
import { createMessageKey, type SigningPlace } from './message-key.ts'
import { probeKey } from './probe.ts'
import type { SignTask } from './rsa.ts'

/** A private key as it was found at `path`, and what the configuration says of it. */
export type FoundKey = Readonly<{ keyid: string; kind: HeldKind; path: string; privateKey: KeyObject; installedPath?: string | undefined }>

/**
 * Resolves with an opened key that signs in the threads of a pool, once it has signed something random that verified.
 * @throws KeyFaults for a key of another algorithm, or one whose signatures do not verify; SigningError when the pool cannot work
 */
export async function holdKey({ keyid, kind, path, privateKey, installedPath }: FoundKey, place: SigningPlace): Promise<OpenedKey & HeldKey> {
  const found = keyAlgorithm(privateKey)
  if (typeof found === 'string') throw new KeyFaults([`the key in ${path} ${found}`])
  const { signs, ...algorithm } = found
  const publicKey = createPublicKey(privateKey)
  const key = signs === 'digest' ? createThreadKey(privateKey, place.pool) : createMessageKey(privateKey, place)
  await probeKey({ key, publicKey }).catch((error: unknown) => {
    if (!(error instanceof SigningError) || error.code !== 'SIGNER_FAILED') throw error
    throw new KeyFaults([`the key in ${path} is damaged: what it signs does not verify`], { cause: error })
  })
  return { keyid, kind, covers: 'file', ...algorithm, publicKey, key, ...(installedPath === undefined ? {} : { installedPath }) }
}

// The key travels with each task. It is a reference to one key in memory, not a copy, and costs 3 % of an RSA-2048 signature; threads
// that hold keys of their own would have to be told of every key that comes or goes.
function createThreadKey(privateKey: KeyObject, pool: ThreadPool): DigestKey {
  return {
    kind: 'digest',
    sign: async (sha256) => {
      // A copy of 32 bytes: a small Buffer is a window into a shared one, all of which would be cloned.
      const task: SignTask = { kind: 'sign', privateKey, sha256: Uint8Array.from(sha256) }
      const signature = await pool.run<Uint8Array>(task, { ahead: true })
      return Buffer.from(signature.buffer, signature.byteOffset, signature.length)
    },
  }
}
