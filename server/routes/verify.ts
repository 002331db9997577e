import type { Static } from 'typebox'
import { SigningError } from '../errors.ts'
import { abortSignal } from '../http/abort.ts'
import { callerOf } from '../http/authenticate.ts'
import { withLive, type Beside } from '../http/live.ts'
import { allowTime } from '../http/patience.ts'
import { answer, problemResponses, type App } from '../http/route.ts'
import { OCTET_STREAM, UPLOAD_BODY, uploadOf, VerifyUploadQuery } from '../http/upload.ts'
import { verify } from '../operations/verify.ts'
import { verifyUpload, type VerifyUploadDeps } from '../operations/verify-upload.ts'
import { refTo } from '../schemas/reference.ts'
import { Verification, VerifyRequest, type GivenSignature } from '../schemas/verify.ts'

/** `POST /verify`: says whether a signature is valid, and if not, why. */
export function verifyRoute(app: App, deps: Beside<VerifyUploadDeps> & Readonly<{ stop: AbortSignal }>): void {
  const schema = {
    operationId: 'verify',
    tags: ['signing'],
    summary: 'Verify a signature',
    description: 'Says whether a signature over a file (by path, by digest, or sent, whatever it is) is valid, and if not, why. Without a signature in the request the Digital Signature Block in the file is meant, else the catalogue.',
    querystring: VerifyUploadQuery,
    body: { content: { 'application/json': { schema: refTo(VerifyRequest) }, [OCTET_STREAM]: { schema: UPLOAD_BODY } } },
    response: {
      200: answer(Verification, 'Valid or not, and why.'),
      ...problemResponses(
        'BODY_MALFORMED', 'BODY_TOO_LARGE', 'CONTENT_TYPE_UNSUPPORTED', 'PATH_MALFORMED', 'PATH_OUTSIDE_ROOTS', 'PATH_UNREADABLE', 'FILE_KIND_REFUSED', 'FILE_CHANGED',
        'FILE_TOO_LARGE', 'FILE_NAME_REFUSED', 'DIGEST_MALFORMED', 'DIGEST_MISMATCH', 'STORE_FAILED', 'STORAGE_FULL',
        'REQUEST_TIMEOUT', 'REQUEST_ABORTED',
      ),
    },
  }
  app.post('/verify', { schema, config: { operation: 'verify' } }, async (request, reply) => {
    const upload = uploadOf(request)
    const signal = abortSignal(reply, deps.stop)
    if (upload === undefined) return await verify(withLive(deps, request), callerOf(request), request.body as VerifyRequest, signal)
    allowTime(reply)
    return await verifyUpload(withLive(deps, request), callerOf(request), { ...upload, ...givenIn(request.query) }, signal)
  })
}

function givenIn({ form, value }: Static<typeof VerifyUploadQuery>): Readonly<{ given?: GivenSignature }> {
  if ((form === undefined) !== (value === undefined)) throw new SigningError('REQUEST_INVALID', 'the query parameters form and value make a signature only together')
  return form === undefined || value === undefined ? {} : { given: { form, value } }
}
