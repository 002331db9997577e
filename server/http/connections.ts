import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'
import type { TlsOptions, TLSSocket } from 'node:tls'
import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { LimitsConfig } from '../config/schema.ts'
import type { ErrorCode } from '../errors.ts'
import { identityOf } from '../identity/client.ts'
import { decide, type Policy } from '../policy/decide.ts'
import { hasTime } from './patience.ts'
import { problemOf, PROBLEM_MEDIA_TYPE } from './problems.ts'

export type ListenerName = 'service' | 'browser'

export type ConnectionDeps = Readonly<{
  handler: (request: IncomingMessage, response: ServerResponse) => void
  tls: TlsOptions
  limits: LimitsConfig
  policy: Policy
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>
  tlsClientFailed: (code: string | undefined) => void
}>

/** One service port. `drain` stops accepting and resolves when the last connection is closed; `cut` closes what is left. */
export type Listener = Readonly<{
  connections(): number
  listen(options: Readonly<{ host: string; port: number }>): Promise<AddressInfo>
  drain(): Promise<void>
  cut(): void
}>

/** Creates a service port: who connects is logged by name, who is refused by reason. It does not listen yet. */
export function createListener(name: ListenerName, deps: ConnectionDeps): Listener {
  const server = createHttpsServer(name, deps)
  let connections = 0
  server.on('connection', (socket) => {
    connections += 1
    // Asked once while the connection stands, so that the address is still known when TLS has refused and closed it.
    void socket.remoteAddress
    socket.once('close', () => (connections -= 1))
  })
  return {
    connections: () => connections,
    listen: async (options) => {
      server.listen(options)
      await once(server, 'listening')
      return server.address() as AddressInfo
    },
    drain: async () => {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      await closed
    },
    cut: () => server.closeAllConnections(),
  }
}

function createHttpsServer(name: ListenerName, deps: ConnectionDeps): Server {
  const { limits, log } = deps
  const server = createServer(
    { ...deps.tls, requestTimeout: limits.requestMs, headersTimeout: Math.min(limits.requestMs, 20_000), keepAliveTimeout: limits.idleMs, connectionsCheckingInterval: 1_000 },
    deps.handler,
  )
  server.maxConnections = limits.connections
  server.on('secureConnection', (socket) => greet(socket, name, deps))
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    const reason = (socket.authorizationError as unknown as string | null) ?? error.code
    deps.tlsClientFailed(reason)
    log.warn({ listener: name, ...peerOf(rawSocketOf(socket)), reason: reason ?? error.message }, 'refused connection')
    socket.destroy()
  })
  server.on('drop', (peer) => log.warn({ listener: name, address: peer?.remoteAddress, port: peer?.remotePort, reason: 'limits.connections' }, 'refused connection'))
  server.on('clientError', answerClientError)
  return server
}

function greet(socket: TLSSocket, listener: ListenerName, { policy, log }: ConnectionDeps): void {
  const identity = identityOf(socket)
  const decision = decide(policy, identity, { kind: 'listed' })
  const facts = { listener, ...peerOf(socket), client: decision.client?.name ?? null, spki: identity?.spkiSha256.slice(0, 16), resumed: socket.isSessionReused() }
  log.info(facts, 'client connected')
  const connected = performance.now()
  socket.once('close', () => log.info({ ...facts, durationMs: Math.round(performance.now() - connected) }, 'client disconnected'))
}

/** The TCP socket below TLS. Node has no public name for it; without it the line lacks the address and nothing else. */
function rawSocketOf(socket: TLSSocket): Socket {
  return (socket as TLSSocket & { _parent?: Socket | null })._parent ?? socket
}

function peerOf({ remoteAddress, remotePort }: Socket): Readonly<{ address: string | undefined; port: number | undefined }> {
  return { address: remoteAddress, port: remotePort }
}

/** Answers what never became a request: the HTTP parser refused it, or it did not arrive in time. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  // Node only tells, and closes nothing by itself: the upload goes on.
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && hasTime(socket)) return
  const [code, detail] = clientFault(error)
  if (!socket.writable || socket.bytesWritten > 0 || code === undefined) return void socket.destroy()
  const requestId = randomUUID()
  const problem = problemOf(code, detail, requestId)
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`, `content-type: ${PROBLEM_MEDIA_TYPE}`, `content-length: ${Buffer.byteLength(body)}`,
    `request-id: ${requestId}`, 'cache-control: no-store', 'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

function clientFault({ code = '' }: NodeJS.ErrnoException): readonly [ErrorCode, string] | readonly [undefined, ''] {
  if (code === 'HPE_HEADER_OVERFLOW') return ['HEADERS_TOO_LARGE', 'the header fields are larger than the server takes']
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return ['REQUEST_TIMEOUT', 'the request did not arrive within limits.requestMs']
  return code.startsWith('HPE_') ? ['REQUEST_MALFORMED', 'what arrived is not an HTTP/1.1 request'] : [undefined, '']
}
