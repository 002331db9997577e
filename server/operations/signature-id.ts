import { randomUUID } from 'node:crypto'

/**
 * Returns the id of a signature that was made at a time: a UUID of version 7, such as `01a20da2-caa3-72cf-b6d4-db86dc29a3a9`. What is signed
 * later has a greater one, so that the catalogue grows at its end and not everywhere.
 * @see RFC 9562, section 5.7
 */
export function signatureId(at: Date): string {
  const time = at.getTime().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
