import type { PublicKeyConfig } from '../config/key-schema.ts'
import { SigningError } from '../errors.ts'
import { keyAlgorithm } from './algorithms.ts'
import { readPublicKeyFile } from './command-key.ts'
import { KeyFaults } from './key-faults.ts'
import type { HeldKey, OpenedKey } from './key.ts'
import type { SigningPlace } from './message-key.ts'

/**
 * Resolves with a key that signs no more and of which there is only the public part, read from a PEM file that holds one
 * SubjectPublicKeyInfo or one certificate. Its state keeps it from being asked to sign; asked all the same, it throws `SIGNER_NOT_AVAILABLE`.
 * @throws KeyFaults
 */
export async function openPublicKey({ keyid, publicKey: path, installedPath }: PublicKeyConfig, { maxWholeBytes }: Pick<SigningPlace, 'maxWholeBytes'>): Promise<OpenedKey & HeldKey> {
  const publicKey = await readPublicKeyFile(path)
  const found = keyAlgorithm(publicKey)
  if (typeof found === 'string') throw new KeyFaults([`the key in ${path} ${found}`])
  const { signs, ...algorithm } = found
  const sign = (): Promise<never> => Promise.reject(new SigningError('SIGNER_NOT_AVAILABLE', `of key ${keyid} there is only the public part`, { keyid }))
  const key = signs === 'digest' ? { kind: signs, sign } : { kind: signs, maxBytes: maxWholeBytes, sign }
  return { keyid, kind: 'public', covers: 'file', ...algorithm, publicKey, key, ...(installedPath === undefined ? {} : { installedPath }) }
}
