import { generateKeyPairSync, hash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { openSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { writePackage } from '../../formats/index.ts'
import type { PackageSource } from '../../formats/index.ts'
import type { OpenedKey } from '../../server/keys/key.ts'
import { signDigest } from '../../server/keys/rsa.ts'
import { copyFile, hashFile, inspectFile } from '../../server/packages/read-file.ts'
import type { CopyablePackage, Copier } from '../../server/signers/private-copy.ts'

/** An RSA key pair; `pem` is the private key in plain PKCS#8. */
export type RsaKeyPair = Readonly<{ privateKey: KeyObject; publicKey: KeyObject; pem: string }>

/** Makes an RSA key pair. */
export function rsaKeyPair(modulusLength: 2048 | 3072 | 4096 = 2048): RsaKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength })
  return { privateKey, publicKey, pem: privateKey.export({ type: 'pkcs8', format: 'pem' }) }
}

/** An opened key of either kind for a pair of this file. */
export function openedKey(kind: 'file' | 'command', { privateKey, publicKey }: RsaKeyPair): OpenedKey {
  const bits = privateKey.asymmetricKeyDetails?.modulusLength as 2048 | 3072 | 4096
  const common = { keyid: '1001', algorithm: `rsa-${bits}-sha256`, publicKey, signatureBytes: bits / 8 } as const
  if (kind === 'command') return { ...common, kind, covers: 'file' }
  return { ...common, kind, covers: 'file', key: { kind: 'digest', sign: async (sha256) => signDigest(privateKey, sha256) } }
}

/** Two filesets, one of them at a level with numbers of several digits. */
export const PACKAGE: PackageSource = {
  package: 'PkgA',
  type: 'I',
  builtAt: 1_375_425_475,
  filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }, { fileset: 'PkgA.adt', vrmf: '7.3.2.10' }],
  payload: [{ path: '/usr/PkgA/data', size: 5000 }],
}

/** Writes a package file and opens it as the server does. The caller closes `file.fd`. */
export async function openSignable(path: string, source: PackageSource = PACKAGE): Promise<CopyablePackage> {
  const bytes = writePackage(source)
  await writeFile(path, bytes)
  const fd = openSync(path, 'r')
  const sizes = { fileBytes: bytes.length, sizeBytes: bytes.length }
  const found = inspectFile({ fd, ...sizes }, { accept: ['installp'] })
  if (found.kind !== 'installp') throw new TypeError('not a package')
  return { file: { fd, fileBytes: bytes.length }, filename: basename(path), sizeBytes: bytes.length, sha256: hash('sha256', bytes, 'buffer'), info: found.installp }
}

/** Copies and hashes with the very functions that the worker threads run. */
export const copier: Copier = {
  copy: async ({ fd, fileBytes, sizeBytes = fileBytes }, target, signal) => {
    signal?.throwIfAborted()
    return copyFile({ fd, fileBytes, sizeBytes }, target.fd)
  },
  hash: async ({ fd, fileBytes, sizeBytes = fileBytes }) => hashFile({ fd, fileBytes, sizeBytes }),
}
