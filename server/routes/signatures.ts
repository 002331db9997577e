import { Type } from 'typebox'
import { callerOf } from '../http/authenticate.ts'
import { sendExported } from '../http/exported.ts'
import { answer, fileAnswer, NO_QUERY, problemResponses, type App } from '../http/route.ts'
import { exportSignature, type ExportDeps } from '../operations/export-signature.ts'
import { getSignature } from '../operations/get-signature.ts'
import { refTo } from '../schemas/reference.ts'
import { Signature } from '../schemas/signature.ts'
import { SignatureForm } from '../schemas/verify.ts'
import type { Store } from '../store/store.ts'

/** `GET /signatures/{id}`: one signature of the catalogue. */
export function getSignatureRoute(app: App, deps: Readonly<{ store: Store }>): void {
  const schema = {
    operationId: 'getSignature',
    tags: ['catalogue'],
    summary: 'Get a signature',
    description: 'Answers with a signature that was made for this client.',
    querystring: NO_QUERY,
    params: Type.Object({ id: Type.String({ format: 'uuid', description: 'The `id` of the signature.' }) }, { additionalProperties: false }),
    response: { 200: answer(Signature, 'The signature.'), ...problemResponses('SIGNATURE_NOT_FOUND', 'STORE_FAILED') },
  }
  app.get('/signatures/:id', { schema, config: { operation: 'getSignature' } }, async (request) => await getSignature(deps, callerOf(request), request.params.id))
}

/** `GET /signatures/{id}/{form}`: one signature as a file to keep. */
export function exportSignatureRoute(app: App, deps: ExportDeps): void {
  const schema = {
    operationId: 'exportSignature',
    tags: ['catalogue'],
    summary: 'Export a signature',
    description: 'Answers with the same signature as a file: the signature file, the raw signature, the block to append to the package, or the script for the Digital Signature Catalog.',
    querystring: NO_QUERY,
    params: Type.Object({ id: Type.String({ format: 'uuid', description: 'The `id` of the signature.' }), form: refTo(SignatureForm) }, { additionalProperties: false }),
    response: {
      200: fileAnswer('The file, with its name in Content-Disposition.', 'text/plain', 'application/octet-stream', 'text/x-shellscript'),
      ...problemResponses('SIGNATURE_NOT_FOUND', 'FORM_NOT_AVAILABLE', 'STORE_FAILED'),
    },
  }
  app.get('/signatures/:id/:form', { schema, config: { operation: 'exportSignature' } }, async (request, reply) => {
    return await sendExported(reply, await exportSignature(deps, callerOf(request), request.params))
  })
}
