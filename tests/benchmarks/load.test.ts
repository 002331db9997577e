import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { packageChunks } from '../../formats/index.ts'
import { createLoadGenerator, type LoadGenerator } from '../../benchmarks/harness/load-generator.ts'
import type { ArrivalsResult, DirectoryResult, LoadResult } from '../../benchmarks/harness/load.ts'
import { packageSource } from '../../benchmarks/harness/packages.ts'
import { createUndiciClient } from '../../benchmarks/harness/undici-client.ts'
import { openConnection, type Target } from '../../benchmarks/harness/wire-client.ts'
import { testPki } from '../helpers/pki.ts'

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void

/** A server with mutual TLS that answers as `handler` says; what connected is counted. */
async function serverFor(t: Test, handler: Handler): Promise<Target & Readonly<{ connected: () => number; load: LoadGenerator }>> {
  const { server: own, caPath: _caPath, clients } = await testPki()
  let connected = 0
  const server = createServer({ cert: own.cert, key: own.key, ca: own.ca, requestCert: true, minVersion: 'TLSv1.3' }, (request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece)).on('end', () => handler(request, response, Buffer.concat(pieces)))
  })
  server.on('secureConnection', () => (connected += 1))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { ca, cert, key } = clients['release-bot']
  const load = createLoadGenerator({ ca, cert, key })
  t.teardown(() => {
    load.close()
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, credentials: { ca, cert, key }, connected: () => connected, load }
}

const ok: Handler = (_request, response) => void response.end('{}')

void t.test('a load sends as many requests as it was asked to, keeps its connections, and times each answer', async (t) => {
  const asked: string[] = []
  const { port, load, connected } = await serverFor(t, (request, response, body) => {
    asked.push(`${request.method} ${request.url} ${body.toString()}`)
    response.end('{}')
  })
  const task = { kind: 'requests', port, connections: 3, source: { kind: 'sign-paths', paths: ['/x'], members: {} }, extent: { requests: 10 } } as const
  const first = (await load.perform(task)) as LoadResult
  t.match(first, { answered: 10, refusals: {}, broken: 0, retryAfterMissing: 0 })
  t.equal(first.latenciesMs.length, 10)
  t.strictSame(new Set(asked), new Set(['POST /sign {"path":"/x"}']))
  await load.perform(task)
  t.equal(connected(), 3, 'the connections of the first task served the second')
  const timed = (await load.perform({ ...task, source: { kind: 'get', path: '/files' }, extent: { durationMs: 50 }, paceMs: 5 })) as LoadResult
  t.ok(timed.answered >= 3 && timed.elapsedMs >= 50, `${timed.answered} in ${timed.elapsedMs}`)
  t.equal(asked.at(-1), 'GET /files ')
})

void t.test('a load with undici keeps its connections too', async (t) => {
  const { port, credentials, load, connected } = await serverFor(t, (_request, response, body) => void response.setHeader('x-length', body.length).end('hello'))
  for (let round = 0; round < 2; round += 1) {
    const result = (await load.perform({ kind: 'requests', port, connections: 2, client: 'undici', source: { kind: 'sign-digests' }, extent: { requests: 6 } })) as LoadResult
    t.equal(result.answered, 6)
  }
  t.ok(connected() <= 2, String(connected()))
  const client = createUndiciClient({ port, credentials }, 1)
  t.match(await client.ask({ method: 'GET', path: '/' }), { status: 200, head: /\r\nx-length: 0/, body: Buffer.from('hello') })
  await t.rejects(client.ask({ method: 'POST', path: '/', bodyBytes: 1, pieces: [Buffer.from('x')] }), TypeError)
  t.ok(client.isOpen())
  client.close()
  t.notOk(client.isOpen())
})

void t.test('an answer other than 200 fails a load, and is counted by a tolerant one', async (t) => {
  const answers = [
    [503, { 'retry-after': '1' }, '{"code":"SERVER_BUSY"}'], [503, {}, '{"code":"SERVER_BUSY"}'], [400, {}, 'no JSON'], [200, {}, '{}'],
  ] as const
  let index = 0
  const { port, load } = await serverFor(t, (_request, response) => {
    const [status, headers, body] = answers[index % answers.length] as (typeof answers)[number]
    index += 1
    response.writeHead(status, headers).end(body)
  })
  const task = { kind: 'requests', port, connections: 1, source: { kind: 'get', path: '/' }, extent: { requests: 4 } } as const
  t.match(await load.perform({ ...task, tolerant: true }), { answered: 1, refusals: { '503 SERVER_BUSY': 2, '400 -': 1 }, broken: 0, retryAfterMissing: 1 })
  await t.rejects(load.perform(task), /the server answered 503: .*SERVER_BUSY/)
})

void t.test('a connection that breaks fails a load, is counted by a tolerant one, and is replaced for the next', async (t) => {
  const { port, load, connected } = await serverFor(t, (request, response) => void (request.url === '/break' ? request.socket.destroy() : response.end('{}')))
  const task = { kind: 'requests', port, connections: 1, source: { kind: 'get', path: '/break' }, extent: { requests: 4 } } as const
  t.match(await load.perform({ ...task, tolerant: true }), { answered: 0, broken: 1 })
  await t.rejects(load.perform(task), Error)
  t.match(await load.perform({ ...task, source: { kind: 'get', path: '/' } }), { answered: 4 })
  t.equal(connected(), 3)
})

void t.test('arrivals come at their rate on free connections, wait for the last answer, and count what could not be sent', async (t) => {
  const { port, load, connected } = await serverFor(t, (request, response) => {
    if (request.url === '/break') request.socket.destroy()
    else setTimeout(() => response.end('{}'), request.url === '/slow' ? 150 : 0)
  })
  const task = { kind: 'arrivals', port, connections: 2, source: { kind: 'get', path: '/' }, perSecond: 200, durationMs: 100 } as const
  const quick = (await load.perform({ ...task, connections: 20 })) as ArrivalsResult
  t.ok(quick.answered + quick.withheld <= 21 && quick.answered >= 10, `${quick.answered} answered, ${quick.withheld} withheld`)
  t.equal(connected(), 20)
  const slow = (await load.perform({ ...task, source: { kind: 'get', path: '/slow' } })) as ArrivalsResult
  t.equal(slow.answered, 2, 'what was begun is waited for')
  t.ok(slow.withheld >= 10, `${slow.withheld}`)
  t.ok(slow.elapsedMs >= 150)
  t.match(await load.perform({ ...task, source: { kind: 'get', path: '/break' } }), { answered: 0, broken: 2 })
})

void t.test('a directory counts its signatures, on a new connection where it is asked for, and no failure passes', async (t) => {
  let answer: object = { signatures: { a: {}, b: {} }, failures: {} }
  let status = 200
  const { port, load, connected } = await serverFor(t, (_request, response) => void response.writeHead(status).end(JSON.stringify(answer)))
  const task = { kind: 'directory', port, path: '/d', fresh: false, members: {} } as const
  const result = (await load.perform(task)) as DirectoryResult
  t.match(result, { signed: 2, bytes: JSON.stringify(answer).length })
  t.ok(result.elapsedMs > 0)
  await load.perform(task)
  t.equal(connected(), 1)
  await load.perform({ ...task, fresh: true })
  t.equal(connected(), 2)
  answer = { signatures: { a: {} }, failures: { b: { code: 'FILE_CHANGED' } } }
  await t.rejects(load.perform(task), /FILE_CHANGED/)
  status = 404
  await t.rejects(load.perform(task), /answered 404/)
})

void t.test('an upload arrives byte for byte with its name and length', async (t) => {
  const source = packageSource('PkgA', 3_000_000)
  const expected = Buffer.concat([...packageChunks(source)].map((chunk) => Buffer.from(chunk)))
  let status = 200
  const { port, load } = await serverFor(t, (request, response, body) => {
    t.equal(request.url, '/sign?filename=PkgA.bff')
    t.match(request.headers, { 'content-type': 'application/octet-stream', 'content-length': String(expected.length) })
    t.ok(body.equals(expected))
    response.writeHead(status).end('{}')
  })
  const task = { kind: 'upload', port, source, filename: 'PkgA.bff' } as const
  t.ok(Number(await load.perform(task)) > 0)
  status = 413
  await t.rejects(load.perform(task), /answered 413/)
})

void t.test('handshakes are full ones, or resumed ones, and each is a connection', async (t) => {
  const { port, load, connected, credentials } = await serverFor(t, ok)
  t.ok(Number(await load.perform({ kind: 'handshakes', port, connections: 2, count: 5, resumed: false })) > 0)
  t.equal(connected(), 5)
  await load.perform({ kind: 'handshakes', port, connections: 2, count: 5, resumed: true })
  t.equal(connected(), 11, 'five, and one that the ticket came from')
  const connection = await openConnection({ port, credentials })
  t.notOk(connection.isResumed())
  connection.close()
})

void t.test('a handshake that the server does not resume is not counted as a resumed one', async (t) => {
  const { server: own, clients } = await testPki()
  const giver = createServer({ cert: own.cert, key: own.key, ca: own.ca, requestCert: true, minVersion: 'TLSv1.3' })
  await once(giver.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => giver.close())
  const load = createLoadGenerator(clients['release-bot'])
  const { port } = giver.address() as AddressInfo
  // The second connection comes with a ticket that was made with other keys.
  let connections = 0
  giver.on('connection', () => {
    connections += 1
    if (connections === 2) giver.setTicketKeys(Buffer.alloc(48, 'x'))
  })
  await t.rejects(load.perform({ kind: 'handshakes', port, connections: 1, count: 1, resumed: true }), /a handshake that was to be resumed was not/)
})

void t.test('an answer that comes in pieces is one answer', async (t) => {
  const { port, credentials } = await serverFor(t, (_request, response) => {
    response.write('hel')
    setTimeout(() => response.end('lo'), 20)
  })
  const connection = await openConnection({ port, credentials })
  t.match(await connection.ask({ method: 'GET', path: '/' }), { status: 200, body: Buffer.from('hello') })
  connection.close()
})

void t.test('what is no answer breaks the connection, and so does asking on one that is broken', async (t) => {
  const { port, credentials } = await serverFor(t, (request) => void request.socket.end('nonsense\r\n\r\n'))
  const connection = await openConnection({ port, credentials })
  await t.rejects(connection.ask({ method: 'GET', path: '/' }), /no HTTP\/1.1 answer/)
  t.notOk(connection.isOpen())
  await t.rejects(connection.ask({ method: 'GET', path: '/' }), /no HTTP\/1.1 answer/)
})
