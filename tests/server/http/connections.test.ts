import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import type { ErrorCode } from '../../../server/errors.ts'
import { createConnectionTable } from '../../../server/http/connection-table.ts'
import { createListener, type ConnectionDeps, type Listener } from '../../../server/http/connections.ts'
import { inviteBody } from '../../../server/http/invite-body.ts'
import { tlsOptions } from '../../../server/identity/tls.ts'
import { issueOdd, KEY_USAGE } from '../../helpers/odd-certificates.ts'
import { testPki, type TestIdentity } from '../../helpers/pki.ts'
import { eventually } from '../../helpers/processes.ts'

const pki = await testPki()
const BOT = pki.clients['release-bot']
const POLICY: ReturnType<ConnectionDeps['policy']> = [{ name: 'bot', match: { san: 'URI:urn:example:release-bot' }, allow: [], keys: [], roots: [], digestOnly: false, resign: false, sees: 'own' }]
const LIMITS = { connections: 100, handshakesPerAddress: 100, requestMs: 30_000, idleMs: 5_000 }
const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'

type Line = Readonly<{ level: string; message: string } & Record<string, unknown>>
type Port = Readonly<{ port: number; listener: Listener; lines: Line[]; failures: (string | undefined)[]; refusals: ErrorCode[]; refused: string[] }>
type Options = Readonly<{ limits?: Partial<typeof LIMITS>; handshakeMs?: number; handler?: ConnectionDeps['handler'] }>

async function openPort(test: Pick<typeof t, 'teardown'>, { limits, handshakeMs = 5_000, handler = answer }: Options = {}): Promise<Port> {
  const [lines, failures, refusals, refused]: [Line[], (string | undefined)[], ErrorCode[], string[]] = [[], [], [], []]
  const log = (level: string) => (facts: object, message: string) => void lines.push({ level, message, ...facts })
  const listener = createListener('service', {
    handler,
    tls: tlsOptions({ cert: pki.server.cert, key: pki.server.key, clientCa: pki.server.ca, crl: pki.crl }, handshakeMs),
    limits: { ...LIMITS, ...limits },
    policy: () => POLICY,
    log: { info: log('info'), warn: log('warn') } as never,
    tlsClientFailed: (code) => failures.push(code),
    requestRefused: (code) => refusals.push(code),
    connectionRefused: (limit) => refused.push(limit),
  })
  const { port } = await listener.listen({ host: '127.0.0.1', port: 0 })
  test.teardown(async () => {
    listener.cut()
    await listener.drain()
  })
  return { port, listener, lines, failures, refusals, refused }
}

function answer(_request: IncomingMessage, response: ServerResponse): void {
  response.end('hello')
}

type Client = Readonly<{ socket: TLSSocket; text: () => string; ended: Promise<unknown> }>

function talk({ port }: Port, identity: Partial<TestIdentity> = BOT, more: ConnectionOptions = {}): Client {
  const socket = connect({ host: '127.0.0.1', port, ca: pki.server.ca, cert: identity.cert, key: identity.key, ...more })
  let received = ''
  socket.setEncoding('utf8').on('data', (chunk) => (received += chunk)).on('error', () => undefined)
  return { socket, text: () => received, ended: new Promise((resolve) => void socket.once('close', resolve)) }
}

function problemIn(text: string): Record<string, unknown> {
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const problem = JSON.parse(body) as Record<string, unknown>
  return { ...problem, statusLine: head.split('\r\n')[0], requestId: /^request-id: (.*)$/m.exec(head)?.[1], type: /^content-type: (.*)$/m.exec(head)?.[1]?.trim(), length: Number(/^content-length: (\d+)/m.exec(head)?.[1]) === Buffer.byteLength(body) }
}

void t.test('a client that connects and goes is logged by address, port and name', async (t) => {
  const port = await openPort(t)
  for (const [identity, client] of [[BOT, 'bot'], [pki.clients.stranger, null]] as const) {
    const { socket, text, ended } = talk(port, identity)
    await once(socket, 'secureConnect')
    const local = socket.localPort
    await eventually(() => port.listener.connections() === 1)
    socket.write(REQUEST)
    await eventually(() => text().endsWith('hello'))
    socket.end()
    await ended
    await eventually(() => port.lines.length === 2)
    t.match(port.lines.splice(0), [
      { level: 'info', message: 'client connected', listener: 'service', address: '127.0.0.1', port: local, client, spki: /^[0-9a-f]{16}$/, resumed: false },
      { level: 'info', message: 'client disconnected', address: '127.0.0.1', port: local, client, durationMs: Number },
    ])
  }
  await eventually(() => port.listener.connections() === 0)
})

void t.test('a client that TLS refuses is logged by address, port and reason', async (t) => {
  const port = await openPort(t)
  const table: readonly [string, Partial<TestIdentity>, ConnectionOptions, string | RegExp][] = [
    ['no certificate', {}, {}, 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'], ['another authority', pki.clients.impostor, {}, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['expired', pki.clients.expired, {}, 'CERT_HAS_EXPIRED'], ['not yet valid', pki.clients['not-yet-valid'], {}, 'CERT_NOT_YET_VALID'],
    ['wrong usage', pki.clients['wrong-usage'], {}, 'INVALID_PURPOSE'], ['revoked', pki.clients.revoked, {}, 'CERT_REVOKED'],
    ['TLS 1.2', BOT, { maxVersion: 'TLSv1.2' }, 'ERR_SSL_UNSUPPORTED_PROTOCOL'], ['HTTP/2 alone', BOT, { ALPNProtocols: ['h2'] }, /^ERR_SSL_/],
  ]
  for (const [name, identity, options, reason] of table) {
    const { socket, ended, text } = talk(port, identity, options)
    socket.once('secureConnect', () => socket.write(REQUEST))
    let from: number | undefined
    socket.once('connect', () => (from = socket.localPort))
    await ended
    await eventually(() => port.lines.length === 1)
    t.match(port.lines.splice(0), [{ level: 'warn', message: 'refused connection', listener: 'service', address: '127.0.0.1', port: from ?? Number, reason }], name)
    t.match(port.failures.splice(0), [reason], name)
    t.equal(text(), '', name)
  }
})

void t.test('a client that speaks no TLS gets no answer', async (t) => {
  const port = await openPort(t)
  for (const [text, reason] of [[REQUEST, 'ERR_SSL_HTTP_REQUEST'], ['\x16\x03\x01\xff\xff', /./], ['SSH-2.0-x\r\n', /^ERR_SSL_/]] as const) {
    const socket = connectTcp(port.port, '127.0.0.1').on('error', () => undefined)
    const heard: Buffer[] = []
    socket.on('data', (chunk: Buffer) => heard.push(chunk))
    socket.end(text, 'latin1')
    await once(socket, 'close')
    await eventually(() => port.lines.length === 1)
    t.match(port.lines.splice(0), [{ message: 'refused connection', address: '127.0.0.1', port: Number, reason }])
    t.notMatch(Buffer.concat(heard).toString('latin1'), /HTTP/)
  }
})

void t.test('a client that never finishes its handshake is turned away in time', async (t) => {
  const port = await openPort(t, { handshakeMs: 100 })
  const socket = connectTcp(port.port, '127.0.0.1')
  await once(socket, 'close')
  t.match(port.lines, [{ message: 'refused connection', port: Number, reason: 'ERR_TLS_HANDSHAKE_TIMEOUT' }])
})

void t.test('of a connection that asks and asks 64 requests run, and one more is the last that is answered', async (t) => {
  const waiting: ServerResponse[] = []
  const port = await openPort(t, { handler: (_request, response) => void waiting.push(response) })
  const { socket, text, ended } = talk(port)
  socket.write(REQUEST.repeat(64))
  await eventually(() => waiting.length === 64)
  waiting.splice(0).forEach((response) => response.end('hello'))
  await eventually(() => text().split('hello').length === 65)
  socket.write(REQUEST.repeat(100))
  await eventually(() => waiting.length === 64 && port.refusals.length === 1)
  waiting.forEach((response) => response.end('twice'))
  await ended
  const [, last = ''] = text().split(/twice(?=HTTP\/1\.1 4)/)
  t.match(problemIn(last), { statusLine: 'HTTP/1.1 429 Too many requests at once', code: 'CLIENT_BUSY', retryable: true, length: true })
  t.match(last, /^retry-after: 1\r$/m)
  t.match([waiting.length, text().split('twice').length, port.refusals], [64, 65, ['CLIENT_BUSY']])
  const flooding = talk(port)
  waiting.length = 0
  flooding.socket.write(REQUEST.repeat(200_000))
  await eventually(() => waiting.length === 64)
  await delay(100)
  const bytesRead = waiting[0]?.req.socket.bytesRead ?? Number.POSITIVE_INFINITY
  t.ok(bytesRead < 1_000_000, `${bytesRead} bytes of 5 MB were read`)
  flooding.socket.destroy()
  waiting.forEach((response) => response.end('gone'))
  await flooding.ended
  t.match(port.lines.filter(({ message }) => message === 'request refused'), [{ level: 'warn', code: 'CLIENT_BUSY', reason: 'more than 64 requests of this connection have no answer yet' }])
})

void t.test('what is no request gets a problem document, a line in the log and a number', async (t) => {
  const table: readonly [string, string, number, ErrorCode][] = [
    ['garbage', 'garbage\r\n\r\n', 400, 'REQUEST_MALFORMED'], ['another protocol', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'REQUEST_MALFORMED'],
    ['a header without a colon', 'GET / HTTP/1.1\r\nHost\r\n\r\n', 400, 'REQUEST_MALFORMED'], ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400, 'REQUEST_MALFORMED'],
    ['a length and chunks', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400, 'REQUEST_MALFORMED'],
    ['long header fields', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'], ['a long URL', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
  ]
  for (const [name, text, status, code] of table) {
    // A port for each: what is refused for the same reason again is counted.
    const port = await openPort(t)
    const client = talk(port)
    await once(client.socket, 'secureConnect')
    client.socket.write(text)
    await client.ended
    const problem = problemIn(client.text())
    t.match(problem, { status, code, type: 'application/problem+json', length: true, instance: `urn:uuid:${String(problem['requestId'])}`, statusLine: new RegExp(`^HTTP/1\\.1 ${status} `) }, name)
    t.match(port.lines.splice(0).filter(({ level }) => level === 'warn'), [{ message: 'request refused', address: '127.0.0.1', port: Number, reqId: problem['requestId'], code }], name)
    t.strictSame(port.refusals.splice(0), [code], name)
  }
})

void t.test('a malformed request after a good one is answered too', async (t) => {
  const port = await openPort(t)
  const client = talk(port)
  await once(client.socket, 'secureConnect')
  client.socket.write(REQUEST)
  await eventually(() => client.text().endsWith('hello'))
  client.socket.write('garbage\r\n\r\n')
  await client.ended
  t.match(client.text(), /hello[^]*REQUEST_MALFORMED/)
})

void t.test('nothing is written into the middle of an answer', async (t) => {
  const port = await openPort(t, { handler: (_request, response) => void response.write('begun') })
  const client = talk(port)
  await once(client.socket, 'secureConnect')
  client.socket.write(REQUEST)
  await eventually(() => client.text().includes('begun'))
  client.socket.write('garbage\r\n\r\n')
  await client.ended
  t.notMatch(client.text(), /REQUEST_MALFORMED/)
})

void t.test('a request that does not arrive in time is answered 408', async (t) => {
  for (const text of ['GET / HTTP/1.1\r\nHost: x\r\nX: ', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345']) {
    const port = await openPort(t, { limits: { requestMs: 100 }, handler: () => undefined })
    const client = talk(port)
    await once(client.socket, 'secureConnect')
    client.socket.write(text)
    await client.ended
    t.match(problemIn(client.text()), { status: 408, code: 'REQUEST_TIMEOUT', retryable: true })
    t.strictSame(port.refusals, ['REQUEST_TIMEOUT'])
  }
})

void t.test('an expectation and a missing Host header are left to the app', async (t) => {
  const seen: (string | undefined)[] = []
  const port = await openPort(t, { handler: (request, response) => {
    seen.push(request.headers.expect ?? request.headers.host ?? 'none')
    response.end('hello')
  } })
  for (const text of ['GET / HTTP/1.1\r\nHost: x\r\nExpect: the-unexpected\r\nConnection: close\r\n\r\n', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n']) {
    const client = talk(port)
    await once(client.socket, 'secureConnect')
    client.socket.write(text)
    await client.ended
    t.match(client.text(), /^HTTP\/1\.1 200/)
  }
  t.strictSame(seen, ['the-unexpected', 'none'])
})

void t.test('what two servers might read differently is refused before the app sees it, and nothing that follows it is served', async (t) => {
  const seen: (string | undefined)[] = []
  const table: readonly [string, string, string, ErrorCode][] = [
    ['two codings', 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 'the only transfer coding is chunked', 'REQUEST_MALFORMED'],
    ['a coding the parser refuses too', 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n', 'the only transfer coding is chunked', 'REQUEST_MALFORMED'],
    ['too many fields', `GET / HTTP/1.1\r\n${'a:\r\n'.repeat(257)}\r\n`, 'the request has more than 256 header fields', 'HEADERS_TOO_LARGE'],
    ['a tunnel', 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n', 'CONNECT', 'REQUEST_MALFORMED'],
  ]
  for (const [name, text, reason, code] of table) {
    const port = await openPort(t, { handler: (request) => void seen.push(request.url) })
    const client = talk(port)
    await once(client.socket, 'secureConnect')
    client.socket.write(`${text}${REQUEST}`)
    await client.ended
    t.match(problemIn(client.text()), { code, length: true, type: 'application/problem+json' }, name)
    t.match(port.lines.filter(({ level }) => level === 'warn'), [{ message: 'request refused', code, reason, address: '127.0.0.1' }], name)
    t.strictSame(port.refusals, [code], name)
  }
  t.strictSame(seen, [])
})

void t.test('a tunnel that is asked for in the middle of an answer ends the connection', async (t) => {
  const port = await openPort(t, { handler: (_request, response) => void response.write('begun') })
  const client = talk(port)
  await once(client.socket, 'secureConnect')
  client.socket.write(REQUEST)
  await eventually(() => client.text().includes('begun'))
  client.socket.write('CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n')
  await client.ended
  t.notMatch(client.text(), /REQUEST_MALFORMED/)
})

void t.test('a refusal waits for the answers before it, and nothing is written behind it', async (t) => {
  let finish: () => void = () => undefined
  const port = await openPort(t, { handler: (_request, response) => void (finish = () => void response.end('hello')) })
  const client = talk(port)
  await once(client.socket, 'secureConnect')
  client.socket.write(`${REQUEST}GET * HTTP/1.1\r\nHost: x\r\n\r\n`)
  await eventually(() => port.refusals.length === 1)
  client.socket.write('garbage\r\n\r\n')
  await delay(50)
  finish()
  await client.ended
  t.match(client.text(), /^HTTP\/1\.1 200 [^]*helloHTTP\/1\.1 400 [^]*the request target is not a path/)
  t.strictSame(port.refusals, ['REQUEST_MALFORMED'])
})

void t.test('who was refused and does not close its side is closed all the same', async (t) => {
  const port = await openPort(t)
  for (const text of ['garbage\r\n\r\n', 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n']) {
    const client = talk(port, BOT, { allowHalfOpen: true } as ConnectionOptions)
    await once(client.socket, 'secureConnect')
    client.socket.write(text)
    await once(client.socket, 'end')
    t.match(client.text(), /^HTTP\/1\.1 400 /)
    await eventually(() => port.listener.connections() === 0)
    client.socket.destroy()
  }
})

void t.test('whoever waits to be asked for a body is asked by the app alone', async (t) => {
  const invite = (request: IncomingMessage, response: ServerResponse): void => {
    const done = (): void => void response.end('hello')
    if (request.url === '/invited') inviteBody({ raw: request } as FastifyRequest, { raw: response } as FastifyReply, undefined, done)
    else done()
  }
  const port = await openPort(t, { handler: invite })
  const table = [
    ['POST / HTTP/1.1', 'Expect: 100-continue', /^HTTP\/1\.1 200 /], ['POST /invited HTTP/1.1', 'Expect: 100-Continue', /^HTTP\/1\.1 100 [^]*HTTP\/1\.1 200 /],
    ['POST /invited HTTP/1.1', 'Accept: */*', /^HTTP\/1\.1 200 /], ['POST /invited HTTP/1.1', 'Expect: a fax', /^HTTP\/1\.1 200 /], ['POST /invited HTTP/1.0', 'Expect: 100-continue', /^HTTP\/1\.1 200 /],
  ] as const
  for (const [line, field, answer] of table) {
    const client = talk(port)
    await once(client.socket, 'secureConnect')
    client.socket.write(`${line}\r\nHost: x\r\n${field}\r\nConnection: close\r\nContent-Length: 1\r\n\r\n`)
    await eventually(() => client.text().endsWith('hello'))
    t.match(client.text(), answer, `${line} ${field}`)
    client.socket.destroy()
  }
})

void t.test('the certificate of an authority is none of a client, and one that ends while its connection is open ends it', async (t) => {
  const port = await openPort(t)
  const authority = talk(port, await issueOdd(pki.authority, { isAuthority: true, keyUsage: KEY_USAGE.keyCertSign | KEY_USAGE.digitalSignature }))
  authority.socket.once('secureConnect', () => authority.socket.write(REQUEST))
  await authority.ended
  t.equal(authority.text(), '')
  t.match(port.lines.splice(0), [{ level: 'warn', message: 'refused connection', address: '127.0.0.1', reason: 'CLIENT_CERT_IS_CA' }])

  const brief = talk(port, await issueOdd(pki.authority, { notAfter: new Date(Date.now() + 2_000) }))
  await once(brief.socket, 'secureConnect')
  const asking = setInterval(() => brief.socket.write(REQUEST), 50)
  await brief.ended
  clearInterval(asking)
  t.match(brief.text(), /^HTTP\/1\.1 200 /)
  t.match(port.lines.filter(({ level }) => level === 'warn'), [{ message: 'refused connection', reason: 'CERT_HAS_EXPIRED' }])
  t.strictSame(port.failures, ['CLIENT_CERT_IS_CA', 'CERT_HAS_EXPIRED'])
})

void t.test('of one address only so many may be in their handshake', async (t) => {
  const port = await openPort(t, { limits: { handshakesPerAddress: 2 } })
  const idle = [1, 2].map(() => connectTcp(port.port, '127.0.0.1').on('error', () => undefined))
  await eventually(() => port.listener.connections() === 2)
  await talk(port).ended
  t.match(port.lines, [{ message: 'refused connection', address: '127.0.0.1', port: Number, reason: 'limits.handshakesPerAddress' }])
  t.strictSame([port.refused, port.failures], [['handshakesPerAddress'], []], 'which is no fault of TLS')
  idle[0]?.destroy()
  await eventually(() => port.listener.connections() === 1)
  for (let turn = 0; turn < 3; turn += 1) {
    const client = talk(port)
    client.socket.write(REQUEST)
    await eventually(() => client.text().endsWith('hello'))
  }
})

void t.test('connections above the limit are dropped and logged, and make room again', async (t) => {
  const port = await openPort(t, { limits: { connections: 2 } })
  const clients = [talk(port), talk(port)] as const
  await Promise.all(clients.map(async ({ socket }) => await once(socket, 'secureConnect')))
  await talk(port).ended
  t.match(port.lines.filter(({ level }) => level === 'warn'), [{ message: 'refused connection', address: '127.0.0.1', port: Number, reason: 'limits.connections' }])
  t.strictSame(port.refused, ['connections'])
  clients[0].socket.destroy()
  await eventually(() => port.listener.connections() === 1)
  await once(talk(port).socket, 'secureConnect')
})

void t.test('an idle connection is closed after its time', async (t) => {
  const port = await openPort(t, { limits: { idleMs: 50 } })
  const client = talk(port)
  await once(client.socket, 'secureConnect')
  client.socket.write(REQUEST)
  await client.ended
  t.match(client.text(), /hello$/)
})

void t.test('draining accepts nothing, closes what is idle, silent or half open at once, and waits for what runs', async (t) => {
  let finish: () => void = () => undefined
  const port = await openPort(t, { handler: (request, response) => {
    if (request.url !== '/slow') return void response.end('hello')
    response.write('half')
    finish = () => void response.end('whole')
  } })
  const [idle, silent, slow] = [talk(port), talk(port), talk(port)] as const
  await Promise.all([idle, silent, slow].map(async ({ socket }) => await once(socket, 'secureConnect')))
  const halfOpen = connectTcp(port.port, '127.0.0.1').on('error', () => undefined)
  idle.socket.write(REQUEST)
  slow.socket.write('GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  await eventually(() => idle.text().endsWith('hello') && slow.text().includes('half') && port.listener.connections() === 4)
  let drained = false
  const draining = port.listener.drain().then(() => (drained = true))
  await Promise.all([idle.ended, silent.ended, once(halfOpen, 'close')])
  const late = connectTcp(port.port, '127.0.0.1')
  await once(late, 'close').catch(() => undefined)
  t.match(await once(connectTcp(port.port, '127.0.0.1'), 'error'), [{ code: 'ECONNREFUSED' }])
  t.equal(drained, false)
  finish()
  await Promise.all([draining, slow.ended])
  t.match(slow.text(), /half[^]*whole/)
  await eventually(() => port.listener.connections() === 0)
  await port.listener.drain()
})

void t.test('cutting closes everything, half open connections too', async (t) => {
  const port = await openPort(t, { handler: () => undefined })
  const running = talk(port)
  await once(running.socket, 'secureConnect')
  running.socket.write(REQUEST)
  const halfOpen = connectTcp(port.port, '127.0.0.1').on('error', () => undefined)
  await eventually(() => port.listener.connections() === 2)
  await delay(20)
  const drained = port.listener.drain()
  port.listener.cut()
  await Promise.all([drained, running.ended, once(halfOpen, 'close')])
})

void t.test('a fault of the listener is logged and ends nothing', async (t) => {
  let server: NodeJS.EventEmitter | undefined
  const port = await openPort(t, { handler: (request, response) => {
    server = (request.socket as unknown as { server: NodeJS.EventEmitter }).server
    response.end('hello')
  } })
  const client = talk(port)
  await once(client.socket, 'secureConnect')
  client.socket.write(REQUEST)
  await eventually(() => server !== undefined)
  server?.emit('error', Object.assign(new Error('accept'), { code: 'EMFILE' }))
  t.match(port.lines.at(-1), { level: 'warn', message: 'listener failed', listener: 'service', err: { code: 'EMFILE' } })
  await once(talk(port).socket, 'secureConnect')
  await t.rejects(openPort(t, {}).then(async () => await createListenerOn(port.port)), { code: 'EADDRINUSE' })
})

async function createListenerOn(port: number): Promise<AddressInfo> {
  const listener = createListener('browser', { handler: answer, tls: {}, limits: LIMITS, policy: () => [], log: { info: () => undefined, warn: () => undefined } as never, tlsClientFailed: () => undefined, requestRefused: () => undefined, connectionRefused: () => undefined })
  return await listener.listen({ host: '127.0.0.1', port })
}

void t.test('a connection table knows nothing of a connection it was not told of', async (t) => {
  const table = createConnectionTable()
  const socket = { remoteAddress: '192.0.2.1', remotePort: 7 } as Socket
  t.strictSame(table.peerOf(socket), { address: '192.0.2.1', port: 7 })
  t.equal(table.isAnswering(socket), false)
  table.accept(socket as TLSSocket)
  t.equal(table.open(), 0)
})

void t.test('connections that do not stand any more end after what runs, and begin nothing', async (t) => {
  const [asked, answers]: [string[], ServerResponse[]] = [[], []]
  const port = await openPort(t, {
    handler: (request, response) => {
      asked.push(request.url as string)
      if (request.url === '/begun') response.write('hel')
      answers.push(response)
    },
  })
  const tls = tlsOptions({ cert: pki.server.cert, key: pki.server.key, clientCa: pki.server.ca, crl: pki.crl }, 5_000)
  const [idle, asking, reading] = [talk(port), talk(port), talk(port)]
  await Promise.all([idle, asking, reading].map(async ({ socket }) => await once(socket, 'secureConnect')))
  asking.socket.write('GET /asked HTTP/1.1\r\nHost: x\r\n\r\n')
  reading.socket.write('GET /begun HTTP/1.1\r\nHost: x\r\n\r\n')
  await eventually(() => answers.length === 2 && port.lines.length === 3)
  t.equal(port.listener.renew(tls, () => true), 0)
  const seen: string[] = []
  const refuseAll = (certificate: X509Certificate): boolean => {
    seen.push(certificate.subject)
    return false
  }
  t.equal(port.listener.renew(tls, refuseAll), 3)
  t.equal(port.listener.renew(tls, refuseAll), 0, 'they end already')
  t.strictSame(seen, ['CN=release-bot', 'CN=release-bot', 'CN=release-bot'])
  await idle.ended
  for (const { socket } of [asking, reading]) socket.write('GET /later HTTP/1.1\r\nHost: x\r\n\r\n')
  await delay(30)
  for (const response of answers) response.end('lo')
  await Promise.all([asking.ended, reading.ended])
  t.match(asking.text(), /^HTTP\/1\.1 200 OK\r\nconnection: close\r\n[^]*\r\n\r\nlo$/)
  t.match(reading.text(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n$/)
  t.strictSame(asked.toSorted(), ['/asked', '/begun'])
})

void t.test('a handshake that began before is judged when it is over', async (t) => {
  const port = await openPort(t)
  const tls = tlsOptions({ cert: pki.server.cert, key: pki.server.key, clientCa: pki.server.ca, crl: pki.crl }, 5_000)
  for (const [stands, want] of [[false, ''], [true, 'hello']] as const) {
    const raw = connectTcp(port.port, '127.0.0.1')
    await once(raw, 'connect')
    await eventually(() => port.listener.connections() === 1)
    t.equal(port.listener.renew(tls, () => stands), 0)
    const { socket, text, ended } = talk(port, BOT, { socket: raw })
    socket.write(REQUEST)
    if (stands) await eventually(() => text().endsWith('hello'))
    else await ended
    t.ok(text().endsWith(want))
    t.equal(text() === '', !stands)
    socket.destroy()
    await eventually(() => port.listener.connections() === 0)
  }
})
