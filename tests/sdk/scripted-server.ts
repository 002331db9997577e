import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { ClientOptions } from '../../sdk/index.ts'
import type { ClientName } from '../../certs/development.ts'
import { testPki, type TestPki } from '../helpers/pki.ts'

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

export interface ScriptedServer {
  readonly port: number
  readonly pki: TestPki
  /** Every request, in the order in which they came. */
  readonly seen: SeenRequest[]
  /** Connections on which TLS stood. */
  readonly connections: () => number
  /** Options of a client of this server; `who` says with which certificate. */
  readonly as: (who: ClientName) => Pick<ClientOptions, 'baseUrl' | 'ca' | 'cert' | 'key'>
  /** Ends every connection with a reset, below TLS. */
  readonly reset: () => void
}

type Script = (response: ServerResponse, request: SeenRequest, raw: IncomingMessage) => unknown

/** Starts a real TLS 1.3 server that demands client certificates as the product does, and answers what `script` writes. */
export async function scriptedServer(t: Test, script: Script, options: ServerOptions = {}): Promise<ScriptedServer> {
  const pki = await testPki()
  const { cert, key, ca } = pki.server
  const seen: SeenRequest[] = []
  const sockets: Socket[] = []
  let connections = 0
  const server = createServer({ cert, key, ca, crl: pki.crl, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3', ...options }, (raw, response) => {
    void text(raw).then((body) => {
      const request = { method: raw.method ?? '', url: raw.url ?? '', headers: raw.headers, body }
      seen.push(request)
      return script(response, request, raw)
    }, () => undefined) // A client that goes away in the middle of its request has made none.
  })
  server.on('connection', (socket: Socket) => void sockets.push(socket))
  server.on('secureConnection', () => void (connections += 1))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const reset = (): void => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  const as: ScriptedServer['as'] = (who) => ({ baseUrl: `https://localhost:${port}`, ca: pki.clients[who].ca, cert: pki.clients[who].cert, key: pki.clients[who].key })
  return { port, pki, seen, connections: () => connections, as, reset }
}

/** Writes a whole JSON answer. */
export function answerJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(value))
}

/** Writes a problem as the server does. */
export function answerProblem(response: ServerResponse, problem: Readonly<{ status: number }>, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(problem.status, { 'content-type': 'application/problem+json', ...headers }).end(JSON.stringify(problem))
}

/** A problem document as the server writes it. */
export function problem(code: string, status: number, retryable: boolean): Readonly<{ status: number; code: string; instance: string }> & Readonly<Record<string, unknown>> {
  return {
    type: `urn:signing-server:problem:${code}`,
    title: 'Signer busy',
    status,
    detail: 'the signer is busy',
    instance: 'urn:uuid:6d9c6f0e-5a3c-4b8f-9a38-1f1f6a9b8f11',
    code,
    retryable,
    hint: 'Try again.',
  }
}
