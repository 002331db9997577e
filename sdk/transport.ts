import { Readable } from 'node:stream'
import type { SecureContext } from 'node:tls'
import type { buildConnector, Dispatcher } from 'undici'
// Three files of it: the index also loads fetch, WebSocket, caches and mocks, which is a third of the time that `sign` takes to start.
import request from 'undici/lib/api/api-request.js'
import openTls from 'undici/lib/core/connect.js'
import Pool from 'undici/lib/dispatcher/pool.js'
import { connectionFault, type Address, type FaultFacts } from './connection-fault.ts'
import { checkCredentials, type Credentials } from './credentials.ts'

const CONNECT_MS = 10_000
const MAX_CONNECTIONS = 32
/** A certificate is refused within a round trip of the handshake; a connection that ends later was lost. */
const REFUSAL_MS = 5_000

/**
 * One request as it goes over the wire; `path` has its query. A body that is streamed is asked for anew for each try; what it throws, the
 * call throws. Its length stands in `headers`.
 */
export type HttpRequest = Readonly<{ method: 'GET' | 'POST'; path: string; headers: Readonly<Record<string, string>>; body?: string | (() => AsyncIterable<Uint8Array>) | undefined }>

/** How long to wait: `signal` ends everything at once, `idleMs` bounds the wait for the head of the answer and for each next piece of it (0: for ever). */
export type Limits = Readonly<{ signal: AbortSignal; idleMs: number }>

/** The head of an answer, and its body to be read or discarded. */
export type HttpAnswer = Readonly<{
  status: number
  /** Without parameters, in lower case; empty where the server named none. */
  mediaType: string
  retryAfter: string | undefined
  /** What is left of the limits of this client, and what they are: its RateLimit and RateLimit-Policy fields. */
  rateLimit: string | undefined
  rateLimitPolicy: string | undefined
  /** The Content-Disposition field. */
  disposition: string | undefined
  /** Whether this is the answer of an earlier request with the same Idempotency-Key: its Idempotent-Replayed field. */
  replayed: boolean
  /** The body, once. Leaving the loop early closes the connection. Throws ConnectionError, or the reason of the signal. */
  chunks: AsyncIterable<Uint8Array>
  /** Closes the connection without reading the body. */
  discard: () => void
}>

/** A pool of connections to one server. */
export type Transport = Readonly<{
  address: Address
  /** @throws ConnectionError, or the reason of the signal */
  send: (request: HttpRequest, limits: Limits) => Promise<HttpAnswer>
  /** Lets running requests end, then closes every connection. */
  close: () => Promise<void>
}>

export type TransportOptions = Credentials &
  Readonly<{
    baseUrl: string | URL
    onConnect?: ((address: Address) => void) | undefined
    /** How long after the handshake the end of a connection still counts as a refusal of the certificate. */
    refusalMs?: number
  }>

/**
 * Returns a pool of connections to one server: TLS 1.3, the server's certificate always verified, kept alive between requests, HTTP/1.1.
 * It stands on undici's `request`: port 6000 is a bad port of the fetch standard, which every `fetch` refuses.
 * @throws TypeError for a `baseUrl` that is not just `https://HOST:PORT`; ConnectionError `CREDENTIALS_UNUSABLE`
 */
export function createTransport({ baseUrl, onConnect, refusalMs = REFUSAL_MS, ca, cert, key }: TransportOptions): Transport {
  const origin = parseOrigin(baseUrl)
  const address = { host: origin.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(origin.port || 443) }
  const { secureContext, certificateFault } = checkCredentials({ ca, cert, key })
  const lost = new WeakSet<object>()
  const pool = new Pool(origin, { allowH2: false, connections: MAX_CONNECTIONS, connect: connector({ secureContext, lost, refusalMs }) })
  pool.on('connect', () => onConnect?.(address))
  const explain = (cause: unknown, signal: AbortSignal, answered: boolean): unknown => {
    if (signal.aborted) return signal.reason
    const facts: FaultFacts = { address, answered, fresh: !lost.has(cause as object), certificateFault: certificateFault(new Date()) }
    return connectionFault(cause, facts)
  }
  const send: Transport['send'] = async ({ method, path, headers, body }, { signal, idleMs }) => {
    if (pool.closed) throw new TypeError('the client is closed')
    const sending = sendable(body)
    const options = { method, path, headers: { ...headers }, body: sending.body, signal, headersTimeout: idleMs, bodyTimeout: idleMs }
    const answer = await request.call(pool, options).catch((cause: unknown) => {
      throw sending.fault() ?? explain(cause, signal, false)
    })
    return httpAnswer(answer, (cause) => explain(cause, signal, true))
  }
  return { address, send, close: async () => await pool.close() }
}

type Sendable = Readonly<{ body: string | Readable | null; fault: () => Error | undefined }>

/** A body as undici takes it; `fault` tells what the source of a stream threw, which undici reports as if the connection had broken. */
function sendable(body: HttpRequest['body']): Sendable {
  if (typeof body !== 'function') return { body: body ?? null, fault: () => undefined }
  let fault: Error | undefined
  const chunks = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* body()
    } catch (error) {
      fault = error as Error
      throw error
    }
  }
  return { body: Readable.from(chunks(), { objectMode: false }), fault: () => fault }
}

function parseOrigin(baseUrl: string | URL): URL {
  const url = new URL(baseUrl)
  if (url.protocol !== 'https:') throw new TypeError('`baseUrl` must begin with https://')
  if (url.href !== `${url.origin}/`) throw new TypeError('`baseUrl` must be scheme, host and port alone, such as https://localhost:6000')
  return url
}

type Connecting = Readonly<{ secureContext: SecureContext; lost: WeakSet<object>; refusalMs: number }>

/** Opens TLS connections; the errors of those that carried a byte of an answer, or stood for a while, go into `lost`. */
function connector({ secureContext, lost, refusalMs }: Connecting): buildConnector.connector {
  // Said outright, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment changes nothing.
  const open = openTls({ secureContext, rejectUnauthorized: true, allowH2: false, timeout: CONNECT_MS })
  return (options, callback) => {
    open(options, (...outcome: buildConnector.CallbackArgs) => {
      const [, socket] = outcome
      const since = performance.now()
      socket?.on('error', (fault: object) => {
        // `bytesRead` of a TLS socket counts what was decrypted: session tickets are not in it.
        if (socket.bytesRead > 0 || performance.now() - since > refusalMs) lost.add(fault)
      })
      callback(...outcome)
    })
  }
}

function httpAnswer({ statusCode, headers, body }: Dispatcher.ResponseData, explain: (cause: unknown) => unknown): HttpAnswer {
  // A body that is destroyed says so by an event, which would end the process if nobody listened.
  body.on('error', () => undefined)
  const chunks = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of body) yield chunk as Uint8Array
    } catch (cause) {
      throw explain(cause)
    }
  }
  return {
    status: statusCode,
    mediaType: (text(headers['content-type']) ?? '').split(';', 1)[0]!.trim().toLowerCase(),
    retryAfter: text(headers['retry-after']),
    rateLimit: joined(headers['ratelimit']),
    rateLimitPolicy: joined(headers['ratelimit-policy']),
    disposition: text(headers['content-disposition']),
    replayed: text(headers['idempotent-replayed']) === 'true',
    chunks: chunks(),
    discard: () => void body.destroy(),
  }
}

/** A list may come in several fields. */
function joined(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value
}

function text(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
