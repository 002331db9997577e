import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ErrorCode } from '../errors.ts'
import { leastRetryAfter, problemOf, PROBLEM_MEDIA_TYPE } from './problems.ts'

/** Why something never became a request. */
export type ClientFault = Readonly<{ code: ErrorCode; detail: string }>

/** Returns what is wrong with what arrived, or undefined when the connection itself broke and nobody is there to be told. */
export function clientFault({ code = '' }: NodeJS.ErrnoException): ClientFault | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') return { code: 'HEADERS_TOO_LARGE', detail: 'the header fields are larger than the server takes' }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { code: 'REQUEST_TIMEOUT', detail: 'the request did not arrive within limits.requestMs' }
  return code.startsWith('HPE_') ? { code: 'REQUEST_MALFORMED', detail: 'what arrived is not an HTTP/1.1 request' } : undefined
}

/** Answers on the bare connection, for there is no request to answer, and ends it. Returns the request id. */
export function answerFault(socket: Duplex, fault: ClientFault): string {
  const { requestId, status, title, headers, body } = answerTo(fault)
  const head = [`HTTP/1.1 ${status} ${title}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  return requestId
}

/** Answers a request of which only the header section was read, in its turn, and ends the connection. Returns the request id. */
export function refuseRequest(response: ServerResponse, fault: ClientFault): string {
  const { requestId, status, title, headers, body } = answerTo(fault)
  response.writeHead(status, title, headers).end(body)
  return requestId
}

type FaultAnswer = Readonly<{ requestId: string; status: number; title: string; headers: Readonly<Record<string, string | number>>; body: string }>

function answerTo({ code, detail }: ClientFault): FaultAnswer {
  const requestId = randomUUID()
  const problem = problemOf(code, detail, requestId)
  const body = JSON.stringify(problem)
  const retryAfter = leastRetryAfter(problem)
  const headers = { 'content-type': PROBLEM_MEDIA_TYPE, 'content-length': Buffer.byteLength(body), 'request-id': requestId, 'cache-control': 'no-store', ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }), connection: 'close' }
  return { requestId, status: problem.status, title: problem.title, headers, body }
}
