import t, { type Test } from 'tap'
import { clientOf } from '../helpers/client.ts'
import { testPki } from '../helpers/pki.ts'
import { startServer, type LogLine } from '../helpers/server.ts'
import { addresses, statusesIn, talk, type Heard } from '../helpers/wire.ts'

// Requests that two servers on one way might cut differently, each in its very bytes over real TLS, from a client that may do everything.

const pki = await testPki()
const server = await startServer(t, { config: { limits: { requestMs: 4_000 } } })
const good = await clientOf(t, server.url)
const nextAddress = addresses(2)
const { ca, cert, key } = pki.clients['release-bot']

const say = async (text: string, options: Readonly<{ as?: 'auditor'; localAddress?: string; enough?: (heard: string) => boolean }> = {}): Promise<Heard> => {
  const identity = options.as === undefined ? { cert, key } : { cert: pki.clients.auditor.cert, key: pki.clients.auditor.key }
  return await talk({ port: server.port, ca, ...identity, say: text, ...options })
}

/** A request to sign with these header lines; what follows them is never looked at, so there is none unless said. */
const post = (lines: string, body = '') => `POST /sign HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${lines}\r\n\r\n${body}`
const get = (lines: string, line = 'GET /whoami HTTP/1.1') => `${line}\r\n${lines}\r\n\r\n`
const chunked = (body: string) => post('Transfer-Encoding: chunked', body)
const HOST = 'Host: localhost'

type Row = readonly [name: string, text: string, reason: string | RegExp, code?: string]

const PARSER = /^HPE_/
const CODING = 'the only transfer coding is chunked'

const AT_THE_HEADERS: readonly Row[] = [
  ['a length and chunks', post('Content-Length: 5\r\nTransfer-Encoding: chunked'), 'HPE_INVALID_TRANSFER_ENCODING'],
  ['chunks and a length', post('Transfer-Encoding: chunked\r\nContent-Length: 5'), 'HPE_INVALID_CONTENT_LENGTH'],
  ['two lengths', post('Content-Length: 5\r\nContent-Length: 6'), 'HPE_UNEXPECTED_CONTENT_LENGTH'],
  ['a length twice', post('Content-Length: 5\r\nContent-Length: 5'), 'HPE_UNEXPECTED_CONTENT_LENGTH'],
  ...['+5', '-5', '0x5', '5, 5', '5 5', '5.0', '1e1', '', '99999999999999999999999', '\x0b5', '\xa05'].map((value): Row => [`a length of ${JSON.stringify(value)}`, post(`Content-Length: ${value}`), 'HPE_INVALID_CONTENT_LENGTH']),
  ...['xchunked', 'chunked;q=1', '"chunked"', 'identity', 'gzip', 'gzip, chunked', 'identity, chunked', ',chunked', 'chunked\tx'].map((value): Row => [`a transfer coding ${JSON.stringify(value)}`, post(`Transfer-Encoding: ${value}`), CODING]),
  ...['chunked, identity', 'chunked, chunked', 'chunked,', ''].map((value): Row => [`a transfer coding ${JSON.stringify(value)}`, post(`Transfer-Encoding: ${value}`), 'HPE_INVALID_TRANSFER_ENCODING']),
  ...['\x0bchunked', 'chunked\0', '\r\n chunked', '\r\n\tchunked'].map((value): Row => [`a transfer coding ${JSON.stringify(value)}`, post(`Transfer-Encoding: ${value}`), 'HPE_INVALID_HEADER_TOKEN']),
  ['two transfer codings in two fields', post('Transfer-Encoding: identity\r\nTransfer-Encoding: chunked'), 'a header field that may stand once stands twice'],
  ['two transfer codings the other way round', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity'), 'HPE_INVALID_TRANSFER_ENCODING'],
  ['chunks in HTTP/1.0', 'POST /sign HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 'HTTP/1.0 has no transfer codings'],
  ['a space before the colon', post('Transfer-Encoding : chunked'), 'HPE_INVALID_HEADER_TOKEN'],
  ['a space before the name', post('X: y\r\n Transfer-Encoding: chunked'), 'HPE_INVALID_HEADER_TOKEN'],
  ['a space before the first name', 'POST /sign HTTP/1.1\r\n Transfer-Encoding: chunked\r\n\r\n', 'HPE_UNEXPECTED_SPACE'],
  ['a field over two lines', get(`${HOST}\r\nX: a\r\n b`), 'HPE_INVALID_HEADER_TOKEN'],
  ['a field without a name', get(`${HOST}\r\n: b`), 'HPE_INVALID_HEADER_TOKEN'],
  ['a field without a colon', get(`${HOST}\r\nb`), 'HPE_INVALID_HEADER_TOKEN'],
  ['a NUL in a name', get(`${HOST}\r\na\0: b`), 'HPE_INVALID_HEADER_TOKEN'],
  ['a NUL in a value', get(`${HOST}\r\na: b\0`), 'HPE_INVALID_HEADER_TOKEN'],
  ['line feeds alone', 'GET /whoami HTTP/1.1\nHost: localhost\n\n', 'HPE_INVALID_VERSION'],
  ['a line feed alone behind a field', get(`${HOST}\nX: y`), 'HPE_CR_EXPECTED'],
  ['a line feed alone at the end', 'GET /whoami HTTP/1.1\r\nHost: localhost\r\n\n', 'HPE_INVALID_HEADER_TOKEN'],
  ['a carriage return alone', get(`${HOST}\rX: y`), 'HPE_LF_EXPECTED'],
  ['two hosts', get(`${HOST}\r\nHost: elsewhere`), 'a header field that may stand once stands twice'],
  ['two kinds of content', post('Content-Type: application/octet-stream\r\nContent-Length: 5'), 'a header field that may stand once stands twice'],
  ['a host with a user', get('Host: x@localhost'), 'the Host header is malformed'],
  ['a host with a path', get('Host: localhost/x'), 'the Host header is malformed'],
  ['a space before the method', get(HOST, ' GET /whoami HTTP/1.1'), 'HPE_INVALID_METHOD'],
  ['a method in lower case', get(HOST, 'get /whoami HTTP/1.1'), 'HPE_INVALID_METHOD'],
  ['a method nobody knows', get(HOST, 'SMUGGLE /whoami HTTP/1.1'), 'HPE_INVALID_METHOD'],
  ['a tab for a space', get(HOST, 'GET\t/whoami\tHTTP/1.1'), 'HPE_INVALID_METHOD'],
  ['something behind the version', get(HOST, 'GET /whoami HTTP/1.1 x'), 'HPE_INVALID_VERSION'],
  ['HTTP/0.9', 'GET /whoami\r\n\r\n', 'the protocol is not HTTP/1.1 or HTTP/1.0'],
  ['HTTP/0.9 by name', get(HOST, 'GET /whoami HTTP/0.9'), 'the protocol is not HTTP/1.1 or HTTP/1.0'],
  ['HTTP/1.2', get(HOST, 'GET /whoami HTTP/1.2'), 'HPE_INVALID_VERSION'],
  ['HTTP/2.0 by name', get(HOST, 'GET /whoami HTTP/2.0'), 'the protocol is not HTTP/1.1 or HTTP/1.0'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'HPE_PAUSED_H2_UPGRADE'],
  ['an upgrade to HTTP/2', get(`${HOST}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA`), 'there is no other protocol to upgrade to'],
  ['an upgrade to WebSocket', get(`${HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket`), 'there is no other protocol to upgrade to'],
  ['a whole URL', get(HOST, 'GET https://localhost/whoami HTTP/1.1'), 'the request target is not a path'],
  ['a whole URL of another host', get(HOST, 'GET http://169.254.169.254/whoami HTTP/1.1'), 'the request target is not a path'],
  ['a star', get(HOST, 'OPTIONS * HTTP/1.1'), 'the request target is not a path'],
  ['a fragment', get(HOST, 'GET /whoami#x HTTP/1.1'), 'the request target is not a path'],
  ['a NUL in the target', get(HOST, 'GET /who\0ami HTTP/1.1'), 'HPE_INVALID_URL'],
  ['a tunnel', get(HOST, 'CONNECT localhost:6001 HTTP/1.1'), 'CONNECT'],
  ['a GET with a body', get(`${HOST}\r\nContent-Length: 5`), 'a GET has no body'],
  ['a GET with chunks', get(`${HOST}\r\nTransfer-Encoding: chunked`), 'a GET has no body'],
  ['trailer fields announced', post('Transfer-Encoding: chunked\r\nTrailer: Content-Length'), 'trailer fields are not taken'],
  ['header fields above 16 KiB', get(`${HOST}\r\nX: ${'x'.repeat(17_000)}`), 'HPE_HEADER_OVERFLOW', 'HEADERS_TOO_LARGE'],
  ['hundreds of header fields', get(`${HOST}\r\n${'a:\r\n'.repeat(256)}b:`), 'the request has more than 256 header fields', 'HEADERS_TOO_LARGE'],
  ['a target above 16 KiB', get(HOST, `GET /${'x'.repeat(17_000)} HTTP/1.1`), 'HPE_HEADER_OVERFLOW', 'HEADERS_TOO_LARGE'],
]

const IN_THE_BODY: readonly Row[] = [
  ...['0x5', '+5', '-5', '5 ', ' 5', 'ffffffffffffffffff', ''].map((size): Row => [`a chunk of ${JSON.stringify(size)} bytes`, chunked(`${size}\r\nhello\r\n0\r\n\r\n`), 'HPE_INVALID_CHUNK_SIZE']),
  ['a line feed alone behind the size of a chunk', chunked('5\nhello\r\n0\r\n\r\n'), 'HPE_CR_EXPECTED'],
  ['a line feed alone behind a chunk', chunked('5\r\nhello\n0\r\n\r\n'), 'HPE_CR_EXPECTED'],
  ['a chunk longer than its size', chunked('5\r\nhello0\r\n\r\n'), PARSER],
  ['a line feed alone in the extension of a chunk', chunked('5;a\nb\r\nhello\r\n0\r\n\r\n'), 'HPE_CR_EXPECTED'],
  ['a carriage return alone in the extension of a chunk', chunked('5;a\rb\r\nhello\r\n0\r\n\r\n'), PARSER],
  ['an endless extension of a chunk', chunked(`5;a=${'b'.repeat(17_000)}\r\nhello\r\n0\r\n\r\n`), 'HPE_CHUNK_EXTENSIONS_OVERFLOW'],
  ['a length in a trailer', chunked('0\r\nContent-Length: 5\r\n\r\n'), 'HPE_INVALID_CONTENT_LENGTH'],
  ['chunks in a trailer', chunked('0\r\nTransfer-Encoding: chunked\r\n\r\n'), 'HPE_INVALID_TRANSFER_ENCODING'],
]

for (const [place, rows] of [['in the header section is refused before a body is read', AT_THE_HEADERS], ['in the body ends the request', IN_THE_BODY]] as const) {
  void t.test(`what is ambiguous ${place}, with a line of the log that says why`, async (t) => {
    for (const [name, text, reason, code = 'REQUEST_MALFORMED'] of rows) {
      await t.test(name, async (t) => {
        const [before, localAddress] = [server.logs().length, nextAddress()]
        const { text: heard, closed } = await say(text, { localAddress })
        t.ok(closed, 'and the connection with it')
        t.strictSame(statusesIn(heard), [code === 'HEADERS_TOO_LARGE' ? 431 : 400])
        t.match(heard, `"code":"${code}"`)
        t.match(await server.logged((line) => line['address'] === localAddress && line.level === 'warn'), [{ msg: 'request refused', code, reason }])
        const lines = server.logs().slice(before)
        t.equal(lines.filter((line) => line.msg === 'request refused').length, 1, 'one line')
        t.strictSame(lines.filter(isDone), [], 'nothing was done')
        await stillServes(t)
      })
    }
  })
}

/** Whether a line is of a request that was done, and not of {@link stillServes}. */
const isDone = (line: LogLine): boolean => line.msg === 'request done' && line['operation'] !== 'listKeys'

async function stillServes(t: Test): Promise<void> {
  t.equal((await good.ask('/keys')).status, 200, 'a good client is still served')
}

void t.test('what follows a request that was refused for its form is not taken for another one', async (t) => {
  const before = server.logs().length
  const smuggled = get(`${HOST}\r\nConnection: close`)
  for (const first of [post('Transfer-Encoding: gzip, chunked', '0\r\n\r\n'), get(`${HOST}\r\nContent-Length: ${smuggled.length}`), post('Transfer-Encoding: xchunked')]) {
    const { text, closed } = await say(`${first}${smuggled}`)
    t.strictSame(statusesIn(text), [400])
    t.ok(closed)
  }
  await stillServes(t)
  t.strictSame(server.logs().slice(before).filter(isDone), [])
})

void t.test('a request that is refused for who asks is cut where it says: its body is no request and the next request is no body', async (t) => {
  const inner = get(`${HOST}\r\nX: inner`)
  const next = get(`${HOST}\r\nConnection: close`)
  for (const refused of [post(`Content-Length: ${inner.length}`, inner), chunkedBody(inner)]) {
    const before = server.logs().length
    const { text } = await say(`${refused}${next}`, { as: 'auditor' })
    t.strictSame(statusesIn(text), [403, 200])
    await stillServes(t)
    t.equal(server.logs().slice(before).filter(isDone).length, 1)
  }
})

const chunkedBody = (body: string) => chunked(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`)

void t.test('a client that waits to be asked for its body is asked only when it may send it', async (t) => {
  const body = JSON.stringify({ path: '/no/such/file' })
  const waiting = post(`Expect: 100-continue\r\nContent-Length: ${body.length}`)
  const refused = await say(waiting, { as: 'auditor' })
  t.strictSame(statusesIn(refused.text), [403], 'it is never asked')
  t.ok(refused.closed, 'and what it sends all the same would be no request')
  const malformed = await say(post('Expect: 100-continue\r\nTransfer-Encoding: gzip, chunked'))
  t.strictSame(statusesIn(malformed.text), [400])
  const asked = await say(waiting, { enough: (heard) => heard.includes('\r\n\r\n') })
  t.strictSame(statusesIn(asked.text), [100])
  const served = await say(`${waiting}${body}`, { enough: (heard) => heard.includes('"hint"') })
  t.strictSame(statusesIn(served.text), [100, 403])
  t.match(served.text, '"code":"PATH_OUTSIDE_ROOTS"')
})

void t.test('what only looks odd is served: HTTP/1.0, chunks in capitals, an empty line first, a length of nothing', async (t) => {
  for (const text of [get('Connection: close', 'GET /whoami HTTP/1.0'), `\r\n${get(`${HOST}\r\nConnection: close`)}`, get(`${HOST}\r\nContent-Length: 0\r\nConnection: close`)]) t.match((await say(text)).text, /^HTTP\/1\.1 200 /)
  t.match((await say(post('Transfer-Encoding: CHUNKED\r\nConnection: close', '2;ext=1\r\n{}\r\n0\r\n\r\n'))).text, '"code":"REQUEST_INVALID"')
})
