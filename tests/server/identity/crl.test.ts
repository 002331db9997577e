import 'reflect-metadata'
import { generateKeyPairSync, webcrypto, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import * as fc from 'fast-check'
import t from 'tap'
import { createAuthority, issueClient, issueCrl } from '../../../certs/pki.ts'
import { BerError } from '../../../server/asn1/ber.ts'
import { isInForce, parseCrl, readCrls, serialOf, subjectOf } from '../../../server/identity/crl.ts'
import { count } from '../../helpers/full-size.ts'

const authority = await createAuthority({ name: 'one' })
const certificate = new X509Certificate(authority.certificatePem)
const [thisUpdate, nextUpdate] = [new Date('2026-01-02T03:04:05Z'), new Date('2026-02-03T04:05:06Z')]
const good = await issueCrl(authority, { revoked: ['0a', '00ff01', '7fffffffffffffffffffffffffffffff'], thisUpdate, nextUpdate })
const derOf = (pem: string): Buffer => Buffer.from(x509.PemConverter.decodeFirst(pem))
const der = derOf(good)

type Algorithm = Readonly<{ name: string; hash?: string; namedCurve?: string; saltLength?: number }>

/** A list of the authority `CN=one` with keys of its own, and a certificate of that authority. */
async function listWith(algorithm: Algorithm, keyParameters: object = {}): Promise<Readonly<{ pem: string; issuer: X509Certificate }>> {
  const keys = (await webcrypto.subtle.generateKey({ ...algorithm, ...keyParameters }, true, ['sign', 'verify'])) as unknown as webcrypto.CryptoKeyPair
  const list = await x509.X509CrlGenerator.create({ issuer: 'CN=one', thisUpdate, signingAlgorithm: algorithm as never, signingKey: keys.privateKey })
  const issuer = await x509.X509CertificateGenerator.createSelfSigned({ name: 'CN=one', keys, signingAlgorithm: algorithm as never })
  return { pem: x509.PemConverter.encode(list.rawData, 'X509 CRL'), issuer: new X509Certificate(Buffer.from(issuer.rawData)) }
}

void t.test('a revocation list is read as its authority wrote it', async (t) => {
  const lists = readCrls(`# comment\n${good}${good}`)
  t.equal(lists.length, 2)
  for (const list of lists) {
    t.match(list, { issuer: subjectOf(certificate), thisUpdate, nextUpdate })
    t.strictSame([...list.serials], ['a', 'ff01', '7fffffffffffffffffffffffffffffff'])
    t.equal(list.isSignedBy(certificate), true)
    t.equal(list.isSignedBy(new X509Certificate((await createAuthority({ name: 'one' })).certificatePem)), false)
  }
  const client = await issueClient(authority, { name: 'bot', sans: [] })
  t.equal(serialOf(new X509Certificate(client.certificatePem)), client.serialHex.replace(/^0+/, ''))
  t.equal(serialOf({ serialNumber: '00' }), '0')
  t.strictSame([...(readCrls(await issueCrl(authority, { revoked: [], thisUpdate, nextUpdate }))[0]?.serials ?? [])], [])
})

void t.test('a list is signed as OpenSSL lets authorities sign, and what is not known is left to it', async (t) => {
  const rsa = { publicExponent: new Uint8Array([1, 0, 1]), modulusLength: 2048 }
  const rows: readonly (readonly [Algorithm, object?])[] = [
    [{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, rsa], [{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' }, rsa],
    [{ name: 'ECDSA', hash: 'SHA-384', namedCurve: 'P-384' }], [{ name: 'Ed25519' }],
  ]
  for (const [algorithm, parameters] of rows) {
    const { pem, issuer } = await listWith(algorithm, parameters)
    const [list] = readCrls(pem)
    t.equal(list?.isSignedBy(issuer), true, JSON.stringify(algorithm))
    t.equal(list?.isSignedBy(certificate), false, JSON.stringify(algorithm))
    t.notOk('nextUpdate' in (list ?? {}))
  }
  const edwards = await listWith({ name: 'Ed25519' })
  t.equal(readCrls(good)[0]?.isSignedBy(edwards.issuer), false)
  const unknown = Buffer.from(der)
  // The last byte of both object identifiers: ecdsa-with-SHA256 becomes something else.
  for (let at = unknown.indexOf('2a8648ce3d040302', 0, 'hex'); at !== -1; at = unknown.indexOf('2a8648ce3d040302', at, 'hex')) unknown[at + 7] = 0x7f
  t.equal(parseCrl(unknown).isSignedBy(certificate), true)
  t.equal(generateKeyPairSync('ed25519').publicKey.asymmetricKeyType, 'ed25519')
})

void t.test('times have two digits of the year until 2049, and four after it', async (t) => {
  for (const [from, to] of [['1999-12-31T23:59:59Z', '2049-12-31T23:59:59Z'], ['2026-01-01T00:00:00Z', '2050-01-01T00:00:00Z']] as const) {
    const [list] = readCrls(await issueCrl(authority, { revoked: [], thisUpdate: new Date(from), nextUpdate: new Date(to) }))
    t.match(list, { thisUpdate: new Date(from), nextUpdate: new Date(to) })
  }
  t.strictSame([new Date('2026-01-02T03:04:04Z'), thisUpdate, new Date(nextUpdate.getTime() - 1), nextUpdate].map((now) => isInForce({ thisUpdate, nextUpdate }, now)), [false, true, true, false])
  t.equal(isInForce({ thisUpdate }, new Date('2999-01-01T00:00:00Z')), true)
})

/** An element of DER with less than 128 bytes. */
function element(tag: number, ...parts: readonly Buffer[]): Buffer<ArrayBuffer> {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag, content.length]), content])
}

const [NUMBER, NAME, ALGORITHM, TIME] = [element(2, Buffer.from([7])), element(0x30), element(0x30, element(6, Buffer.from('2b6570', 'hex'))), element(0x17, Buffer.from('260102030405Z'))]

function listOf(...members: readonly Buffer[]): Buffer {
  return element(0x30, element(0x30, ...members), ALGORITHM, element(3, Buffer.alloc(9)))
}

void t.test('what may be left away is left away, and nothing else stands anywhere', async (t) => {
  t.match(parseCrl(listOf(ALGORITHM, NAME, TIME)), { issuer: '3000', thisUpdate })
  const entry = element(0x30, NUMBER, TIME)
  t.strictSame([...parseCrl(listOf(NUMBER, ALGORITHM, NAME, TIME, TIME, element(0x30, entry), element(0xa0))).serials], ['7'])
  t.strictSame([...parseCrl(listOf(NUMBER, ALGORITHM, NAME, TIME, element(0x30, entry))).serials], ['7'])
  const hostile = [
    listOf(ALGORITHM, NAME), listOf(ALGORITHM, NAME, TIME, element(4), element(0x30, entry)), listOf(ALGORITHM, NAME, TIME, element(0x30), element(0x30, entry)), listOf(ALGORITHM, NAME, TIME, element(0x30, element(0x30))),
    listOf(NAME, NAME, TIME), element(0x30, element(0x30, ALGORITHM, NAME, TIME), ALGORITHM, element(3)), element(0x31, element(0x30, ALGORITHM, NAME, TIME), ALGORITHM, element(3, Buffer.alloc(9))),
  ]
  for (const bytes of hostile) t.throws(() => parseCrl(bytes), { name: 'BerError' }, bytes.toString('hex'))
  t.equal(subjectOf({ raw: element(0x30, element(0x30, NUMBER, ALGORITHM, NAME, element(0x30), element(0x30, NUMBER))) }), element(0x30, NUMBER).toString('hex'), 'the first version of certificates says none')
})

void t.test('what is no revocation list is refused, whatever it is', async (t) => {
  const time = der.indexOf('260102030405Z')
  const changed = (at: number, text: string): Buffer => {
    const bytes = Buffer.from(der)
    bytes.write(text, at, 'latin1')
    return bytes
  }
  const rows: readonly (readonly [string, Buffer])[] = [
    ['nothing', Buffer.alloc(0)], ['a certificate', certificate.raw], ['a thirteenth month', changed(time, '2613')], ['a time without its end', changed(time + 12, '0')], ['letters', changed(time, 'ab')],
    ['another kind of time', changed(time - 2, '\u0004')], ['bytes behind it', Buffer.concat([der, Buffer.alloc(1)])],
  ]
  for (const [name, bytes] of rows) t.throws(() => parseCrl(bytes), { name: 'BerError' }, name)
  for (let length = 0; length < der.length; length += 1) t.throws(() => parseCrl(der.subarray(0, length)), { name: 'BerError' })
  t.throws(() => readCrls(good.replaceAll('X509 CRL', 'CRL')), { message: 'the revocation list has no PEM block "BEGIN X509 CRL"' })
  t.throws(() => readCrls(good.replace(/\n[^\n]+\n-----END/, '\n-----END')), { message: 'the revocation list has a PEM block that cannot be read' })
})

void t.test('changed bytes give a list or a BerError, and never a signature that verifies', async () => {
  const change = fc.record({ at: fc.nat({ max: der.length - 1 }), byte: fc.integer({ min: 0, max: 255 }) })
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      const bytes = Buffer.from(der)
      for (const { at, byte } of changes) bytes[at] = byte
      try {
        const isSigned = parseCrl(bytes).isSignedBy(certificate)
        return !isSigned || bytes.equals(der)
      } catch (error) {
        return error instanceof BerError
      }
    }),
    { numRuns: count(300, 20_000) },
  )
})
