import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TlsOptions, TLSSocket } from 'node:tls'
import type { FastifyBaseLogger } from 'fastify'
import type { LimitsConfig } from '../config/schema.ts'
import type { ErrorCode } from '../errors.ts'
import { identityOf } from '../identity/client.ts'
import { decide, type Policy } from '../policy/decide.ts'
import { answerFault, clientFault } from './client-fault.ts'
import { createConnectionTable, type ConnectionTable } from './connection-table.ts'
import { hasTime } from './patience.ts'

export type ListenerName = 'service' | 'browser'

export type ConnectionDeps = Readonly<{
  handler: (request: IncomingMessage, response: ServerResponse) => void
  tls: TlsOptions
  limits: Pick<LimitsConfig, 'connections' | 'requestMs' | 'idleMs'>
  policy: () => Policy
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>
  /** Told the reason when a TLS client is turned away, and the code when what arrived never became a request. */
  tlsClientFailed: (code: string | undefined) => void
  requestRefused: (code: ErrorCode) => void
}>

/**
 * One service port. `drain` stops accepting, closes what is idle and resolves when the last connection is closed; `cut` closes what
 * is left.
 */
export type Listener = Readonly<{
  connections(): number
  listen(options: Readonly<{ host: string; port: number }>): Promise<AddressInfo>
  drain(): Promise<void>
  cut(): void
  /**
   * New connections go by `tls`, and nobody resumes a session from before. Connections stay open, but for those that do not stand any
   * more: they end after their running requests. Returns how many.
   */
  renew(tls: TlsOptions, stands: (certificate: X509Certificate) => boolean): number
}>

/** How often Node looks for requests that take too long to arrive. */
const CHECK_MS = 1_000
/** Header fields have no reason to take longer. */
const HEADERS_MS = 20_000

/** Creates a service port: who connects is logged by name, who is refused by reason. It does not listen yet. */
export function createListener(name: ListenerName, deps: ConnectionDeps): Listener {
  const table = createConnectionTable()
  const server = createHttpsServer(name, deps, table)
  return {
    connections: () => table.open(),
    listen: async (options) => {
      server.listen(options)
      await once(server, 'listening')
      // From now on: a connection that could not be accepted is no reason to end the service for the others.
      server.on('error', (err) => deps.log.warn({ listener: name, err }, 'listener failed'))
      return server.address() as AddressInfo
    },
    drain: async () => {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      table.closeIdle()
      await closed
    },
    cut: () => table.closeAll(),
    renew: (tls, stands) => {
      server.setSecureContext(tls)
      return table.judge((socket) => {
        const certificate = socket.getPeerX509Certificate()
        return certificate !== undefined && stands(certificate)
      })
    },
  }
}

function createHttpsServer(name: ListenerName, deps: ConnectionDeps, table: ConnectionTable): Server {
  const { limits, log } = deps
  const handler = (request: IncomingMessage, response: ServerResponse): void => {
    if (table.begin(response)) deps.handler(request, response)
  }
  const server = createServer({
    ...deps.tls,
    requestTimeout: limits.requestMs,
    headersTimeout: Math.min(limits.requestMs, HEADERS_MS),
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: CHECK_MS,
    // The app refuses these itself, with a problem document.
    requireHostHeader: false,
  }, handler)
  server.maxConnections = limits.connections
  server.on('checkExpectation', handler)
  server.on('connection', (socket: Socket) => table.add(socket))
  server.on('secureConnection', (socket) => greet(socket, { name, table, deps }))
  server.on('tlsClientError', (error, socket) => turnAway(error, socket, { name, table, deps }))
  server.on('drop', (peer) => log.warn({ listener: name, address: peer?.remoteAddress, port: peer?.remotePort, reason: 'limits.connections' }, 'refused connection'))
  server.on('clientError', (error, socket) => answerClientError(error, socket as TLSSocket, { name, table, deps }))
  return server
}

type Port = Readonly<{ name: ListenerName; table: ConnectionTable; deps: ConnectionDeps }>

function greet(socket: TLSSocket, { name, table, deps: { policy, log } }: Port): void {
  const identity = identityOf(socket)
  const decision = decide(policy(), identity, { kind: 'listed', at: new Date() })
  const facts = { listener: name, ...table.peerOf(socket), client: decision.client?.name ?? null, spki: identity?.spkiSha256.slice(0, 16), resumed: socket.isSessionReused() }
  log.info(facts, 'client connected')
  const connected = performance.now()
  socket.once('close', () => log.info({ ...facts, durationMs: Math.round(performance.now() - connected) }, 'client disconnected'))
  if (!table.secured(socket)) socket.destroy()
}

function turnAway(error: NodeJS.ErrnoException, socket: TLSSocket, { name, table, deps }: Port): void {
  // A certificate that was refused shows only here; the error says that the connection is gone, which this server itself did.
  const refusal = socket.authorizationError as unknown as string | null | undefined
  const reason = refusal ?? error.code
  deps.tlsClientFailed(reason)
  deps.log.warn({ listener: name, ...table.peerOf(socket), reason }, 'refused connection')
  socket.destroy()
}

/** Answers what never became a request: the HTTP parser refused it, or it did not arrive in time. */
function answerClientError(error: NodeJS.ErrnoException, socket: TLSSocket, { name, table, deps }: Port): void {
  // Node only tells, and closes nothing by itself: the upload goes on.
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && hasTime(socket)) return
  const fault = clientFault(error)
  if (fault === undefined || !socket.writable || table.isAnswering(socket)) return void socket.destroy()
  const requestId = answerFault(socket, fault)
  deps.requestRefused(fault.code)
  deps.log.warn({ listener: name, ...table.peerOf(socket), reqId: requestId, code: fault.code }, 'request refused')
}
