import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { connect, createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import { createAuthority, issueServer, type Validity } from '../../certs/pki.ts'
import { connectionFault } from '../../sdk/connection-fault.ts'
import { createClient, type ClientOptions } from '../../sdk/index.ts'
import { createTransport, type HttpAnswer } from '../../sdk/transport.ts'
import { testPki } from '../helpers/pki.ts'
import { answerJson, scriptedServer } from './scripted-server.ts'

const ONCE = { retry: { tries: 1 } }

async function listening(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  return (server.address() as AddressInfo).port
}

async function readAll(answer: Promise<HttpAnswer>): Promise<string> {
  let text = ''
  for await (const chunk of (await answer).chunks) text += String(chunk)
  return text
}

async function failureOf(t: Test, options: ClientOptions): Promise<unknown> {
  const client = createClient({ ...ONCE, ...options })
  t.teardown(client.close)
  return await client.whoami().catch((error: unknown) => error)
}

void t.test('each client certificate that TLS refuses is CERTIFICATE_REFUSED, and the hint names the fault that shows from here', async (t) => {
  const server = await scriptedServer(t, (response) => answerJson(response, {}))
  const general = /^The certificate must come from the client CA/
  const table = [
    ['expired', /: by the clock of this machine it expired at 20/],
    ['not-yet-valid', /it is not valid before 20/],
    ['wrong-usage', /it is not for client authentication/],
    ['revoked', general],
    ['impostor', general],
  ] as const
  for (const [who, hint] of table) {
    const want = { name: 'ConnectionError', code: 'CERTIFICATE_REFUSED', detail: `localhost:${server.port} closed the connection without an answer: the server refused the client certificate, or it is not a TLS 1.3 server`, hint }
    t.match(await failureOf(t, server.as(who)), want, who)
  }
  t.strictSame(server.seen, [], 'no request was read')
})

void t.test('the alert for a missing client certificate is CERTIFICATE_REFUSED', async (t) => {
  const server = await scriptedServer(t, (response) => answerJson(response, {}))
  const socket = connect({ host: '127.0.0.1', port: server.port, servername: 'localhost', ca: server.pki.server.ca })
  const [error] = (await once(socket, 'error')) as [Error & { code: string }]
  t.equal(error.code, 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED')
  const facts = { address: { host: 'localhost', port: server.port }, answered: false, fresh: false, certificateFault: undefined }
  t.equal(connectionFault(error, facts).code, 'CERTIFICATE_REFUSED')
})

void t.test('a server certificate that cannot be trusted is refused and explained, whatever the environment says', async (t) => {
  const { authority } = await testPki()
  const other = await createAuthority({ name: 'another CA' })
  const day = 86_400_000
  const issued = async (ca: typeof authority, name: string, validity: Validity) => await issueServer(ca, { sans: [{ type: 'dns', value: name }], ...validity })
  const table = [
    ['another CA', { given: await issued(other, 'localhost', {}), want: 'the certificate of the server does not come from the CA that this client trusts (`ca`)' }],
    ['another name', { given: await issued(authority, 'signer.example', {}), want: 'the certificate of the server is not for localhost, but for DNS:signer.example' }],
    ['expired', { given: await issued(authority, 'localhost', { notBefore: new Date(Date.now() - 2 * day), notAfter: new Date(Date.now() - day) }), want: 'the certificate of the server has expired' }],
    ['not valid yet', { given: await issued(authority, 'localhost', { notBefore: new Date(Date.now() + day) }), want: 'the certificate of the server is not valid yet' }],
  ] as const
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.teardown(() => void delete process.env.NODE_TLS_REJECT_UNAUTHORIZED)
  for (const [name, { given, want }] of table) {
    const server = await scriptedServer(t, (response) => answerJson(response, {}), { cert: given.certificatePem, key: given.privateKeyPem })
    t.match(await failureOf(t, server.as('release-bot')), { code: 'SERVER_CERTIFICATE_UNTRUSTED', detail: want }, name)
    t.strictSame(server.seen, [], 'nothing was sent')
  }
})

void t.test('the server is reached by each name of its certificate', async (t) => {
  const server = await scriptedServer(t, (response) => answerJson(response, { name: 'x' }))
  for (const host of ['localhost', '127.0.0.1']) {
    const client = createClient({ ...server.as('release-bot'), baseUrl: new URL(`https://${host}:${server.port}`) })
    t.strictSame(await client.whoami(), { name: 'x' }, host)
    await client.close()
  }
})

void t.test('no server at all is CONNECTION_REFUSED, with host, port and how to start one', async (t) => {
  const closed = createTcpServer()
  const port = await listening(t, closed)
  closed.close()
  await once(closed, 'close')
  const credentials = (await testPki()).clients['release-bot']
  const refused = { code: 'CONNECTION_REFUSED', message: new RegExp(`^localhost:${port} refused the connection: no server listens there\\. Start the server with \`npm start\``) }
  t.match(await failureOf(t, { ...credentials, baseUrl: `https://localhost:${port}` }), refused)
  const v6 = await failureOf(t, { ...credentials, baseUrl: `https://[::1]:${port}` })
  t.match(v6, { detail: new RegExp(`\\[::1\\]:${port}`) }, 'IPv6')
  t.match(await failureOf(t, { ...credentials, baseUrl: 'https://no-such-host.invalid:6000' }), { code: 'HOST_NOT_FOUND', detail: 'the host name no-such-host.invalid has no address' })
})

void t.test('servers that are none of ours are told apart', async (t) => {
  const { server: identity, clients } = await testPki()
  const tls12 = createTlsServer({ cert: identity.cert, key: identity.key, maxVersion: 'TLSv1.2' })
  const tls13 = { cert: identity.cert, key: identity.key, minVersion: 'TLSv1.3' } as const
  const table = [
    ['TLS 1.2 alone', { given: tls12, want: 'TLS_FAILED' }],
    ['plain HTTP', { given: createHttpServer(), want: 'TLS_FAILED' }],
    ['a server that hangs up', { given: createTcpServer((socket) => socket.destroy()), want: 'CERTIFICATE_REFUSED' }],
    ['a server that resets', { given: createTcpServer((socket) => socket.resetAndDestroy()), want: 'CERTIFICATE_REFUSED' }],
    ['TLS 1.3 that speaks no HTTP', { given: createTlsServer(tls13, (socket) => socket.end('220 mail.example ESMTP\r\n')), want: 'ANSWER_NOT_UNDERSTOOD' }],
  ] as const
  for (const [name, { given, want }] of table) {
    const port = await listening(t, given)
    t.match(await failureOf(t, { ...clients['release-bot'], baseUrl: `https://localhost:${port}` }), { name: 'ConnectionError', code: want }, name)
  }
})

void t.test('a connection that carried an answer and then ends before the next one is CONNECTION_LOST', async (t) => {
  for (const reset of [false, true]) {
    const server = await scriptedServer(t, (response, _request, raw) => {
      if (server.seen.length === 1) return answerJson(response, {})
      return reset ? server.reset() : raw.socket.destroy()
    })
    const client = createClient({ ...server.as('release-bot'), ...ONCE })
    await client.whoami()
    await t.rejects(client.whoami(), { code: 'CONNECTION_LOST', detail: `the connection to localhost:${server.port} ended before the answer` })
    t.equal(server.connections(), 1, 'both went over one connection')
    await client.close()
  }
})

void t.test('a new connection that ends long after the handshake was lost: that is no refusal of the certificate', async (t) => {
  const server = await scriptedServer(t, (_response, _request, raw) => setTimeout(() => raw.socket.destroy(), 50))
  const transport = createTransport({ ...server.pki.clients['release-bot'], baseUrl: `https://localhost:${server.port}`, refusalMs: 20 })
  const { signal } = new AbortController()
  await t.rejects(transport.send({ method: 'POST', path: '/sign', headers: {} }, { signal, idleMs: 0 }), { code: 'CONNECTION_LOST' })
  await transport.close()
})

void t.test('a silent server is a TIMEOUT, before and in the middle of an answer', async (t) => {
  const server = await scriptedServer(t, (response, { url }) => {
    if (url === '/middle') response.writeHead(200, { 'content-type': 'text/plain' }).write('half')
  })
  const { clients } = server.pki
  const transport = createTransport({ ...clients['release-bot'], baseUrl: `https://localhost:${server.port}` })
  const { signal } = new AbortController()
  const headers = { accept: 'text/plain' }
  const before = transport.send({ method: 'GET', path: '/before', headers }, { signal, idleMs: 300 })
  const middle = transport.send({ method: 'GET', path: '/middle', headers }, { signal, idleMs: 300 })
  await Promise.all([
    t.rejects(before, { code: 'TIMEOUT', detail: `localhost:${server.port} took the request and did not answer in time` }),
    t.rejects(
      readAll(middle),
      { code: 'TIMEOUT', detail: `localhost:${server.port} stopped sending in the middle of the answer` },
    ),
  ])
  await transport.close()
})

void t.test('a baseUrl that is more or less than https, host and port is a TypeError', async (t) => {
  const credentials = (await testPki()).clients['release-bot']
  for (const baseUrl of ['http://localhost:6000', 'https://localhost:6000/api', 'https://user:word@localhost:6000', 'https://localhost:6000/?a=b', 'localhost:6000', 'https://']) {
    t.throws(() => createTransport({ ...credentials, baseUrl }), TypeError, baseUrl)
  }
  const transport = createTransport({ ...credentials, baseUrl: 'https://signer.example' })
  t.strictSame(transport.address, { host: 'signer.example', port: 443 })
  await transport.close()
})

void t.test('the media type of an answer is read without parameters, and none is empty; a field that came twice counts once, and a list of fields is one list', async (t) => {
  const server = await scriptedServer(t, (response, { url }) => {
    if (url === '/typed') response.setHeader('content-type', 'Text/Plain; charset=utf-8')
    response.setHeader('retry-after', ['1', '2'])
    response.setHeader('ratelimit', ['"requests";r=1;t=2', '"bytes";r=3;t=4'])
    response.end('x')
  })
  const transport = createTransport({ ...server.pki.clients['release-bot'], baseUrl: `https://localhost:${server.port}` })
  const { signal } = new AbortController()
  const types: string[] = []
  for (const path of ['/typed', '/untyped']) {
    const answer = await transport.send({ method: 'GET', path, headers: {} }, { signal, idleMs: 0 })
    types.push(answer.mediaType)
    t.equal(answer.retryAfter, '1')
    t.equal(answer.rateLimit, '"requests";r=1;t=2, "bytes";r=3;t=4')
    answer.discard()
  }
  t.strictSame(types, ['text/plain', ''])
  await transport.close()
})
