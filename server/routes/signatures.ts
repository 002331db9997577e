import { Type } from 'typebox'
import { abortSignal } from '../http/abort.ts'
import { chooseMediaType } from '../http/accept.ts'
import { callerOf } from '../http/authenticate.ts'
import { sendExported } from '../http/exported.ts'
import { withLive, type Beside } from '../http/live.ts'
import { answer, fileAnswer, NO_QUERY, problemResponses, type App } from '../http/route.ts'
import { asNdjson } from '../http/sign-answer.ts'
import { begun, NDJSON, sendStream } from '../http/stream.ts'
import { exportSignature, type ExportDeps } from '../operations/export-signature.ts'
import { eachSignature, findSignatures, type FindSignaturesDeps } from '../operations/find-signatures.ts'
import { getSignature } from '../operations/get-signature.ts'
import { refTo } from '../schemas/reference.ts'
import { Signature } from '../schemas/signature.ts'
import { FoundSignature, SignatureList, SignaturesQuery } from '../schemas/signatures.ts'
import { ExportForm } from '../schemas/verify.ts'
import type { Store } from '../store/store.ts'

/** `GET /signatures`: what was signed, a page at a time or all of it line by line. */
export function findSignaturesRoute(app: App, deps: Beside<FindSignaturesDeps> & Readonly<{ stop: AbortSignal }>): void {
  const schema = {
    operationId: 'findSignatures',
    tags: ['catalogue'],
    summary: 'Find signatures',
    description:
      'Answers with the signatures that fit everything the query names, the newest first: those that were made for this client or handed to it, or everybody\'s where the policy says so. With `Accept: application/x-ndjson` not a page but all of them, one a line.',
    querystring: SignaturesQuery,
    response: {
      200: {
        description: 'One page, or everything line by line.',
        content: { 'application/json': { schema: refTo(SignatureList) }, [NDJSON]: { schema: refTo(FoundSignature) } },
      },
      ...problemResponses('STORE_FAILED'),
    },
  }
  app.get('/signatures', { schema, config: { operation: 'findSignatures' } }, async (request, reply) => {
    const chosen = chooseMediaType(request.headers.accept, ['application/json', NDJSON])
    const signal = abortSignal(reply, deps.stop)
    if (chosen !== NDJSON) return await findSignatures(withLive(deps, request), callerOf(request), request.query, signal)
    const all = eachSignature(withLive(deps, request), callerOf(request), request.query, signal)
    return await sendStream(reply, NDJSON, asNdjson(await begun(all)))
  })
}

/** `GET /signatures/{id}`: one signature of the catalogue. */
export function getSignatureRoute(app: App, deps: Readonly<{ store: Store }>): void {
  const schema = {
    operationId: 'getSignature',
    tags: ['catalogue'],
    summary: 'Get a signature',
    description: 'Answers with a signature that was made for this client, or handed to it when it asked for the same.',
    querystring: NO_QUERY,
    params: Type.Object({ id: Type.String({ format: 'uuid', description: 'The `id` of the signature.' }) }, { additionalProperties: false }),
    response: { 200: answer(Signature, 'The signature.'), ...problemResponses('SIGNATURE_NOT_FOUND', 'STORE_FAILED') },
  }
  app.get('/signatures/:id', { schema, config: { operation: 'getSignature' } }, async (request) => await getSignature(withLive(deps, request), callerOf(request), request.params.id))
}

/** `GET /signatures/{id}/{form}`: one signature as a file to keep. */
export function exportSignatureRoute(app: App, deps: Beside<ExportDeps>): void {
  const schema = {
    operationId: 'exportSignature',
    tags: ['catalogue'],
    summary: 'Export a signature',
    description: 'Answers with the same signature as a file: the signature file, the raw signature, the block to append to the package, or the script for the Digital Signature Catalog; or with the proof that it stands in the tamper-evident log.',
    querystring: NO_QUERY,
    params: Type.Object({ id: Type.String({ format: 'uuid', description: 'The `id` of the signature.' }), form: refTo(ExportForm) }, { additionalProperties: false }),
    response: {
      200: fileAnswer('The file, with its name in Content-Disposition.', 'text/plain', 'application/octet-stream', 'text/x-shellscript'),
      ...problemResponses('SIGNATURE_NOT_FOUND', 'FORM_NOT_AVAILABLE', 'KEY_REVOKED', 'STORE_FAILED'),
    },
  }
  app.get('/signatures/:id/:form', { schema, config: { operation: 'exportSignature' } }, async (request, reply) => {
    return await sendExported(reply, await exportSignature(withLive(deps, request), callerOf(request), request.params))
  })
}
