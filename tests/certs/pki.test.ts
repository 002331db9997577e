import 'reflect-metadata'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createServer, connect } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { X509Crl } from '@peculiar/x509'
import t from 'tap'
import { AUTHORITY_DAYS, createAuthority, issueClient, issueCrl, issueServer, LEAF_DAYS } from '../../certs/pki.ts'
import type { Authority, Issued } from '../../certs/pki.ts'

const DAY_MS = 86_400_000
const now = new Date('2026-11-24T12:00:00.900Z')

/** Extensions of a certificate: object identifier → critical, from the DER itself. */
function extensions(issued: Issued): Record<string, boolean> {
  const names: Record<string, string> = {
    '0603551d13': 'basicConstraints', '0603551d0f': 'keyUsage', '0603551d25': 'extKeyUsage', '0603551d11': 'subjectAltName',
    '0603551d0e': 'subjectKeyIdentifier', '0603551d23': 'authorityKeyIdentifier'
  }
  const der = new X509Certificate(issued.certificatePem).raw.toString('hex')
  const found = Object.entries(names).flatMap(([oid, name]) => {
    const at = der.indexOf(oid)
    return at < 0 ? [] : [[name, der.slice(at + oid.length, at + oid.length + 6) === '0101ff'] as const]
  })
  return Object.fromEntries(found)
}

void t.test('createAuthority answers a self-signed P-256 root that may sign certificates and CRLs', async (t) => {
  const issued = await createAuthority({ name: 'Example, CN=other CA', notBefore: now })
  const certificate = new X509Certificate(issued.certificatePem)
  t.equal(certificate.ca, true)
  t.equal(certificate.verify(certificate.publicKey), true)
  t.equal(certificate.subject, String.raw`CN=Example\, CN=other CA`, 'a comma in the name makes no second attribute')
  t.equal(certificate.subject, certificate.issuer)
  t.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  t.strictSame(extensions(issued), { basicConstraints: true, keyUsage: true, subjectKeyIdentifier: false, authorityKeyIdentifier: false })
  t.match(issued.privateKeyPem, /^-----BEGIN PRIVATE KEY-----\n[\s\S]+\n-----END PRIVATE KEY-----\n$/)
  t.equal(certificate.checkPrivateKey(createPrivateKey(issued.privateKeyPem)), true)
  t.equal(certificate.validFromDate.toISOString(), '2026-11-24T12:00:00.000Z', 'times are whole seconds')
  t.equal(certificate.validToDate.getTime() + 1000 - certificate.validFromDate.getTime(), AUTHORITY_DAYS * DAY_MS)
})

void t.test('issueServer answers a certificate for serverAuth with every SAN, signed by the authority', async (t) => {
  const authority = await createAuthority({ name: 'CA' })
  const issued = await issueServer(authority, { sans: [{ type: 'dns', value: 'sign.example' }, { type: 'ip', value: '192.0.2.7' }, { type: 'ip', value: '2001:db8::7' }] })
  const certificate = new X509Certificate(issued.certificatePem)
  const root = new X509Certificate(authority.certificatePem)
  t.equal(certificate.ca, false)
  t.equal(certificate.checkIssued(root) && certificate.verify(root.publicKey), true)
  t.equal(certificate.subjectAltName, 'DNS:sign.example, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7')
  t.strictSame(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  t.equal(certificate.checkHost('sign.example'), 'sign.example')
  t.equal(certificate.checkIP('2001:db8::7'), '2001:db8::7')
  t.equal(certificate.validToDate.getTime() + 1000 - certificate.validFromDate.getTime(), LEAF_DAYS * DAY_MS)
  t.strictSame(extensions(issued), {
    basicConstraints: true, keyUsage: true, extKeyUsage: false, subjectAltName: false, subjectKeyIdentifier: false, authorityKeyIdentifier: false
  })
})

void t.test('issueClient answers a certificate with the SANs, usages and time asked for', async (t) => {
  const authority = await createAuthority({ name: 'CA' })
  const notAfter = new Date('2026-11-25T12:00:00Z')
  const issued = await issueClient(authority, {
    name: 'Ünit builder',
    sans: [{ type: 'uri', value: 'urn:example:a' }, { type: 'email', value: 'a@example.org' }, { type: 'dns', value: 'a.example' }],
    notBefore: now,
    notAfter
  })
  const certificate = new X509Certificate(issued.certificatePem)
  t.equal(certificate.subject, 'CN=Ünit builder')
  t.equal(certificate.subjectAltName, 'URI:urn:example:a, email:a@example.org, DNS:a.example')
  t.strictSame(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2'])
  t.strictSame(certificate.validToDate, notAfter)
  const both = await issueClient(authority, { name: 'both', sans: [], extendedKeyUsage: ['clientAuth', 'serverAuth'] })
  t.strictSame(new X509Certificate(both.certificatePem).keyUsage, ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1'])
  t.notOk('subjectAltName' in extensions(both), 'no names, no extension')
})

void t.test('serial numbers are sixteen bytes, positive, and never the same', async (t) => {
  const authority = await createAuthority({ name: 'CA' })
  const serials = [authority.serialHex]
  for (let run = 0; run < 20; run++) {
    const issued = await issueClient(authority, { name: 'a', sans: [] })
    t.equal(new X509Certificate(issued.certificatePem).serialNumber.toLowerCase(), issued.serialHex)
    serials.push(issued.serialHex)
  }
  t.equal(new Set(serials).size, serials.length)
  t.ok(serials.every((serial) => /^[4-7][0-9a-f]{31}$/.test(serial)))
})

void t.test('issueCrl answers a list that names the revoked serials, its times and a growing number', async (t) => {
  const authority = await createAuthority({ name: 'CA' })
  const numbers = []
  for (const thisUpdate of [now, new Date('2036-01-01T00:00:00Z'), new Date('2045-01-01T00:00:00Z')]) {
    const text = await issueCrl(authority, { revoked: ['40ab', '7f00'], thisUpdate, nextUpdate: new Date('2046-01-01T00:00:00Z') })
    t.match(text, /^-----BEGIN X509 CRL-----\n[\s\S]+\n-----END X509 CRL-----\n$/)
    const crl = new X509Crl(text)
    t.strictSame(crl.entries.map((entry) => entry.serialNumber), ['40ab', '7f00'])
    t.equal(crl.thisUpdate.getTime(), Math.floor(thisUpdate.getTime() / 1000) * 1000)
    t.equal(crl.nextUpdate?.toISOString(), '2046-01-01T00:00:00.000Z')
    numbers.push(Buffer.from(crl.getExtension('2.5.29.20')?.value ?? new ArrayBuffer()).toString('hex'))
  }
  // Seconds of the epoch; the last has its top bit set, so DER wants a zero in front.
  t.strictSame(numbers, ['02046b057c40', '02047c245f00', '0205008d132300'])
})

/** Whether a TLS server that trusts this authority and this CRL lets the client in. */
async function connects(authority: Authority, crl: string, client: Issued): Promise<boolean> {
  const server = await issueServer(authority, { sans: [{ type: 'dns', value: 'localhost' }] })
  const listener = createServer({
    cert: server.certificatePem, key: server.privateKeyPem, ca: authority.certificatePem, crl, requestCert: true, rejectUnauthorized: true
  }, (socket) => socket.end('in')).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const socket = connect({
    port: (listener.address() as AddressInfo).port, host: '127.0.0.1', servername: 'localhost',
    cert: client.certificatePem, key: client.privateKeyPem, ca: authority.certificatePem
  }).on('error', () => {})
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  await new Promise((resolve) => { socket.once('close', resolve) })
  listener.close()
  return text === 'in'
}

void t.test('a client gets in under an empty CRL and no more under the next one, which names it', async (t) => {
  const authority = await createAuthority({ name: 'CA' })
  const client = await issueClient(authority, { name: 'a', sans: [{ type: 'uri', value: 'urn:example:a' }] })
  const times = { thisUpdate: new Date(Date.now() - 1000), nextUpdate: new Date(Date.now() + DAY_MS) }
  t.equal(await connects(authority, await issueCrl(authority, { revoked: [], ...times }), client), true)
  t.equal(await connects(authority, await issueCrl(authority, { revoked: [client.serialHex], ...times }), client), false)
})

void t.test('an authority is refused without its private key', async (t) => {
  const authority = await createAuthority({ name: 'CA' })
  await t.rejects(issueClient({ certificatePem: authority.certificatePem, privateKeyPem: authority.certificatePem }, { name: 'a', sans: [] }))
})
