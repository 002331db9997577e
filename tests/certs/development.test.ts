import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import t from 'tap'
import { AUTHORITY_NAME, DEVELOPMENT_CLIENTS, makeDevelopmentFiles } from '../../certs/development.ts'
import type { ClientFault } from '../../certs/development.ts'
import { testPki } from '../helpers/pki.ts'
import type { TestIdentity } from '../helpers/pki.ts'

const DAY_MS = 86_400_000
const pki = await testPki()

/** What OpenSSL says of each fault; undefined: the client gets in. */
const REFUSALS: Readonly<Record<ClientFault, string | undefined>> = {
  none: undefined,
  unlisted: undefined,
  revoked: 'CERT_REVOKED',
  expired: 'CERT_HAS_EXPIRED',
  'not-yet-valid': 'CERT_NOT_YET_VALID',
  'wrong-usage': 'INVALID_PURPOSE',
  'other-authority': 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
}

const listener = createServer({
  cert: pki.server.cert,
  key: pki.server.key,
  ca: pki.server.ca,
  crl: pki.crl,
  requestCert: true,
  rejectUnauthorized: true,
  minVersion: 'TLSv1.3'
}, (socket) => socket.end(`hello ${socket.getPeerX509Certificate()?.subject}`))
await once(listener.listen(0), 'listening')
t.teardown(() => listener.close())

/** Connects as a client; what the server said to it, and why the server refused it. */
async function call(options: ConnectionOptions): Promise<{ text: string, refusal: string | undefined }> {
  let refusal: string | undefined
  const refused = (error: Error, socket: TLSSocket): void => { refusal = String(socket.authorizationError ?? error.message) }
  listener.once('tlsClientError', refused)
  const { port } = listener.address() as AddressInfo
  // A refused client may see a reset, an alert or just the end: what counts is that nothing was said to it.
  const socket = connect({ port, host: 'localhost', ca: pki.server.ca, ...options }).on('error', () => {})
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  await new Promise((resolve) => { socket.once('close', resolve) })
  listener.off('tlsClientError', refused)
  return { text, refusal }
}

for (const client of DEVELOPMENT_CLIENTS) {
  const want = REFUSALS[client.fault]
  void t.test(`a TLS 1.3 server ${want === undefined ? 'lets in' : 'refuses'} the client ${client.name}${want === undefined ? '' : ` with ${want}`}`, async (t) => {
    const { cert, key } = pki.clients[client.name]
    const { text, refusal } = await call({ cert, key })
    t.equal(refusal, want)
    t.equal(text, want === undefined ? `hello CN=${client.name}` : '')
  })
}

void t.test('the server refuses a connection without a certificate, and one that presents the server\'s own', async (t) => {
  t.match(await call({}), { text: '', refusal: /peer did not return a certificate/ })
  t.match(await call({ cert: pki.server.cert, key: pki.server.key }), { text: '', refusal: 'INVALID_PURPOSE' })
})

void t.test('a client knows the server by localhost, 127.0.0.1 and ::1, and by its own authority only', async (t) => {
  const server = new X509Certificate(pki.server.cert)
  t.equal(server.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
  const { cert, key, ca } = pki.clients['release-bot']
  for (const host of ['localhost', '127.0.0.1']) t.match(await call({ cert, key, ca, host }), { text: /^hello/ }, host)
  t.equal(server.checkIP('::1'), '::1')
  t.match(await call({ cert, key, ca: await readFile(join(pki.directory, 'other-ca/ca.pem'), 'utf8') }), { text: '' })
})

void t.test('each certificate has the SAN of the list, its own key, and at most 825 days; the impostor\'s names are release-bot\'s', (t) => {
  for (const { name, uri } of DEVELOPMENT_CLIENTS) {
    const certificate = new X509Certificate(pki.clients[name].cert)
    t.equal(certificate.subjectAltName, `URI:${uri}`, name)
    t.equal(certificate.issuer, `CN=${AUTHORITY_NAME}`, name)
    t.ok(certificate.validToDate.getTime() - certificate.validFromDate.getTime() < 825 * DAY_MS, name)
  }
  const names = (identity: TestIdentity): unknown[] => [new X509Certificate(identity.cert).subject, new X509Certificate(identity.cert).subjectAltName]
  t.strictSame(names(pki.clients.impostor), names(pki.clients['release-bot']))
  t.equal(new Set(Object.values(pki.clients).map(({ key }) => key)).size, DEVELOPMENT_CLIENTS.length)
  t.end()
})

void t.test('makeDevelopmentFiles counts every time from the one it is given', async (t) => {
  const { files, validUntil } = await makeDevelopmentFiles(new Date('2040-01-01T00:00:00Z'))
  const times = (path: string): string[] => {
    const { validFromDate, validToDate } = new X509Certificate(files.get(path) ?? '')
    return [validFromDate, validToDate].map((date) => date.toISOString().slice(0, 10))
  }
  t.strictSame(times('ca.pem'), ['2039-12-02', '2049-11-30'])
  t.strictSame(times('server.pem'), ['2039-12-31', '2042-04-04'])
  t.strictSame(times('clients/expired/client.pem'), ['2039-12-23', '2039-12-30'])
  t.strictSame(times('clients/not-yet-valid/client.pem'), ['2044-12-29', '2047-04-03'])
  t.equal(validUntil.toISOString(), '2040-12-31T00:00:00.000Z')
})

void t.test('certs/README.md lists exactly the clients that are made', async (t) => {
  const readme = await readFile(new URL('../../certs/README.md', import.meta.url), 'utf8')
  const table = readme.split('## Clients\n')[1]?.split('\n## ')[0] ?? ''
  const rows = table.split('\n').filter((line) => line.startsWith('| `'))
  t.strictSame(rows, DEVELOPMENT_CLIENTS.map(({ folder, uri, purpose }) => `| \`${folder}\` | \`URI:${uri}\` | ${purpose} |`))
})
