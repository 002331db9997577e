import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import pino from 'pino'
import t from 'tap'
import { loadConfig } from '../../server/config/load.ts'
import { startServer } from '../../server/process.ts'
import { clientOf } from '../helpers/client.ts'
import { startInProcess } from '../helpers/in-process.ts'
import { putPackage } from '../helpers/packages.ts'
import { makePlace } from '../helpers/place.ts'
import { testPki } from '../helpers/pki.ts'

void t.test('a server signs on both ports, counts what it does, and closes everything', async (t) => {
  const running = await startInProcess(t, { tls: { cert: 'server.pem', key: 'server.key', clientCa: 'ca.pem' } })
  const path = putPackage(running.place.root)
  for (const url of [running.url, running.browserUrl]) {
    const client = await clientOf(t, url)
    t.match(await client.sign({ path }), { signatures: { 'PkgA.1.0.0.0.bff': { keyid: '1001' } } })
  }
  const admin = await clientOf(t, running.adminUrl)
  t.match(JSON.parse((await admin.ask('/health/ready')).text), { status: 'ready', checks: { store: 'ok', signer: 'ok', 'key 1001': 'ok' } })
  const socket = connect(Number(new URL(running.url).port), '127.0.0.1').on('error', () => undefined)
  socket.end('GET / HTTP/1.1\r\n\r\n')
  await once(socket, 'close')
  const { text } = await admin.ask('/metrics')
  for (const line of [/^signing_requests_total\{operation="sign",code="OK"\} 2$/m, /^signing_files_total\{outcome="signed",code="OK"\} 2$/m, /^signing_bytes_hashed_total [1-9]/m, /^signing_connections\{port="service"\} \d$/m, /^signing_waiting\{line="threads"\} 0$/m, /^signing_tls_client_errors_total\{code="ERR_SSL_HTTP_REQUEST"\} 1$/m]) t.match(text, line)
  t.notMatch(text, /certificate="crl"/)
  await running.server.close()
  t.equal(running.logs.at(-1)?.['msg'], 'stopped')
  await t.rejects((await clientOf(t, running.url)).ask('/whoami'))
  await t.rejects(admin.ask('/health/live'))
})

void t.test('a connection that is one too many is counted', async (t) => {
  const running = await startInProcess(t, { limits: { handshakesPerAddress: 1 } })
  const port = Number(new URL(running.url).port)
  const sockets = [1, 2].map(() => connect(port, '127.0.0.1').on('error', () => undefined))
  await Promise.race(sockets.map(async (socket) => await once(socket, 'close')))
  const admin = await clientOf(t, running.adminUrl)
  t.match(await admin.ask('/metrics'), { text: /^signing_connections_refused_total\{limit="handshakesPerAddress"\} 1$/m })
  for (const socket of sockets) socket.destroy()
})

void t.test('what never became a request is counted, and a wrapped command is probed as signer', async (t) => {
  const running = await startInProcess(t, { keys: [{ keyid: '1001', kind: 'command', publicKey: '1001.pub.pem', covers: 'file' }], signer: { kind: 'command', command: ['/nonexistent'] } })
  const { ca, cert, key } = (await testPki()).clients['release-bot']
  const socket = connectTls({ host: '127.0.0.1', port: Number(new URL(running.url).port), ca, cert, key })
  socket.write('garbage\r\n\r\n')
  socket.resume()
  await once(socket, 'close')
  const admin = await clientOf(t, running.adminUrl)
  t.match(await admin.ask('/metrics'), { text: /^signing_requests_total\{operation="other",code="REQUEST_MALFORMED"\} 1$/m })
  t.match(await admin.ask('/health/ready'), { status: 503, text: /"signer":"SIGNER_NOT_AVAILABLE"/ })
})

void t.test('the store is opened in the way that is given, where one is, from the configuration', async (t) => {
  const place = await makePlace(t)
  const config = await loadConfig(place.configure({ store: { url: 'sqlite:other.db' } }))
  const asked: unknown[] = []
  const open = async (location: unknown): Promise<never> => {
    asked.push(location)
    throw new Error('no such store')
  }
  await t.rejects(startServer(config, pino({ level: 'silent' }), open), { message: 'no such store' })
  t.match(asked, [{ url: `sqlite:${place.folder}/other.db` }])
})
