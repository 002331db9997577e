import { abortSignal } from '../http/abort.ts'
import { callerOf } from '../http/authenticate.ts'
import { withLive, type Beside } from '../http/live.ts'
import { answer, problemResponses, type App } from '../http/route.ts'
import { listFiles, type ListFilesDeps } from '../operations/list-files.ts'
import { FileList, FilesQuery } from '../schemas/files.ts'

/** `GET /files`: lists a directory, a file, or the roots of the client. */
export function listFilesRoute(app: App, deps: Beside<ListFilesDeps> & Readonly<{ stop: AbortSignal }>): void {
  const schema = {
    operationId: 'listFiles',
    tags: ['signing'],
    summary: 'List files',
    description: 'Lists a directory in name order, a page at a time; a path to a file lists that file; without a path the roots of this client by name.',
    querystring: FilesQuery,
    response: {
      200: answer(FileList, 'One page of the listing.'),
      ...problemResponses('PATH_MALFORMED', 'PATH_OUTSIDE_ROOTS', 'PATH_UNREADABLE', 'FILE_NAME_REFUSED', 'FILE_CHANGED', 'DIRECTORY_TOO_LARGE', 'STORE_FAILED'),
    },
  }
  app.get('/files', { schema, config: { operation: 'listFiles' } }, async (request, reply) => await listFiles(withLive(deps, request), callerOf(request), request.query, abortSignal(reply, deps.stop)))
}
