import 'reflect-metadata'
import { PemConverter, X509CrlGenerator } from '@peculiar/x509'
import { webcrypto } from 'node:crypto'
import t from 'tap'
import { createAuthority, issueCrl, issueServer } from '../../../certs/pki.ts'
import { readValidity } from '../../../server/identity/validity.ts'

const early = new Date('2031-02-03T04:05:06Z')
const late = new Date('2032-03-04T05:06:07Z')
const thisUpdate = new Date('2026-01-01T00:00:00Z')

const authority = await createAuthority({ name: 'one', notAfter: late })
const otherAuthority = await createAuthority({ name: 'two', notAfter: early })
const server = await issueServer(authority, { sans: [{ type: 'dns', value: 'localhost' }], notAfter: early })
const lateCrl = await issueCrl(authority, { revoked: ['0a'], thisUpdate, nextUpdate: late })
const earlyCrl = await issueCrl(otherAuthority, { revoked: [], thisUpdate, nextUpdate: early })

void t.test('readValidity returns when the server certificate, the client CA and the CRL expire', async (t) => {
  t.strictSame(readValidity({ certPem: server.certificatePem, clientCaPem: authority.certificatePem, crlPem: lateCrl }), {
    serverNotAfter: early,
    clientCaNotAfter: late,
    crlNextUpdate: late,
  })
})

void t.test('readValidity has no crlNextUpdate without a CRL', async (t) => {
  t.strictSame(readValidity({ certPem: authority.certificatePem, clientCaPem: authority.certificatePem }), { serverNotAfter: late, clientCaNotAfter: late })
})

void t.test('readValidity returns the earliest date of several blocks, wherever it stands', async (t) => {
  for (const [certPem, crlPem] of [[authority.certificatePem + server.certificatePem, lateCrl + earlyCrl], [server.certificatePem + authority.certificatePem, earlyCrl + lateCrl]]) {
    const validity = readValidity({ certPem: `# chain\n${certPem}`, clientCaPem: authority.certificatePem + otherAuthority.certificatePem, crlPem })
    t.strictSame(validity, { serverNotAfter: early, clientCaNotAfter: early, crlNextUpdate: early })
  }
})

void t.test('readValidity refuses what it cannot read and says which text it was', async (t) => {
  const good = { certPem: server.certificatePem, clientCaPem: authority.certificatePem, crlPem: lateCrl }
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  const hostile: [string, Partial<typeof good>, RegExp][] = [
    ['an empty certificate', { certPem: '' }, /^the server certificate has no PEM block "BEGIN CERTIFICATE"$/],
    ['a key for a certificate', { certPem: server.privateKeyPem }, /^the server certificate has no PEM block/],
    ['a broken second block', { certPem: server.certificatePem + broken }, /^the server certificate has a PEM block that cannot be read$/],
    ['a broken CA', { clientCaPem: broken }, /^the client CA has a PEM block that cannot be read$/],
    ['a CRL with the label that Node does not read', { crlPem: lateCrl.replaceAll('X509 CRL', 'CRL') }, /^the revocation list has no PEM block "BEGIN X509 CRL"$/],
    ['a certificate for a CRL', { crlPem: server.certificatePem.replaceAll('CERTIFICATE', 'X509 CRL') }, /^the revocation list has a PEM block that cannot be read$/],
    ['a cut CRL', { crlPem: lateCrl.replace(/\n[^\n]+\n-----END/, '\n-----END') }, /^the revocation list has a PEM block that cannot be read$/],
  ]
  for (const [name, change, message] of hostile) t.throws(() => readValidity({ ...good, ...change }), { message }, name)
})

void t.test('readValidity has no crlNextUpdate when the CRL names none', async (t) => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const { privateKey } = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  // RFC 5280 demands nextUpdate, so certs/pki.ts makes no list without one; other authorities do.
  const crl = await X509CrlGenerator.create({ issuer: 'CN=test', thisUpdate, signingAlgorithm: algorithm, signingKey: privateKey })
  const crlPem = PemConverter.encode(crl.rawData, 'X509 CRL')
  t.notOk('crlNextUpdate' in readValidity({ certPem: server.certificatePem, clientCaPem: authority.certificatePem, crlPem }))
})
