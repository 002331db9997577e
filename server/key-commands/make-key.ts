import { createPublicKey, generateKeyPair, randomBytes, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { verifyMessage, verifySignature } from '../../formats/index.ts'
import { keyAlgorithm, type KeyAlgorithm } from '../keys/algorithms.ts'
import { signMessage } from '../keys/message-key.ts'
import { signDigest } from '../keys/rsa.ts'
import type { SigningAlgorithm } from '../schemas/key.ts'
import { KeyCommandFault } from './fault.ts'

/** Resolves with a new private key. */
export async function makePrivateKey(algorithm: SigningAlgorithm): Promise<KeyObject> {
  return (await MAKERS[algorithm]()).privateKey
}

type Pair = Readonly<{ privateKey: KeyObject }>

const make = promisify(generateKeyPair)
const rsa = async (modulusLength: number): Promise<Pair> => await make('rsa', { modulusLength })

const MAKERS: Readonly<Record<SigningAlgorithm, () => Promise<Pair>>> = {
  'rsa-2048-sha256': rsa.bind(undefined, 2048),
  'rsa-3072-sha256': rsa.bind(undefined, 3072),
  'rsa-4096-sha256': rsa.bind(undefined, 4096),
  'ecdsa-p256-sha256': async () => await make('ec', { namedCurve: 'P-256' }),
  ed25519: async () => await make('ed25519'),
  'ml-dsa-65': async () => await make('ml-dsa-65'),
}

/**
 * Returns what a private key can do, once it has signed something random that verified: what the server asks of a key before it uses it.
 * @throws KeyCommandFault for a key that the server would refuse; `name` begins the sentence
 */
export function tryPrivateKey(privateKey: KeyObject, name: string): KeyAlgorithm {
  const found = keyAlgorithm(privateKey)
  if (typeof found === 'string') throw new KeyCommandFault(`${name} ${found}`)
  const bytes = randomBytes(32)
  const publicKey = createPublicKey(privateKey)
  const valid = found.signs === 'digest'
    ? verifySignature({ publicKey, sha256: bytes, signature: signDigest(privateKey, bytes) })
    : verifyMessage({ publicKey, message: bytes, signature: signMessage(privateKey, bytes) })
  if (!valid) throw new KeyCommandFault(`${name} is damaged: what it signs does not verify`)
  return found
}
