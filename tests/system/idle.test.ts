import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { askAt, clientOf } from '../helpers/client.ts'
import { count, needsFull } from '../helpers/full-size.ts'
import { testPki } from '../helpers/pki.ts'
import { eventually } from '../helpers/processes.ts'
import { startServer, type LogLine, type TestServer } from '../helpers/server.ts'
import { statusesIn, talk } from '../helpers/wire.ts'

// Who comes and says nothing, or says it slowly.

const pki = await testPki()
const { ca, cert, key } = pki.clients['release-bot']
const IDLE = atMost(count(200, 10_000))
/** Time to open so many connections on a slow machine, and then some. */
const HANDSHAKE_MS = count(1_000, 45_000)

/** In which alike refusals are one line: server/http/refusal-log.ts. */
const LOG_WINDOW_MS = 10_000

/** Both ends of every connection are descriptors of one process each; what the system does not give cannot be tested here. */
function atMost(wanted: number): number {
  const limit = /^Max open files +\d+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return limit === undefined ? wanted : Math.min(wanted, Number(limit) - 500)
}

type Crowd = Readonly<{ closed(): number; open(): number; leave(): void }>

/** Opens connections that never say anything, a few hundred at a time, from one address. */
async function crowd(t: Test, port: number, size: number): Promise<Crowd> {
  const sockets = new Set<Socket>()
  let closed = 0
  const leave = (): void => sockets.forEach((socket) => void socket.destroy())
  t.teardown(leave)
  const enter = async (): Promise<void> => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.3.1' })
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => {
      closed += 1
      sockets.delete(socket)
    })
    await Promise.race([once(socket, 'connect').catch(() => undefined), once(socket, 'close')])
    socket.resume()
  }
  for (let left = size; left > 0; left -= 200) await Promise.all(Array.from({ length: Math.min(left, 200) }, enter))
  return { closed: () => closed, open: () => sockets.size, leave }
}

const residentMiB = ({ process: { pid } }: TestServer) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
const refusals = (server: TestServer, reason: string) => server.logs().filter((line: LogLine) => line['reason'] === reason)

async function metric(server: TestServer, name: string): Promise<number> {
  const { text } = await askAt(`${server.adminUrl}/metrics`)
  return Number(text.split('\n').find((line) => line.startsWith(`${name} `))?.split(' ')[1])
}

async function serves(t: Test, server: TestServer): Promise<void> {
  // A connection of its own each time: an old one proves nothing.
  t.equal((await (await clientOf(t, server.url)).ask('/whoami')).status, 200, 'a good client gets in')
}

void t.test(`${IDLE} connections that never begin their handshake are closed in time, cost little, and keep nobody out`, { skip: needsFull, timeout: 180_000 }, async (t) => {
  const server = await startServer(t, { config: { limits: { connections: IDLE + 100, handshakesPerAddress: IDLE, handshakeMs: HANDSHAKE_MS } } })
  await serves(t, server)
  const before = residentMiB(server)
  const began = performance.now()
  const idle = await crowd(t, server.port, IDLE)
  const tookMs = performance.now() - began
  t.equal(idle.open(), IDLE, 'all of them are in')
  await serves(t, server)
  await eventually(() => idle.open() === 0, HANDSHAKE_MS + 30_000)
  const grown = residentMiB(server) - before
  t.comment(`${IDLE} connections: ${grown.toFixed(1)} MiB more`)
  t.ok(grown < 30 + IDLE * 0.02, `the server grew by ${grown.toFixed(1)} MiB`)
  const lines = refusals(server, 'ERR_TLS_HANDSHAKE_TIMEOUT').filter(({ count: more }) => more === undefined).length
  t.ok(lines <= 1 + Math.floor((tookMs + 2_000) / LOG_WINDOW_MS), `${lines} lines, one for each window of the log`)
  t.equal(await metric(server, 'signing_tls_client_errors_total{code="ERR_TLS_HANDSHAKE_TIMEOUT"}'), IDLE)
  await serves(t, server)
  await server.stop()
  const counted = refusals(server, 'ERR_TLS_HANDSHAKE_TIMEOUT').map(({ count: more }) => Number(more ?? 1)).reduce((sum, more) => sum + more)
  t.equal(counted, IDLE, 'and none is missing in the numbers that follow')
})

void t.test('one address cannot take all places: what is too much of it is closed at once', { skip: needsFull }, async (t) => {
  const server = await startServer(t, { config: { limits: { connections: 100, handshakesPerAddress: 20, handshakeMs: 60_000 } } })
  const idle = await crowd(t, server.port, 60)
  await eventually(() => idle.closed() === 40)
  t.equal(idle.open(), 20)
  t.match(refusals(server, 'limits.handshakesPerAddress'), [{ msg: 'refused connection', level: 'warn', listener: 'service', address: '127.0.3.1' }], 'one line')
  t.equal(refusals(server, 'limits.handshakesPerAddress').length, 1)
  t.equal(await metric(server, 'signing_connections_refused_total{limit="handshakesPerAddress"}'), 40)
  t.equal(server.logs().filter(({ msg }) => msg === 'refused connection').length, 1, 'and TLS says nothing more of them')
  await serves(t, server)
  const shown = []
  for (let turn = 0; turn < 25; turn += 1) shown.push(await clientOf(t, server.url))
  for (const { ask } of shown) t.equal((await ask('/whoami')).status, 200, 'who has shown a certificate does not count')
  idle.leave()
  while (await metric(server, 'signing_connections{port="service"}') > shown.length + 1) await delay(20)
  const again = await crowd(t, server.port, 20)
  await serves(t, server)
  t.equal(again.open(), 20, 'there is room again')
})

void t.test('above the limit of connections whoever comes is closed at once', { skip: needsFull }, async (t) => {
  const server = await startServer(t, { config: { limits: { connections: 20, handshakesPerAddress: 20, handshakeMs: 60_000 } } })
  const idle = await crowd(t, server.port, 60)
  await eventually(() => idle.closed() === 40)
  t.match(refusals(server, 'limits.connections'), [{ msg: 'refused connection', level: 'warn', address: '127.0.3.1' }])
  t.equal(refusals(server, 'limits.connections').length, 1, 'one line')
  t.equal(await metric(server, 'signing_connections_refused_total{limit="connections"}'), 40)
  await t.rejects((await clientOf(t, server.url)).ask('/whoami'), 'a good client too')
  t.equal((await (await clientOf(t, server.browserUrl)).ask('/whoami')).status, 200, 'but each port has places of its own')
  idle.leave()
  while (await metric(server, 'signing_connections{port="service"}') > 0) await delay(20)
  await serves(t, server)
})

void t.test('what is said slowly, or not at all, is ended in time', { skip: needsFull }, async (t) => {
  const server = await startServer(t, { config: { limits: { requestMs: 1_000, idleMs: 500 } } })
  const sign = 'POST /sign HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n'
  const slowly = { text: 'x', everyMs: 200 }
  const rows = [
    ['header fields that arrive a byte at a time', { say: 'GET /whoami HTTP/1.1\r\nhost: x\r\nx: ', again: slowly }, [408]],
    ['header fields that stop', { say: 'GET /whoami HTTP/1.1\r\nhost: x\r\nx: ' }, [408]],
    ['a body that arrives a byte at a time', { say: sign, again: slowly }, [408]],
    ['a body that stops', { say: `${sign}{"path":` }, [408]],
    ['nothing at all', {}, [408]],
    ['nothing after an answer', { say: 'GET /whoami HTTP/1.1\r\nhost: x\r\n\r\n' }, [200]],
  ] as const
  await Promise.all(rows.map(async ([name, what, statuses], index) => {
    const localAddress = `127.0.4.${index + 1}`
    const { text, closed } = await talk({ port: server.port, ca, cert, key, localAddress, ...what })
    t.strictSame(statusesIn(text), statuses, name)
    t.ok(closed, name)
    if (statuses[0] === 200) return
    const about = (line: LogLine) => line['code'] === 'REQUEST_TIMEOUT' && (line['address'] === localAddress || line['operation'] === 'sign')
    t.match(await server.logged(about), [{ msg: 'request refused', level: 'warn' }], name)
  }))
  await serves(t, server)
})
