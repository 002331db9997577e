import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type TlsOptions, type TLSSocket } from 'node:tls'
import * as fc from 'fast-check'
import t from 'tap'
import { createAuthority, issueClient } from '../../../certs/pki.ts'
import { identityOf, isAuthority, readIdentity } from '../../../server/identity/client.ts'
import { createNewest } from '../../../server/identity/newest.ts'
import { parseSubjectAltName } from '../../../server/identity/subject-alt-name.ts'
import { checkTls, tlsOptions, type TlsMaterial } from '../../../server/identity/tls.ts'
import { testPki } from '../../helpers/pki.ts'
import { rsaKeyPair } from '../../helpers/signables.ts'

const NUM_RUNS = 300 * Number(process.env['TEST_FULL_FACTOR'] ?? 1)
const pki = await testPki()

async function sansOf(uris: readonly [string, ...string[]]): Promise<readonly string[]> {
  const authority = await createAuthority({ name: 'test' })
  const { certificatePem } = await issueClient(authority, { name: 'c', sans: uris.map((value) => ({ type: 'uri', value })) as never })
  return readIdentity(new X509Certificate(certificatePem)).sans
}

void t.test('parseSubjectAltName', async (t) => {
  const table: readonly [string | undefined, readonly string[]][] = [
    [undefined, []], ['', []],
    ['URI:urn:example:release-bot', ['URI:urn:example:release-bot']],
    ['DNS:a.example, email:b@example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1', ['DNS:a.example', 'email:b@example', 'IP Address:127.0.0.1', 'IP Address:0:0:0:0:0:0:0:1']],
    ['URI:"a, URI:b"', ['URI:a, URI:b']],
    [String.raw`URI:"a\"b\\c\u0000\u00e9", DNS:x`, ['URI:a"b\\c\0é', 'DNS:x']],
    ['othername:<unsupported>, X400Name:<unsupported>, URI:x', ['othername:<unsupported>', 'X400Name:<unsupported>', 'URI:x']],
    ['DirName:"CN = a, O = b", Registered ID:1.2.3', ['DirName:CN = a, O = b', 'Registered ID:1.2.3']],
    // What does not read to the end names nobody.
    ['URI:a,URI:b', []], ['URI:a, ', ['URI:a']], ['URI', []], ['URI:a, b', []], ['URI:"a', []], [String.raw`URI:"\x"`, []], ['URI:"a"b', []], ['URI:a"b', []], ['URI:a, URI:"b\n"', []], [':a', []],
  ]
  for (const [given, want] of table) t.strictSame(parseSubjectAltName(given), want, String(given))

  void t.test('never takes one value for two, whatever is in it', async (t) => {
    for (const value of ['a, URI:b', 'a", URI:"b', 'a\\", URI:\\"b', "a', URI:'b", 'a,URI:b', '", URI:b, URI:"']) {
      const sans = await sansOf([value, 'c'])
      t.strictSame(sans, [`URI:${value}`, 'URI:c'], value)
    }
    for (const uri of ['a\0b', 'a\nURI:b', 'caf\u00e9', 'a\u007fb', 'a\tb']) {
      const sans = await sansOf([uri]).catch(() => [])
      t.ok(sans.length <= 1 && !(sans as readonly string[]).includes('URI:b'), JSON.stringify(sans))
    }
  })

  void t.test('reads back what is written the way Node writes it, and nothing else throws', async () => {
    const entry = fc.record({ type: fc.constantFrom('URI', 'DNS', 'email', 'IP Address'), value: fc.string() })
    fc.assert(fc.property(fc.array(entry), (entries) => {
      const text = entries.map(({ type, value }) => `${type}:${/^[^",\\']*$/.test(value) ? value : JSON.stringify(value)}`).join(', ')
      return JSON.stringify(parseSubjectAltName(text)) === JSON.stringify(entries.map(({ type, value }) => `${type}:${value}`))
    }), { numRuns: NUM_RUNS })
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom('URI:', ', ', '"', '\\', 'a', '\n', ':', ',') }), (text) => Array.isArray(parseSubjectAltName(text))), { numRuns: NUM_RUNS })
  })
})

void t.test('readIdentity names the key and not the certificate: a renewed one is the same client', async (t) => {
  const certificate = new X509Certificate(pki.clients['release-bot'].cert)
  const identity = readIdentity(certificate)
  t.strictSame(identity.sans, ['URI:urn:example:release-bot'])
  t.match(identity.spkiSha256, /^[0-9a-f]{64}$/)
  t.match(identity.serial, /^[0-9a-f]+$/)
  t.equal(identity.notAfter.getTime(), new Date(certificate.validTo).getTime())
  t.not(identity.spkiSha256, readIdentity(new X509Certificate(pki.clients.auditor.cert)).spkiSha256)
})

void t.test('identityOf', async (t) => {
  const material: TlsMaterial = { cert: pki.server.cert, key: pki.server.key, clientCa: pki.server.ca, crl: pki.crl }

  async function peer(client: Readonly<{ cert?: string; key?: string }>, options: TlsOptions = {}): Promise<TLSSocket> {
    const server = createServer({ ...tlsOptions(material, 1000), ...options })
    t.teardown(() => server.close())
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>
    const socket = connect({ ...client, ca: pki.server.ca, host: '127.0.0.1', port: (server.address() as AddressInfo).port })
    socket.on('error', () => undefined)
    t.teardown(() => socket.destroy())
    return (await accepted)[0]
  }

  void t.test('reads the certificate of a connection once', async (t) => {
    const socket = await peer({ cert: pki.clients['release-bot'].cert, key: pki.clients['release-bot'].key })
    const identity = identityOf(socket)
    t.match(identity, { sans: ['URI:urn:example:release-bot'] })
    t.equal(identityOf(socket), identity)
    t.notOk(isAuthority(socket))
    const [again, other] = [await peer(pki.clients['release-bot']), await peer(pki.clients.auditor)]
    t.equal(identityOf(again), identity, 'the same certificate on another connection is not parsed again')
    t.match(identityOf(other), { sans: ['URI:urn:example:auditor'] })
    t.equal(socket.getProtocol(), 'TLSv1.3')
    t.equal(socket.alpnProtocol, false)
  })

  void t.test('is undefined for a peer that TLS did not accept, or that shows nothing', async (t) => {
    for (const client of [{ cert: pki.clients.impostor.cert, key: pki.clients.impostor.key }, { cert: pki.clients.expired.cert, key: pki.clients.expired.key }, {}]) {
      const socket = await peer(client, { rejectUnauthorized: false })
      t.equal(identityOf(socket), undefined)
      t.notOk(isAuthority(socket))
    }
  })
})

void t.test('of values by name the newest are kept', async (t) => {
  const newest = createNewest<number>(2)
  for (const [name, value] of [['a', 1], ['b', 2], ['a', 3], ['c', 4]] as const) newest.set(name, value)
  t.strictSame(['a', 'b', 'c'].map((name) => newest.get(name)), [undefined, 2, 4])
})

void t.test('tlsOptions demand TLS 1.3 and a certificate', async (t) => {
  const material = { cert: 'c', key: 'k', clientCa: 'a' }
  t.strictSame(tlsOptions(material, 5), { cert: 'c', key: 'k', ca: 'a', requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3', handshakeTimeout: 5, ALPNProtocols: ['http/1.1'] })
  t.match(tlsOptions({ ...material, crl: 'r' }, 5), { crl: 'r' })
})

void t.test('checkTls says which material does not fit together', async (t) => {
  const good: TlsMaterial = { cert: pki.server.cert, key: pki.server.key, clientCa: pki.server.ca, crl: pki.crl }
  t.equal(checkTls(good), undefined)
  for (const [name, change, message] of [
    ['another key', { key: pki.clients.auditor.key }, 'tls.key is not the key of the first certificate in tls.cert'], ['a key of another kind', { key: rsaKeyPair().pem }, 'tls.key is not the key of the first certificate in tls.cert'],
    ['no key', { key: 'x' }, /^the server cannot use tls\.cert with tls\.key: ERR_/], ['no certificate', { cert: 'x' }, /^the server cannot use tls\.cert with tls\.key: ERR_/],
  ] as const) t.throws(() => checkTls({ ...good, ...change }), { message }, name)
})
