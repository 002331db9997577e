import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { ErrorCode } from '../errors.ts'
import { problemOf, PROBLEM_MEDIA_TYPE } from './problems.ts'

/** Why something never became a request. */
export type ClientFault = Readonly<{ code: ErrorCode; detail: string }>

/** Returns what is wrong with what arrived, or undefined when the connection itself broke and nobody is there to be told. */
export function clientFault({ code = '' }: NodeJS.ErrnoException): ClientFault | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') return { code: 'HEADERS_TOO_LARGE', detail: 'the header fields are larger than the server takes' }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { code: 'REQUEST_TIMEOUT', detail: 'the request did not arrive within limits.requestMs' }
  return code.startsWith('HPE_') ? { code: 'REQUEST_MALFORMED', detail: 'what arrived is not an HTTP/1.1 request' } : undefined
}

/** Answers on the bare connection, for there is no request to answer, and ends it. Returns the request id. */
export function answerFault(socket: Duplex, { code, detail }: ClientFault): string {
  const requestId = randomUUID()
  const problem = problemOf(code, detail, requestId)
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`, `content-type: ${PROBLEM_MEDIA_TYPE}`, `content-length: ${Buffer.byteLength(body)}`,
    `request-id: ${requestId}`, 'cache-control: no-store', 'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  return requestId
}
