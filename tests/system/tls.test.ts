import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { Agent, buildConnector, fetch, request } from 'undici'
import { issueClient, issueCrl } from '../../certs/pki.ts'
import type { ClientName } from '../../certs/development.ts'
import { readIdentity } from '../../server/identity/client.ts'
import { ConfigFile } from '../../server/config/schema.ts'
import { askAt, clientOf, problemIn } from '../helpers/client.ts'
import { putPackage } from '../helpers/packages.ts'
import { testPki } from '../helpers/pki.ts'
import { startServer } from '../helpers/server.ts'

const server = await startServer(t)
const pki = await testPki()
const PORTS = [['service', server.port], ['browser', server.browserPort]] as const

/** Everything a socket receives until it is closed, or until `enough` of it arrived. */
async function readAll(socket: Socket, enough: (text: string) => boolean = () => false): Promise<string> {
  let text = ''
  await new Promise<void>((resolve) => {
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1')
      if (enough(text)) resolve()
    }).on('error', () => {}).on('close', () => resolve())
  })
  socket.destroy()
  return text
}

for (const [name, port] of PORTS) {
  void t.test(`the ${name} port`, async (t) => {
    const url = `https://localhost:${port}`
    const refused: readonly (readonly [ClientName, string])[] = [
      ['impostor', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'], ['expired', 'CERT_HAS_EXPIRED'], ['not-yet-valid', 'CERT_NOT_YET_VALID'],
      ['wrong-usage', 'INVALID_PURPOSE'], ['revoked', 'CERT_REVOKED'],
    ]
    const mine = ({ listener }: Readonly<Record<string, unknown>>) => listener === name
    const connected = () => server.logs().filter((line) => mine(line) && line.msg === 'client connected').length

    for (const [client, reason] of refused) {
      await t.test(`refuses the certificate ${client} at TLS, and the log says ${reason}`, async (t) => {
        const before = connected()
        await t.rejects((await clientOf(t, url, client)).ask('/whoami'), { code: 'UND_ERR_SOCKET' })
        await server.logged((line) => mine(line) && line.msg === 'refused connection' && line['reason'] === reason)
        t.equal(connected(), before, 'nobody connected')
      })
    }

    await t.test('refuses a client without a certificate at TLS', async (t) => {
      const before = connected()
      const nobody = new Agent({ connect: { ca: pki.server.ca } })
      t.teardown(async () => await nobody.destroy())
      await t.rejects(askAt(`${url}/whoami`, { dispatcher: nobody }), { code: 'UND_ERR_SOCKET' })
      await server.logged((line) => mine(line) && line['reason'] === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE')
      t.equal(connected(), before)
    })

    await t.test('refuses TLS 1.2 for a client that is otherwise good, and speaks 1.3 with it', async (t) => {
      const { ca, cert, key } = pki.clients['release-bot']
      const outcome = async (maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<unknown> => await new Promise((resolve) => {
        const socket = connectTls({ host: '127.0.0.1', port, servername: 'localhost', ca, cert, key, maxVersion }, () => {
          resolve(socket.getProtocol())
          socket.destroy()
        }).on('error', ({ code }: NodeJS.ErrnoException) => resolve(code))
      })
      t.equal(await outcome('TLSv1.2'), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
      t.equal(await outcome('TLSv1.3'), 'TLSv1.3')
    })

    await t.test('answers plain HTTP with no HTTP at all', async (t) => {
      const socket = connectTcp(port, '127.0.0.1', () => void socket.write('GET /whoami HTTP/1.1\r\nhost: localhost\r\n\r\n'))
      t.notMatch(await readAll(socket), /HTTP/)
      await server.logged((line) => mine(line) && line['reason'] === 'ERR_SSL_HTTP_REQUEST')
    })

    await t.test('answers a stranger with a good certificate 403 CLIENT_UNKNOWN, whatever it asks for', async (t) => {
      const stranger = await clientOf(t, url, 'stranger')
      for (const path of ['/whoami', '/files', '/keys', '/keys/1001', '/signatures/00000000-0000-4000-8000-000000000000', '/openapi.yaml', '/docs', '/docs/json', '/no-such-route']) {
        t.match(problemIn(await stranger.ask(path)), { code: 'CLIENT_UNKNOWN', status: 403 }, path)
      }
    })

    for (const [client, code] of [['stranger', 'CLIENT_UNKNOWN'], ['auditor', 'OPERATION_DENIED']] as const) {
      await t.test(`answers ${code} to the ${client} before its body is read`, async (t) => {
        const { ca, cert, key } = pki.clients[client]
        const socket = connectTls({ host: '127.0.0.1', port, servername: 'localhost', ca, cert, key }, () => {
          // Sixty thousand bytes are announced and none is sent.
          socket.write('POST /sign HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n')
        })
        const text = await readAll(socket, (soFar) => soFar.includes('"hint"'))
        t.match(text, /^HTTP\/1\.1 403 /)
        t.match(text, `"code":"${code}"`)
      })
    }

    await t.test('serves a listed client, and knows it by name', async (t) => {
      const client = await clientOf(t, url)
      t.match(JSON.parse((await client.ask('/whoami')).text), { name: 'release-bot', sans: ['URI:urn:example:release-bot'], keys: ['1001'], roots: ['nim'] })
    })
  })
}

void t.test('an empty list denies: of operations, of keys, of roots, of clients', async (t) => {
  const list = (name: ClientName, changes: Readonly<Record<string, unknown>>) => ({ name, match: { san: `URI:urn:example:${name}` }, allow: ['sign'], keys: ['1001'], roots: ['nim'], ...changes })
  const strict = await startServer(t, { config: { clients: [list('release-bot', { allow: [] }), list('auditor', { keys: [] }), list('stranger', { roots: [] })] } })
  const path = putPackage(strict.root)
  const codeFor = async (url: string, name: ClientName) => problemIn(await (await clientOf(t, url, name)).trySign({ path })).code
  t.equal(await codeFor(strict.url, 'release-bot'), 'OPERATION_DENIED')
  t.equal(await codeFor(strict.url, 'auditor'), 'KEY_NOT_AVAILABLE')
  t.equal(await codeFor(strict.url, 'stranger'), 'PATH_OUTSIDE_ROOTS')
  const closed = await startServer(t, { config: { clients: [] } })
  t.equal(await codeFor(closed.url, 'release-bot'), 'CLIENT_UNKNOWN')
})

void t.test('a client listed by the hash of its public key is known with a renewed certificate, and nobody else is', async (t) => {
  const { cert } = pki.clients['stranger']
  const { spkiSha256 } = readIdentity(new X509Certificate(cert))
  const pinned = await startServer(t, { config: { clients: [{ name: 'by-key', match: { spkiSha256 }, allow: [], keys: [], roots: [] }] } })
  t.match(JSON.parse((await (await clientOf(t, pinned.url, 'stranger')).ask('/whoami')).text), { name: 'by-key', spkiSha256 })
  t.match(problemIn(await (await clientOf(t, pinned.url, 'release-bot')).ask('/whoami')), { code: 'CLIENT_UNKNOWN' })
})

void t.test('a SAN is compared exactly: another case, a longer name and a name inside another entry are unknown', async (t) => {
  const claimed = ['URN:example:release-bot', 'urn:example:release-bot2', 'urn:example:other, URI:urn:example:release-bot']
  for (const value of claimed) {
    const { certificatePem: cert, privateKeyPem: key } = await issueClient(pki.authority, { name: 'liar', sans: [{ type: 'uri', value }], notBefore: new Date(Date.now() - 3_600_000) })
    const dispatcher = new Agent({ connect: { ca: pki.server.ca, cert, key } })
    t.teardown(async () => await dispatcher.destroy())
    t.match(problemIn(await askAt(`${server.url}/whoami`, { dispatcher })), { code: 'CLIENT_UNKNOWN' }, value)
  }
})

void t.test('with an expired revocation list nobody gets in', async (t) => {
  const [thisUpdate, nextUpdate] = [2, 1].map((days) => new Date(Date.now() - days * 86_400_000)) as [Date, Date]
  const crl = await issueCrl(pki.authority, { revoked: [], thisUpdate, nextUpdate })
  const strict = await startServer(t, {
    config: ({ folder }) => {
      writeFileSync(join(folder, 'old.crl'), crl)
      return { tls: { cert: 'server.pem', key: 'server.key', clientCa: 'ca.pem', crl: 'old.crl' } }
    },
  })
  await t.rejects((await clientOf(t, strict.url)).ask('/whoami'), { code: 'UND_ERR_SOCKET' })
  await strict.logged(({ reason }) => reason === 'CRL_HAS_EXPIRED')
})

void t.test('port 6000 is a bad port of the fetch standard and 6443 is not, which is why there are two', async (t) => {
  const { port, browserPort } = ConfigFile.properties.listen.properties as Record<string, { default?: unknown }>
  t.strictSame([port?.default, browserPort?.default], [6000, 6443])
  const { ca, cert, key } = pki.clients['release-bot']
  const connector = buildConnector({ ca, cert, key })
  // The URL says the well-known port, the connection goes to the free one of this test.
  const to = (actual: number) => new Agent({ connect: (options, callback) => connector({ ...options, port: String(actual) }, callback) })
  const [service, browser] = [to(server.port), to(server.browserPort)]
  t.teardown(async () => await Promise.all([service.destroy(), browser.destroy()]))
  await t.rejects(fetch('https://localhost:6000/whoami', { dispatcher: service }), { cause: { message: 'bad port' } })
  await t.rejects(globalThis.fetch('https://localhost:6000/whoami'), { cause: { message: 'bad port' } }, 'nor does the fetch of Node')
  t.equal((await request('https://localhost:6000/whoami', { dispatcher: service })).statusCode, 200, 'undici.request does')
  const answer = await fetch('https://localhost:6443/whoami', { dispatcher: browser })
  t.match(await answer.json(), { name: 'release-bot' })
})

void t.test('the administration listener is plain HTTP, answers GET alone, and has nothing of the service', async (t) => {
  t.match(JSON.parse((await askAt(`${server.adminUrl}/health/live`)).text), { status: 'live' })
  t.match((await askAt(`${server.adminUrl}/metrics`)).text, /signing_tls_client_errors_total\{code="CERT_REVOKED"\}/)
  for (const [method, path] of [['GET', '/files'], ['GET', '/keys'], ['POST', '/sign'], ['POST', '/health/live'], ['HEAD', '/health/live']] as const) {
    t.equal((await askAt(`${server.adminUrl}${path}`, { method })).status, 404, `${method} ${path}`)
  }
})
