import { createHash } from 'node:crypto'
import type { SignInput } from './sign.ts'

/**
 * Returns what stands for a request that may be repeated: SHA-256 (64 hexadecimal digits) of what it asks for. For JSON that is the
 * checked body, whatever the order of its members; for an upload its parameters and the SHA-256 of what arrived, `content` (32 raw bytes).
 */
export function fingerprintOf(input: SignInput, content?: Buffer): string {
  return createHash('sha256').update(JSON.stringify(asked(input, content), inNameOrder)).digest('hex')
}

function asked(input: SignInput, content: Buffer | undefined): unknown {
  if (!('upload' in input)) return { json: input }
  const { body: _body, digests: _digests, declaredBytes: _declaredBytes, ...parameters } = input.upload
  return { upload: parameters, sha256: content?.toString('hex') }
}

function inNameOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
}
