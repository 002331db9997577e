import { Type } from 'typebox'
import { callerOf } from '../http/authenticate.ts'
import { sendExported } from '../http/exported.ts'
import { liveOf } from '../http/live.ts'
import { answer, fileAnswer, NO_QUERY, problemResponses, type App } from '../http/route.ts'
import { exportKey } from '../operations/export-key.ts'
import { getKey } from '../operations/get-key.ts'
import { listKeys } from '../operations/list-keys.ts'
import { Key, KeyForm, Keyid, KeyList } from '../schemas/key.ts'
import { refTo } from '../schemas/reference.ts'

/** `GET /keys`: the public parts of the keys that the client may use. */
export function listKeysRoute(app: App): void {
  const schema = {
    operationId: 'listKeys',
    tags: ['catalogue'],
    summary: 'List keys',
    description: 'Answers with the public part of every key this client may use.',
    querystring: NO_QUERY,
    response: { 200: answer(KeyList, 'The keys.'), ...problemResponses() },
  }
  app.get('/keys', { schema, config: { operation: 'listKeys' } }, async (request) => listKeys(liveOf(request), callerOf(request)))
}

/** `GET /keys/{keyid}`: the public part of one key. */
export function getKeyRoute(app: App): void {
  const schema = {
    operationId: 'getKey',
    tags: ['catalogue'],
    summary: 'Get a key',
    description: 'Answers with the public part of one key.',
    querystring: NO_QUERY,
    params: Type.Object({ keyid: refTo(Keyid) }, { additionalProperties: false }),
    response: { 200: answer(Key, 'The key.'), ...problemResponses('KEY_NOT_AVAILABLE') },
  }
  app.get('/keys/:keyid', { schema, config: { operation: 'getKey' } }, async (request) => getKey(liveOf(request), callerOf(request), request.params.keyid))
}

/** `GET /keys/{keyid}/{form}`: what must be installed of a key on the targets. */
export function exportKeyRoute(app: App): void {
  const schema = {
    operationId: 'exportKey',
    tags: ['catalogue'],
    summary: 'Export a key',
    description: 'Answers with the public part of one key as a file to install on the targets.',
    querystring: NO_QUERY,
    params: Type.Object({ keyid: refTo(Keyid), form: refTo(KeyForm) }, { additionalProperties: false }),
    response: { 200: fileAnswer('The file, with its name in Content-Disposition.', 'application/x-pem-file'), ...problemResponses('KEY_NOT_AVAILABLE', 'FORM_NOT_AVAILABLE') },
  }
  app.get('/keys/:keyid/:form', { schema, config: { operation: 'exportKey' } }, async (request, reply) => {
    return await sendExported(reply, exportKey(liveOf(request), callerOf(request), request.params))
  })
}
