import type { IncomingHttpHeaders } from 'node:http'
import { SigningError } from '../errors.ts'

/** A dictionary of byte sequences (RFC 8941): `name=:base64:`, separated by commas. */
const MEMBER = /^[ \t]*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):[ \t]*$/

/**
 * Returns the SHA-256 digests that a request declares of its body, raw, from `Content-Digest` and `Repr-Digest`; both mean the same
 * where no content coding is used. Other algorithms are ignored, as RFC 9530 section 2 wants; what is not such a field is refused.
 * @throws SigningError `DIGEST_MALFORMED`
 */
export function declaredDigests(headers: IncomingHttpHeaders): readonly Buffer[] {
  return ['content-digest', 'repr-digest'].flatMap((name) => {
    const value = headers[name]
    return typeof value === 'string' ? parseDigests(value) : []
  })
}

function parseDigests(value: string): readonly Buffer[] {
  return value.split(',').flatMap((text) => {
    const [, algorithm, base64 = ''] = MEMBER.exec(text) ?? []
    if (algorithm === undefined) throw malformed()
    if (algorithm !== 'sha-256') return []
    const digest = Buffer.from(base64, 'base64')
    if (digest.length !== 32 || digest.toString('base64') !== base64) throw malformed()
    return [digest]
  })
}

function malformed(): SigningError {
  return new SigningError('DIGEST_MALFORMED', 'the digest header is not a list such as `sha-256=:<base64>:`')
}
