import { Type } from 'typebox'
import { callerOf } from '../http/authenticate.ts'
import { answer, NO_QUERY, problemResponses, type App } from '../http/route.ts'
import { getSignature } from '../operations/get-signature.ts'
import { Signature } from '../schemas/signature.ts'
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
