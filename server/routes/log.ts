import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { Type } from 'typebox'
import { wantsGzip } from '../http/accept.ts'
import { answer, fileAnswer, NO_QUERY, problemResponses, textAnswer, type App } from '../http/route.ts'
import { OCTET_STREAM } from '../http/upload.ts'
import { createLogAudit } from '../operations/audit-log.ts'
import { getCheckpoint } from '../operations/get-checkpoint.ts'
import { getTile } from '../operations/get-tile.ts'
import { LogAudit } from '../schemas/log.ts'
import type { Store } from '../store/store.ts'

type Deps = Readonly<{ store: Store }>

const TEXT = 'text/plain; charset=utf-8'

/** `GET /log/checkpoint`: the newest state of the log, signed. */
export function getCheckpointRoute(app: App, deps: Deps): void {
  const schema = {
    operationId: 'getCheckpoint',
    tags: ['log'],
    summary: 'Get the checkpoint',
    description: 'Answers with the newest state of the log: origin, number of entries and root of the tree, signed by the key of the log (C2SP tlog-checkpoint).',
    querystring: NO_QUERY,
    response: { 200: textAnswer('A signed note.'), ...problemResponses('STORE_FAILED') },
  }
  app.get('/log/checkpoint', { schema, config: { operation: 'getCheckpoint' } }, async (_request, reply) => await reply.type(TEXT).send(await getCheckpoint(deps)))
}

/** A tile never changes, a partial one neither. Not for a shared cache: between it and the next reader stands a client certificate. */
const FOR_EVER = 'private, max-age=31536000, immutable'

const TILE = Type.String({
  description:
    '`<L>/<N>` for a tile of 256 hashes, `entries/<N>` for a bundle of 256 entries, behind a partial one `.p/<W>`: as C2SP tlog-tiles writes it. A path of several segments: its slashes may stand as they are or as `%2F`.',
  examples: ['0/x001/x234/067', 'entries/273.p/112'],
  'x-segments': true,
})

const compress = promisify(gzip)

/** `GET /log/tile/<L>/<N>[.p/<W>]` and `GET /log/tile/entries/<N>[.p/<W>]`: hashes of the tree, and entries. */
export function getTileRoute(app: App, deps: Deps): void {
  const schema = {
    operationId: 'getTile',
    tags: ['log'],
    summary: 'Get a tile of the log',
    description: 'Answers with hashes of the tree, 32 bytes each, or with entries, each behind its length in 16 bits, big-endian (C2SP tlog-tiles). What it answers for a path never changes.',
    querystring: NO_QUERY,
    params: Type.Object({ '*': Type.String() }, { additionalProperties: false }),
    response: { 200: fileAnswer('The hashes or the entries.', OCTET_STREAM), ...problemResponses('TILE_NOT_FOUND', 'STORE_FAILED') },
  }
  // The document has no spelling for a parameter of several segments but its description.
  const swaggerTransform = () => ({ schema: { ...schema, params: Type.Object({ tile: TILE }) }, url: '/log/tile/{tile}' })
  app.get('/log/tile/*', { schema, config: { operation: 'getTile', swaggerTransform } }, async (request, reply) => {
    const { kind, bytes } = await getTile(deps, `tile/${request.params['*']}`)
    reply.header('cache-control', FOR_EVER).type(OCTET_STREAM)
    if (kind === 'hashes') return await reply.send(bytes)
    reply.header('vary', 'accept-encoding')
    return await (wantsGzip(request.headers['accept-encoding']) ? reply.header('content-encoding', 'gzip').send(await compress(bytes)) : reply.send(bytes))
  })
}

/** `GET /log/key`: the key that verifies the checkpoints. */
export function getLogKeyRoute(app: App, { logKey }: Readonly<{ logKey: string }>): void {
  const schema = {
    operationId: 'getLogKey',
    tags: ['log'],
    summary: 'Get the key of the log',
    description: 'Answers with the key that verifies the checkpoints of the log, in one line: `NAME+KEYID+BASE64` (C2SP signed-note). Whoever does not trust the server gets it from somewhere else, or once and keeps it.',
    querystring: NO_QUERY,
    response: { 200: textAnswer('A verifier key and a line end.'), ...problemResponses() },
  }
  app.get('/log/key', { schema, config: { operation: 'getLogKey' } }, async (_request, reply) => await reply.type(TEXT).send(`${logKey}\n`))
}

/** `GET /log/audit`: the server compares its database with what it wrote. */
export function auditLogRoute(app: App, deps: Deps): void {
  const audit = createLogAudit(deps)
  const schema = {
    operationId: 'auditLog',
    tags: ['log'],
    summary: 'Audit the log',
    description: 'Compares every row of the database with what the server wrote, and answers with what is not the same. Takes a while, and runs once at a time. The word of the server about itself: who does not trust it rebuilds the tree from the tiles.',
    querystring: NO_QUERY,
    response: { 200: answer(LogAudit, 'What was found.'), ...problemResponses('STORE_FAILED') },
  }
  app.get('/log/audit', { schema, config: { operation: 'auditLog' } }, async () => await audit())
}
