import 'reflect-metadata'
import { webcrypto, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import t from 'tap'
import { createAuthority, issueClient, issueCrl, issueServer } from '../../../certs/pki.ts'
import { renewalFaults } from '../../../server/identity/renewal.ts'
import { createStanding } from '../../../server/identity/standing.ts'

const DAY_MS = 86_400_000
// Certificates hold from the second on in which they are made.
const NOW = new Date(Date.now() + 60_000)
const inDays = (days: number): Date => new Date(NOW.getTime() + days * DAY_MS)

const one = await createAuthority({ name: 'one' })
// The same name, another key.
const other = await createAuthority({ name: 'one' })
const two = await createAuthority({ name: 'two', notAfter: inDays(10) })
const client = await issueClient(one, { name: 'bot', sans: [], notAfter: inDays(5) })
const listOf = async (authority = one, revoked: readonly string[] = [], [from, to]: readonly [number, number] = [-1, 30]): Promise<string> => await issueCrl(authority, { revoked, thisUpdate: inDays(from), nextUpdate: inDays(to) })
const certificate = new X509Certificate(client.certificatePem)

void t.test('a certificate stands as long as OpenSSL would let it in', async (t) => {
  const stands = (clientCa: string, crl: string | undefined, now = NOW, of = certificate): boolean => createStanding({ clientCa, ...(crl === undefined ? {} : { crl }) })(of, now)
  const rows: readonly (readonly [string, boolean, boolean])[] = [
    ['without lists', stands(one.certificatePem, undefined), true],
    ['among several authorities', stands(two.certificatePem + one.certificatePem, undefined), true],
    ['with another authority', stands(two.certificatePem, undefined), false],
    ['with another key of the same name', stands(other.certificatePem, undefined), false],
    ['when it has expired', stands(one.certificatePem, undefined, inDays(6)), false],
    ['when it is not valid yet', stands(one.certificatePem, undefined, inDays(-1)), false],
    ['with a list that does not name it', stands(one.certificatePem, await listOf(one, ['0a'])), true],
    ['with a list that revokes it', stands(one.certificatePem, await listOf(one, [client.serialHex])), false],
    ['with a list of somebody else', stands(one.certificatePem, await listOf(two)), false],
    ['with a list that has expired', stands(one.certificatePem, await listOf(one, [], [-3, -1])), false],
    ['with a list that is not in force yet', stands(one.certificatePem, await listOf(one, [], [1, 3])), false],
    ['with one list that is in force and one that has expired and revokes it', stands(one.certificatePem, (await listOf()) + (await listOf(one, [client.serialHex], [-3, -1]))), false],
  ]
  for (const [name, found, want] of rows) t.equal(found, want, name)
  const late = new X509Certificate((await issueClient(two, { name: 'late', sans: [], notAfter: inDays(20) })).certificatePem)
  t.equal(stands(two.certificatePem, undefined, NOW, late), true)
  t.equal(stands(two.certificatePem, undefined, inDays(15), late), false, 'its authority has expired')
})

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** A chain of authorities of this length above a certificate, whose issuers it came with. */
async function chainOf(length: number): Promise<Readonly<{ root: string; leaf: X509Certificate }>> {
  let issuer: { name: string; keys: webcrypto.CryptoKeyPair } | undefined
  const made: x509.X509Certificate[] = []
  for (let index = 0; index <= length; index += 1) {
    const [name, keys] = [`CN=link ${index}`, await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])]
    const { name: issuerName, keys: issuerKeys } = issuer ?? { name, keys }
    made.push(await x509.X509CertificateGenerator.create({ serialNumber: `0${index + 1}`, subject: name, issuer: issuerName, notBefore: inDays(-1), notAfter: inDays(10), publicKey: keys.publicKey, signingKey: issuerKeys.privateKey, signingAlgorithm: ALGORITHM, extensions: [new x509.BasicConstraintsExtension(index < length, undefined, true)] }))
    issuer = { name, keys }
  }
  const [root, ...links] = made.map((link) => new X509Certificate(Buffer.from(link.rawData)))
  // What TLS hands over: each certificate with the one that came with it as its issuer.
  for (const [index, link] of links.entries()) Object.defineProperty(link, 'issuerCertificate', { value: links[index - 1] })
  return { root: (root as X509Certificate).toString(), leaf: links.at(-1) as X509Certificate }
}

void t.test('a certificate stands by way of the issuers that came with it, up to eight', async (t) => {
  for (const [length, want] of [[2, true], [8, true], [9, false]] as const) {
    const { root, leaf } = await chainOf(length)
    t.equal(createStanding({ clientCa: root })(leaf, NOW), want, `${length}`)
  }
})

void t.test('TLS material is renewed only by what lets somebody in', async (t) => {
  const server = await issueServer(one, { sans: [{ type: 'dns', value: 'localhost' }], notAfter: inDays(20) })
  const good = { cert: server.certificatePem, key: server.privateKeyPem, clientCa: one.certificatePem, crl: await listOf() }
  const { crl: _crl, ...withoutList } = good
  const faults = async (change: Partial<typeof good>, now = NOW): Promise<readonly string[]> => renewalFaults({ ...good, ...change }, now)
  t.strictSame(await faults({}), [])
  t.strictSame(renewalFaults(withoutList, NOW), [])
  t.strictSame(await faults({ clientCa: one.certificatePem + two.certificatePem, crl: good.crl + (await listOf(two)) }), [])
  const expired = await createAuthority({ name: 'expired', notAfter: inDays(-1), notBefore: inDays(-2) })
  const rows: readonly (readonly [string, readonly string[], readonly RegExp[]])[] = [
    ['a key of another certificate', await faults({ key: client.privateKeyPem }), [/^tls\.key is not the key of the first certificate in tls\.cert$/]],
    ['no certificate', await faults({ cert: 'nothing' }), [/^the server certificate has no PEM block "BEGIN CERTIFICATE"$/]],
    ['a list that cannot be read', await faults({ crl: 'nothing' }), [/^the revocation list has no PEM block "BEGIN X509 CRL"$/]],
    ['a certificate that has expired', await faults({}, inDays(21)), [/^tls\.cert: the certificate of CN=localhost expired at /]],
    ['a certificate that is not valid yet', renewalFaults({ ...withoutList, clientCa: (await createAuthority({ name: 'old', notBefore: inDays(-9) })).certificatePem }, inDays(-5)), [/^tls\.cert: the certificate of CN=localhost is not valid before /]],
    ['an authority that has expired', renewalFaults({ ...withoutList, clientCa: expired.certificatePem }, NOW), [/^tls\.clientCa: the certificate of CN=expired expired at /]],
    ['a list that has expired', await faults({ crl: await listOf(one, [], [-3, -1]) }), [/^tls\.crl: a revocation list expired at /]],
    ['a list that is not in force yet', await faults({ crl: await listOf(one, [], [1, 3]) }), [/^tls\.crl: a revocation list begins at /]],
    ['an authority without a list', await faults({ clientCa: one.certificatePem + two.certificatePem }), [/^tls\.crl: there is no revocation list that CN=two has signed$/]],
    ['a list that another key has signed', await faults({ crl: await listOf(other) }), [/^tls\.crl: there is no revocation list that CN=one has signed$/]],
    ['a list with a signature of another kind', await faults({ crl: await foreignList() }), [/^tls\.crl: there is no revocation list that CN=one has signed$/]],
    ['several at once', await faults({ crl: await listOf(two, [], [-3, -1]) }, inDays(21)), [/^tls\.cert: /, /expired at/, /CN=one/]],
  ]
  for (const [name, found, want] of rows) {
    t.equal(found.length, want.length, `${name}: ${found.join(' ')}`)
    for (const [index, pattern] of want.entries()) t.match(found[index], pattern, name)
  }
})

/** A list that names the authority `one`, of an RSA key, without a next update. */
async function foreignList(): Promise<string> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]), modulusLength: 2048 }
  const { privateKey } = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const list = await x509.X509CrlGenerator.create({ issuer: 'CN=one', thisUpdate: inDays(-1), signingAlgorithm: algorithm, signingKey: privateKey })
  return x509.PemConverter.encode(list.rawData, 'X509 CRL')
}
