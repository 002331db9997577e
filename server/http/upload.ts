import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { SigningError } from '../errors.ts'
import { Keyid } from '../schemas/key.ts'
import { refTo } from '../schemas/reference.ts'
import { anew } from '../schemas/sign.ts'
import { SIGNATURE_FORMS } from '../schemas/verify.ts'
import type { Sending } from '../uploads/receive.ts'
import { callerOf } from './authenticate.ts'
import { declaredDigests } from './content-digest.ts'

export const OCTET_STREAM = 'application/octet-stream'
const IS_OCTET_STREAM = /^application\/octet-stream[ \t]*(?:;|$)/i

/** The body of an upload as the document shows it; the stream itself is not validated. */
export const UPLOAD_BODY = Type.Unsafe<Readable>({ contentMediaType: OCTET_STREAM, description: 'The file, with `?filename=`; its digest may be declared by `Content-Digest` or `Repr-Digest` (RFC 9530).' })

const filename = Type.Optional(Type.String({ minLength: 1, maxLength: 1024, description: 'Base name of the uploaded file; for an upload only, and there it must be given.' }))

/** The query of `POST /sign`. */
export const SignUploadQuery = Type.Object({ filename, keyid: Type.Optional(refTo(Keyid)), ...anew }, { additionalProperties: false })

/** The query of `POST /verify`. A signature that is longer than a URL can hold is verified by path or by digest. */
export const VerifyUploadQuery = Type.Object(
  {
    filename,
    form: Type.Optional(Type.Enum(SIGNATURE_FORMS, { type: 'string', description: 'With `value`, the signature over the uploaded file, as in `GivenSignature`.' })),
    value: Type.Optional(Type.String({ minLength: 1, maxLength: 16_384, description: 'See `form`. A `+` of base64 is written `%2B` in a URL.' })),
  },
  { additionalProperties: false },
)

/** An upload as its request declares it. */
export type DeclaredUpload = Sending & Readonly<{ filename: string }>

/** Whether a request says that its body is a file. */
export function isUpload({ headers }: Pick<FastifyRequest, 'headers'>): boolean {
  return IS_OCTET_STREAM.test(headers['content-type'] ?? '')
}

/**
 * Returns what a request uploads, or undefined for a request with a JSON body.
 * @throws SigningError `CONTENT_TYPE_UNSUPPORTED` for a request without a body and its type, `REQUEST_INVALID` for a query without a file or a file without a name, `DIGEST_MALFORMED`
 */
export function uploadOf(request: Pick<FastifyRequest, 'body' | 'headers' | 'query' | 'caller'>): DeclaredUpload | undefined {
  const { body, headers, query } = request
  const parameters = query as Readonly<{ filename?: string }>
  if (!isUpload(request)) {
    // Without a type there was nothing that a schema could have been chosen for.
    if (body === undefined) throw new SigningError('CONTENT_TYPE_UNSUPPORTED', 'the content type of the body is missing')
    const [name] = Object.keys(parameters)
    if (name !== undefined) throw new SigningError('REQUEST_INVALID', `the query parameter ${name} belongs to an upload`)
    return undefined
  }
  if (parameters.filename === undefined) throw new SigningError('REQUEST_INVALID', 'an upload needs the query parameter filename')
  const length = headers['content-length']
  const { client: { maxFileBytes }, spend } = callerOf(request)
  return {
    filename: parameters.filename,
    body: body as Readable,
    digests: declaredDigests(headers),
    ...(maxFileBytes === undefined ? {} : { maxFileBytes }),
    ...(length === undefined ? { arrived: spend } : { declaredBytes: Number(length) }),
  }
}
