import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { framingFault } from '../../../server/http/framing.ts'

/** A request as Node's parser hands it on. */
function requestOf(changes: Partial<Pick<IncomingMessage, 'method' | 'url' | 'httpVersion'>>, ...fields: readonly (readonly [name: string, value: string])[]): IncomingMessage {
  const headersDistinct: Record<string, string[]> = {}
  for (const [name, value] of fields) (headersDistinct[name.toLowerCase()] ??= []).push(value)
  const headers = Object.fromEntries(Object.entries(headersDistinct).map(([name, values]) => [name, values.join(', ')]))
  return { method: 'GET', url: '/', httpVersion: '1.1', ...changes, rawHeaders: fields.flat(), headers } as unknown as IncomingMessage
}

const POST = { method: 'POST' }

void t.test('framingFault finds nothing in what clients send', async (t) => {
  for (const host of ['localhost', 'localhost:6000', '[::1]', '[::1]:6000', '192.0.2.7', '', 'a_b.example', 'x%2Fy']) t.equal(framingFault(requestOf({}, ['Host', host])), undefined, host)
  t.equal(framingFault(requestOf({ url: '/files?path=/a%23b' })), undefined)
  t.equal(framingFault(requestOf({ httpVersion: '1.0', method: 'HEAD' })), undefined)
  t.equal(framingFault(requestOf({}, ['Content-Length', '0'])), undefined)
  for (const coding of ['chunked', 'Chunked', 'CHUNKED']) t.equal(framingFault(requestOf(POST, ['Transfer-Encoding', coding])), undefined, coding)
  t.equal(framingFault(requestOf(POST, ['Content-Length', '5'], ['Content-Type', 'a/b'], ['Accept', 'a'], ['Accept', 'b'])), undefined)
  t.equal(framingFault(requestOf({}, ...Array.from({ length: 256 }, () => ['a', ''] as const))), undefined)
})

void t.test('framingFault names what two servers might read differently', async (t) => {
  const table: readonly (readonly [detail: string, request: IncomingMessage])[] = [
    ...['0.9', '1.2', '2.0'].map((httpVersion) => ['the protocol is not HTTP/1.1 or HTTP/1.0', requestOf({ httpVersion })] as const),
    ...['*', 'http://x/', 'x:1', '/a#b', ''].map((url) => ['the request target is not a path', requestOf({ url })] as const),
    ...['Host', 'Content-Length', 'Transfer-Encoding', 'Content-Type', 'Expect'].map((name) => ['a header field that may stand once stands twice', requestOf(POST, [name, 'chunked'], [name, 'chunked'])] as const),
    ...['a b', 'u@h', 'h/x', 'h:x', '[::1', 'h?', 'h, h'].map((host) => ['the Host header is malformed', requestOf({}, ['Host', host])] as const),
    ...['gzip, chunked', 'identity', '', 'chunked;x', ' chunked', '"chunked"'].map((coding) => ['the only transfer coding is chunked', requestOf(POST, ['Transfer-Encoding', coding])] as const),
    ['HTTP/1.0 has no transfer codings', requestOf({ ...POST, httpVersion: '1.0' }, ['Transfer-Encoding', 'chunked'])],
    ['a GET has no body', requestOf({}, ['Content-Length', '1'])], ['a GET has no body', requestOf({ method: 'HEAD' }, ['Transfer-Encoding', 'chunked'])],
    ['there is no other protocol to upgrade to', requestOf({}, ['Upgrade', 'h2c'])], ['trailer fields are not taken', requestOf(POST, ['Trailer', 'x'])],
  ]
  for (const [detail, request] of table) t.strictSame(framingFault(request), { code: 'REQUEST_MALFORMED', detail }, `${detail}: ${request.url} ${request.httpVersion} ${request.rawHeaders.join(' ')}`)
  t.strictSame(framingFault(requestOf({}, ...Array.from({ length: 257 }, () => ['a', ''] as const))), { code: 'HEADERS_TOO_LARGE', detail: 'the request has more than 256 header fields' })
})

void t.test('a request without a target is none', async (t) => {
  const { url: _url, ...request } = requestOf({})
  t.match(framingFault(request as IncomingMessage), { detail: 'the request target is not a path' })
})
