import { createSign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { formatDsb } from '../../formats/index.ts'

/** Where the keys of signature blocks lie in tests. */
export const INSTALLED_PATH = '/etc/security/certificates/example.pem'

/** Appends a Digital Signature Block to a package, its signature made by node:crypto over the bytes before it. */
export function withBlock(bytes: Uint8Array, privateKey: KeyObject): Buffer {
  const signature = createSign('RSA-SHA256').update(bytes).sign(privateKey)
  return Buffer.concat([bytes, formatDsb({ signature, key: { form: 'LOC', path: INSTALLED_PATH } })])
}
