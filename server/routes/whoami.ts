import { callerOf } from '../http/authenticate.ts'
import { answer, NO_QUERY, problemResponses, type App } from '../http/route.ts'
import type { Keyring } from '../keys/key.ts'
import { whoami } from '../operations/whoami.ts'
import type { Root } from '../roots/resolve.ts'
import { Whoami } from '../schemas/whoami.ts'

/** `GET /whoami`: who the server takes the client for. Every listed client may ask. */
export function whoamiRoute(app: App, deps: Readonly<{ keyring: Keyring; roots: readonly Root[] }>): void {
  const schema = {
    operationId: 'whoami',
    tags: ['client'],
    summary: 'Who am I',
    description: 'Answers with who the server takes this client for, and what it may do. Every listed client may ask.',
    querystring: NO_QUERY,
    response: { 200: answer(Whoami, 'The client.'), ...problemResponses() },
  }
  app.get('/whoami', { schema, config: { operation: 'whoami' } }, async (request) => whoami(deps, callerOf(request)))
}
