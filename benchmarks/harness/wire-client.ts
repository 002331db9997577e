import { once } from 'node:events'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { createAnswerParser, type WireAnswer } from './answer-parser.ts'
import type { Credentials } from './place.ts'

/** Where a client connects to, and as whom. */
export type Target = Readonly<{ port: number; credentials: Credentials }>

/**
 * One connection that asks one thing after the other. Its own few lines of HTTP/1.1, because client and server share the cores of the
 * machine: what a full client library costs per request would be taken from the server that is measured.
 */
export type WireConnection = Readonly<{
  /** Whether it can still be asked. */
  isOpen: () => boolean
  /** Whether its handshake was a resumed one. */
  isResumed: () => boolean
  /** Resolves with the first session ticket, after a full handshake; behind a resumed one there is none. */
  ticket: Promise<Buffer>
  /** Resolves with the whole answer, whatever its status. @throws Error when the connection breaks first */
  ask: (request: Request) => Promise<WireAnswer>
  close: () => void
  /** Says goodbye and resolves when the server has answered that, which it does only when the handshake is done for it too. */
  leave: () => Promise<void>
}>

/** What to ask. `body` is JSON text, or pieces of known total length that are sent as they are made. */
export type Request = Readonly<{ method: 'GET' | 'POST'; path: string; headers?: Readonly<Record<string, string>> }> &
  Readonly<{ body?: string } | { bodyBytes: number; pieces: Iterable<Uint8Array> }>

/**
 * What the credentials were parsed to, once: Node would do it for each connection, which is a third of what a resumed handshake costs a
 * client, and then handshakes would measure that.
 */
const contexts = new WeakMap<Credentials, SecureContext>()

function contextOf(credentials: Credentials): SecureContext {
  const context = contexts.get(credentials) ?? createSecureContext({ ...credentials, minVersion: 'TLSv1.3' })
  contexts.set(credentials, context)
  return context
}

/** Connects by mutual TLS 1.3; resolves when the handshake is done. A `session` of an earlier connection is resumed. */
export async function openConnection({ port, credentials }: Target, session?: Buffer): Promise<WireConnection> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', secureContext: contextOf(credentials), ...(session === undefined ? {} : { session }) })
  socket.setNoDelay(true)
  // Before anything is awaited: the ticket may come with the end of the handshake.
  const ticket = Promise.withResolvers<Buffer>()
  socket.once('session', ticket.resolve)
  await once(socket, 'secureConnect')
  return wireConnection(socket, { port, ticket: ticket.promise })
}

function wireConnection(socket: TLSSocket, { port, ticket }: Readonly<{ port: number; ticket: Promise<Buffer> }>): WireConnection {
  let waiting: PromiseWithResolvers<WireAnswer> | undefined
  let parser = createAnswerParser()
  let broken: Error | undefined
  const breakWith = (error: Error): void => {
    broken ??= error
    waiting?.reject(broken)
  }
  socket.on('data', (chunk: Buffer) => {
    try {
      const answer = parser.push(chunk)
      if (answer === undefined) return
      parser = createAnswerParser()
      waiting?.resolve(answer)
    } catch (error) {
      breakWith(error as Error)
      socket.destroy()
    }
  })
  socket.on('error', breakWith).on('close', () => breakWith(new Error('the server closed the connection')))
  return {
    isOpen: () => broken === undefined,
    isResumed: () => socket.isSessionReused(),
    ticket,
    ask: async (request) => {
      if (broken !== undefined) throw broken
      waiting = Promise.withResolvers<WireAnswer>()
      const sent = send(socket, port, request)
      const answer = await waiting.promise
      await sent
      return answer
    },
    close: () => {
      breakWith(new Error('the connection was closed on this side'))
      socket.destroy()
    },
    leave: async () => {
      const closed = once(socket, 'close')
      socket.end()
      await closed
    },
  }
}

async function send(socket: TLSSocket, port: number, request: Request): Promise<void> {
  if (!('pieces' in request)) {
    const { body = '' } = request
    socket.write(`${headOf(request, port, Buffer.byteLength(body))}${body}`)
    return
  }
  socket.write(headOf(request, port, request.bodyBytes))
  for (const piece of request.pieces) {
    // A copy: a piece is valid until the next one is asked for, and the socket keeps it longer.
    if (!socket.write(Buffer.from(piece))) await once(socket, 'drain')
  }
}

function headOf({ method, path, headers = {} }: Request, port: number, bytes: number): string {
  const lines = [`${method} ${path} HTTP/1.1`, `host: localhost:${port}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)]
  if (bytes > 0) lines.push(`content-length: ${bytes}`)
  if (bytes > 0 && headers['content-type'] === undefined) lines.push('content-type: application/json')
  return `${lines.join('\r\n')}\r\n\r\n`
}
