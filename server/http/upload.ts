import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { Type, type Static } from 'typebox'
import { SigningError } from '../errors.ts'
import { Keyid } from '../schemas/key.ts'
import { refTo } from '../schemas/reference.ts'
import { declaredDigests } from './content-digest.ts'

export const OCTET_STREAM = 'application/octet-stream'

/** The body of an upload as the document shows it; the stream itself is not validated. */
export const UPLOAD_BODY = Type.Unsafe<Readable>({ contentMediaType: OCTET_STREAM, description: 'The file, with `?filename=`; its digest may be declared by `Content-Digest` or `Repr-Digest` (RFC 9530).' })

/** The query of a route that takes uploads. */
export const UploadQuery = Type.Object(
  {
    filename: Type.Optional(Type.String({ minLength: 1, maxLength: 1024, description: 'Base name of the uploaded file; for an upload only, and there it must be given.' })),
    keyid: Type.Optional(refTo(Keyid)),
  },
  { additionalProperties: false },
)
type UploadQuery = Static<typeof UploadQuery>

/** An upload as its request declares it. */
export type DeclaredUpload = Readonly<{ filename: string; keyid?: string; body: Readable; declaredBytes?: number; digests: readonly Buffer[] }>

/**
 * Returns what a request uploads, or undefined for a request with a JSON body.
 * @throws SigningError `REQUEST_INVALID` for a file name without a file or a file without a name, `DIGEST_MALFORMED`
 */
export function uploadOf({ body, headers, query }: Pick<FastifyRequest, 'body' | 'headers' | 'query'>): DeclaredUpload | undefined {
  const { filename, keyid } = query as UploadQuery
  if (headers['content-type']?.split(';')[0]?.trim().toLowerCase() !== OCTET_STREAM) {
    if (filename !== undefined || keyid !== undefined) throw new SigningError('REQUEST_INVALID', 'the query parameters filename and keyid belong to an upload')
    return undefined
  }
  if (filename === undefined) throw new SigningError('REQUEST_INVALID', 'an upload needs the query parameter filename')
  const length = headers['content-length']
  return {
    filename,
    body: body as Readable,
    digests: declaredDigests(headers),
    ...(keyid === undefined ? {} : { keyid }),
    ...(length === undefined ? {} : { declaredBytes: Number(length) }),
  }
}
