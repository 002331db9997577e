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
import { outlived, unfitness, type Unfitness } from '../identity/unfit.ts'
import { answerFault, clientFault, refuseRequest, type ClientFault } from './client-fault.ts'
import { createConnectionTable, tcpOf, type ConnectionTable, type Peer } from './connection-table.ts'
import { framingFault } from './framing.ts'
import { networkOf } from './network-of.ts'
import { hasTime } from './patience.ts'
import { createRefusalLog, type RefusalLog } from './refusal-log.ts'

export type ListenerName = 'service' | 'browser'

/** The limit that a connection was too much for. */
export type ConnectionLimit = 'connections' | 'handshakesPerAddress'

export type ConnectionDeps = Readonly<{
  handler: (request: IncomingMessage, response: ServerResponse) => void
  tls: TlsOptions
  limits: Pick<LimitsConfig, ConnectionLimit | 'requestMs' | 'idleMs'>
  policy: () => Policy
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>
  /** Told the reason when a TLS client is turned away, and the code when what arrived never became a request. */
  tlsClientFailed: (code: string | undefined) => void
  connectionRefused: (limit: ConnectionLimit) => void
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
/** How long a connection that was answered and ended may stay half open. */
const LINGER_MS = 1_000
/** Requests of one connection that wait for their answers; Node reads on for as long as there is something to read. */
const PIPELINED_MAX = 64
const CROWD: ClientFault = { code: 'CLIENT_BUSY', detail: `more than ${PIPELINED_MAX} requests of this connection have no answer yet` }

/** Creates a service port: who connects is logged by name, who is refused by reason. It does not listen yet. */
export function createListener(name: ListenerName, deps: ConnectionDeps): Listener {
  const port: Port = { name, table: createConnectionTable(), deps, refusals: createRefusalLog(), over: new WeakSet() }
  const { table } = port
  const server = createHttpsServer(port)
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
      await port.refusals.close()
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

/** One port; `over` are the connections, TCP or TLS, from which nothing more is taken. */
type Port = Readonly<{ name: ListenerName; table: ConnectionTable; deps: ConnectionDeps; refusals: RefusalLog; over: WeakSet<Socket> }>

function createHttpsServer(port: Port): Server {
  const { limits, tls } = port.deps
  const handler = (request: IncomingMessage, response: ServerResponse): void => serve(request, response, port)
  const server = createServer({
    ...tls,
    requestTimeout: limits.requestMs,
    headersTimeout: Math.min(limits.requestMs, HEADERS_MS),
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: CHECK_MS,
    // The app refuses these itself, with a problem document.
    requireHostHeader: false,
  }, handler)
  server.maxConnections = limits.connections
  // Node would leave out what exceeds a number, and then nobody would see all of them.
  server.maxHeadersCount = 0
  // Without these two Node answers by itself: the first with an invitation to send the body, before anybody decided whether it is wanted.
  server.on('checkContinue', handler)
  server.on('checkExpectation', handler)
  server.on('connect', ({ socket }) => refuse(socket.resume() as TLSSocket, { code: 'REQUEST_MALFORMED', detail: 'this server is no proxy' }, 'CONNECT', port))
  server.on('connection', (socket: Socket) => admit(socket, port))
  server.on('secureConnection', (socket) => greet(socket, port))
  server.on('tlsClientError', (error, socket) => turnAway(error, socket, port))
  server.on('drop', (peer) => turnDown({ address: peer?.remoteAddress, port: peer?.remotePort }, 'connections', port))
  server.on('clientError', (error, socket) => answerClientError(error, socket as TLSSocket, port))
  return server
}

/** Takes a connection in, unless its address has too many that never said who they are: one host must not take all places. */
function admit(socket: Socket, port: Port): void {
  const { limits } = port.deps
  if (port.table.add(socket) <= limits.handshakesPerAddress) return
  turnDown(port.table.peerOf(socket), 'handshakesPerAddress', port)
  port.over.add(socket)
  socket.destroy()
}

function turnDown({ address, port: from }: Peer, limit: ConnectionLimit, port: Port): void {
  port.deps.connectionRefused(limit)
  writeRefusal({ address, port: from }, `limits.${limit}`, port)
}

function greet(socket: TLSSocket, port: Port): void {
  const { name, table, deps: { policy, log } } = port
  const stands = table.accept(socket)
  if (endIf(unfitness(socket, new Date()), socket, port)) return
  const identity = identityOf(socket)
  const decision = decide(policy(), identity, { kind: 'listed', at: new Date() })
  const facts = { listener: name, ...table.peerOf(socket), client: decision.client?.name ?? null, spki: identity?.spkiSha256.slice(0, 16), resumed: socket.isSessionReused() }
  log.info(facts, 'client connected')
  const connected = performance.now()
  socket.once('close', () => log.info({ ...facts, durationMs: Math.round(performance.now() - connected) }, 'client disconnected'))
  if (!stands) socket.destroy()
}

/** Closes a connection whose certificate is none of a client, or not any more. Returns whether it did. */
function endIf(reason: Unfitness | undefined, socket: TLSSocket, port: Port): boolean {
  if (reason === undefined) return false
  port.over.add(socket)
  refuseCertificate(socket, reason, port)
  return true
}

function turnAway(error: NodeJS.ErrnoException, socket: TLSSocket, port: Port): void {
  if (port.over.has(tcpOf(socket))) return void socket.destroy()
  // A certificate that was refused shows only here; the error says that the connection is gone, which this server itself did.
  const refusal = socket.authorizationError as unknown as string | null | undefined
  refuseCertificate(socket, refusal ?? error.code, port)
}

function refuseCertificate(socket: TLSSocket, reason: string | undefined, port: Port): void {
  port.deps.tlsClientFailed(reason)
  writeRefusal(port.table.peerOf(socket), reason, port)
  socket.destroy()
}

function writeRefusal(peer: Peer, reason: string | undefined, { name, deps: { log }, refusals }: Port): void {
  refusals.write({ log, message: 'refused connection', who: networkOf(peer.address), why: String(reason), facts: { listener: name, ...peer, reason } })
}

function serve(request: IncomingMessage, response: ServerResponse, port: Port): void {
  const socket = request.socket as TLSSocket
  // What follows a request that was refused for its form may be its body, or not.
  if (port.over.has(socket)) return hold(socket)
  if (endIf(outlived(socket, new Date()), socket, port)) return
  if (!port.table.begin(response)) return
  const fault = framingFault(request) ?? (port.table.running(socket) > PIPELINED_MAX ? CROWD : undefined)
  if (fault === undefined) return port.deps.handler(request, response)
  port.over.add(socket)
  tellRefused(socket, fault, { reason: fault.detail, requestId: refuseRequest(response, fault) }, port)
}

const held = new WeakSet<Socket>()

/** Reads no more: Node would keep every further request until those before it are answered. */
function hold(socket: TLSSocket): void {
  if (held.has(socket)) return
  held.add(socket)
  // The end of each request makes Node read on.
  socket.on('resume', () => socket.pause()).pause()
}

/** Answers what never became a request: the HTTP parser refused it, or it did not arrive in time. */
function answerClientError(error: NodeJS.ErrnoException, socket: TLSSocket, port: Port): void {
  // Node only tells, and closes nothing by itself: the upload goes on.
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && hasTime(socket)) return
  // The answer that ends it is on its way.
  if (port.over.has(socket)) return
  const fault = clientFault(error)
  if (fault === undefined) return void socket.destroy()
  refuse(socket, fault, error.code, port)
}

function refuse(socket: TLSSocket, fault: ClientFault, reason: string | undefined, port: Port): void {
  if (!socket.writable || port.table.isAnswering(socket)) return void socket.destroy()
  tellRefused(socket, fault, { reason, requestId: answerFault(socket, fault) }, port)
  // Time to read the answer; who keeps its own side open has had it.
  const linger = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(linger))
}

type Refused = Readonly<{ reason: string | undefined; requestId: string }>

function tellRefused(socket: TLSSocket, { code }: ClientFault, { reason, requestId }: Refused, { name, table, deps, refusals }: Port): void {
  const peer = table.peerOf(socket)
  deps.requestRefused(code)
  refusals.write({ log: deps.log, message: 'request refused', who: networkOf(peer.address), why: `${code} ${reason}`, facts: { listener: name, ...peer, reqId: requestId, code, reason } })
}
