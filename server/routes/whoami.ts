import { callerOf } from '../http/authenticate.ts'
import { withLive, type Beside } from '../http/live.ts'
import { answer, NO_QUERY, problemResponses, type App } from '../http/route.ts'
import { whoami, type WhoamiDeps } from '../operations/whoami.ts'
import { Whoami } from '../schemas/whoami.ts'

/** `GET /whoami`: who the server takes the client for. Every listed client may ask. */
export function whoamiRoute(app: App, deps: Beside<WhoamiDeps>): void {
  const schema = {
    operationId: 'whoami',
    tags: ['client'],
    summary: 'Who am I',
    description: 'Answers with who the server takes this client for, what it may do, and what is left of its limits. Every listed client may ask.',
    querystring: NO_QUERY,
    response: { 200: answer(Whoami, 'The client.'), ...problemResponses('STORE_FAILED') },
  }
  app.get('/whoami', { schema, config: { operation: 'whoami' } }, async (request) => await whoami(withLive(deps, request), callerOf(request)))
}
