import { createHash, generateKeyPairSync, sign as signWithNode } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import type { Key } from '../../../server/schemas/key.ts'
import type { Warning } from '../../../server/schemas/sign.ts'
import { OPERATIONS } from '../../../server/schemas/whoami.ts'
import { clientNamed, buildTestApp, makeApp } from '../../helpers/app.ts'
import { clientOf, problemIn, type Client } from '../../helpers/client.ts'
import { startInProcess } from '../../helpers/in-process.ts'
import { putPackage } from '../../helpers/packages.ts'
import { issueSelfSigned } from '../../helpers/self-signed.ts'
import { openedKey, rsaKeyPair } from '../../helpers/signables.ts'

const DAY_MS = 86_400_000
const inDays = (days: number) => new Date(Math.floor(Date.now() / 1000) * 1000 + days * DAY_MS).toISOString().replace('.000', '')
const pair = rsaKeyPair()
const ed25519 = generateKeyPairSync('ed25519')
const CERTIFICATE = await issueSelfSigned(pair)

type Scene = Readonly<{ client: Client; adminUrl: string; root: string; logs: readonly Readonly<Record<string, unknown>>[] }>

/** A server with keys of one pair each in another state, of which the client may use those that are named. */
async function scene(t: Test, lives: Readonly<Record<string, object>>, usable = Object.keys(lives)): Promise<Scene> {
  const running = await startInProcess(t, {}, ({ folder }) => {
    writeFileSync(join(folder, 'rsa.pem'), pair.pem, { mode: 0o600 })
    writeFileSync(join(folder, 'ed25519.pem'), ed25519.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    writeFileSync(join(folder, 'certificate.pem'), CERTIFICATE)
    return {
      keys: Object.entries(lives).map(([keyid, life]) => ({ keyid, kind: 'file', path: 'rsa.pem', ...life })),
      clients: [{ name: 'release-bot', match: { san: 'URI:urn:example:release-bot' }, allow: [...OPERATIONS], keys: usable, roots: ['nim'], digestOnly: true }],
    }
  })
  return { client: await clientOf(t, running.url), adminUrl: running.adminUrl, root: running.place.root, logs: running.logs }
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

void test('a key that is not in use signs nothing, in any way, and says why', async (t) => {
  const successor = '1'
  const { client, root, adminUrl } = await scene(t, {
    '1': {}, '2': { state: 'retired', successor }, '3': { state: 'revoked' }, '4': { notAfter: inDays(-1), successor }, '5': { notBefore: inDays(1) }, '6': { state: 'retiring', successor },
  })
  const path = putPackage(root)
  const digest = { digest: { sha256: '0'.repeat(64) }, sizeBytes: 1, filename: 'x' }
  for (const [keyid, code, detail] of [['2', 'KEY_RETIRED', 'key 2 is retired; its successor is 1'], ['3', 'KEY_REVOKED', 'key 3 is revoked'], ['4', 'KEY_EXPIRED', /^key 4 ended at .+Z; its successor is 1$/], ['5', 'KEY_NOT_YET_VALID', /^key 5 begins at .+Z$/]] as const) {
    const want = { status: 422, code, detail, retryable: code === 'KEY_NOT_YET_VALID' }
    t.match(problemIn(await client.trySign({ path, keyid })), want, 'a path')
    t.match(problemIn(await client.trySign({ ...digest, keyid })), want, 'a digest')
    t.match(problemIn(await client.trySign({ items: [digest], keyid })), want, 'digests')
    t.match(problemIn(await client.upload({ filename: 'x.bff', keyid }, readFileSync(path))), want, 'an upload')
  }
  t.match(await client.sign({ path, keyid: '6' }), { signatures: { 'PkgA.1.0.0.0.bff': { keyid: '6' } }, warnings: [{ code: 'KEY_RETIRING', detail: 'key 6 is being retired; its successor is 1' }] })
  t.match(await client.sign({ path, keyid: '1' }), { signatures: { 'PkgA.1.0.0.0.bff': { keyid: '1', also: [{ keyid: '6' }] } }, warnings: [{ code: 'KEY_RETIRING' }] })
  t.match(await client.sign({ path }), { signatures: { 'PkgA.1.0.0.0.bff': { keyid: '6' } } }, 'of two that sign the one that the other follows')
  const { checks } = JSON.parse((await (await clientOf(t, adminUrl)).ask('/health/ready')).text) as { checks: object }
  t.strictSame(Object.keys(checks).filter((name) => name.startsWith('key ')), ['key 1', 'key 4', 'key 5', 'key 6'], 'a key that is put away is not needed to be ready')
})

void test('whoever names no key gets the only one that signs, and the reason when none does', async (t) => {
  const changed = await scene(t, { '1': { state: 'retired' }, '2': {}, '3': { state: 'revoked' } })
  t.match(await changed.client.sign({ path: putPackage(changed.root) }), { signatures: { 'PkgA.1.0.0.0.bff': { keyid: '2' } } })
  const over = await scene(t, { '1': { state: 'revoked' } })
  t.match(problemIn(await over.client.trySign({ path: putPackage(over.root) })), { code: 'KEY_REVOKED' })
  const several = await scene(t, { '1': { state: 'revoked' }, '2': { state: 'retired' } })
  t.match(problemIn(await several.client.trySign({ path: putPackage(several.root) })), { code: 'KEYID_REQUIRED' })
  const others = await scene(t, { '1': { state: 'revoked' }, '2': {} }, ['1'])
  t.match(problemIn(await others.client.trySign({ path: putPackage(others.root), keyid: '2' })), { code: 'KEY_NOT_AVAILABLE' }, 'the state of a key is told to those alone who may use it')
})

void test('what a key signed before stays valid after it was retired or ended, with a warning, and not after it was revoked', async (t) => {
  const bytes = Buffer.from('what was signed')
  const signature = { form: 'sig', value: signWithNode('sha256', bytes, pair.privateKey).toString('base64') } as const
  const verifyWith = async (life: object) => {
    const { client, root } = await scene(t, { '7': life })
    writeFileSync(join(root, 'file'), bytes)
    const byDigest = await client.verify({ digest: { sha256: sha256(bytes) }, signature })
    t.strictSame(await client.verify({ path: join(root, 'file'), signature }), byDigest, 'of a file as of its digest')
    return byDigest
  }
  t.strictSame(await verifyWith({}), { valid: true, keyid: '7' })
  t.strictSame(await verifyWith({ state: 'retiring' }), { valid: true, keyid: '7' })
  t.strictSame(await verifyWith({ notBefore: inDays(1) }), { valid: true, keyid: '7' })
  t.strictSame(await verifyWith({ state: 'retired' }), { valid: true, keyid: '7', warnings: [{ code: 'KEY_RETIRED', detail: 'key 7 is retired; what it signed stays valid' }] })
  t.match(await verifyWith({ notAfter: inDays(-1) }), { valid: true, keyid: '7', warnings: [{ code: 'KEY_EXPIRED', detail: /^key 7 ended at .+Z; what it signed stays valid$/ }] })
  t.strictSame(await verifyWith({ state: 'revoked' }), { valid: false, reason: 'KEY_REVOKED', keyid: '7' })
})

void test('of several signatures of the catalogue one counts whose key is not revoked', async (t) => {
  const keys = ['1', '2'].map((keyid) => ({ ...openedKey('file', rsaKeyPair()), keyid }))
  const { app, deps } = await makeApp(t, () => ({ keyring: new Map(keys.map((key) => [key.keyid, key])), policy: [clientNamed('bot', { keys: ['1', '2'], digestOnly: true })] }))
  const digest = { sha256: 'ab'.repeat(32) }
  for (const { keyid } of keys) t.equal((await app.inject({ method: 'POST', url: '/sign', payload: { digest, sizeBytes: 1, filename: 'x', keyid } })).statusCode, 200)
  const verifiedWhen = async (...revoked: readonly string[]) => {
    const keyring = new Map(keys.map((key) => [key.keyid, revoked.includes(key.keyid) ? { ...key, life: { state: 'revoked' as const } } : key]))
    const later = await buildTestApp({ ...deps, keyring })
    t.teardown(async () => await later.close())
    return (await later.inject({ method: 'POST', url: '/verify', payload: { digest } })).json<object>()
  }
  t.match(await verifiedWhen(), { valid: true })
  t.match(await verifiedWhen('1'), { valid: true, keyid: '2' })
  t.match(await verifiedWhen('2'), { valid: true, keyid: '1' })
  t.match(await verifiedWhen('1', '2'), { valid: false, reason: 'KEY_REVOKED' })
})

void test('the end of a key is told 90, 30 and 7 days before: in answers, in the log, in the metrics and by GET /keys', async (t) => {
  const ends = { '90': inDays(80), '30': inDays(29), '7': inDays(6) }
  const { client, root, logs, adminUrl } = await scene(t, {
    '1': { notAfter: inDays(100) }, '2': { notAfter: ends['90'] }, '3': { notAfter: ends['30'], successor: '1' }, '4': { notAfter: ends['7'] },
    '5': { state: 'retired', notAfter: ends['7'] }, '6': { certificate: 'certificate.pem', notAfter: inDays(4000) },
  })
  const path = putPackage(root)
  const warningsOf = async (keyid: string): Promise<readonly Warning[]> => (await client.sign({ path, keyid })).warnings
  t.strictSame(await warningsOf('1'), [])
  t.match(await warningsOf('2'), [{ code: 'KEY_EXPIRES_SOON', detail: /^key 2 ends at .+Z, in (79|80) days \(notice of 90 days\)$/ }])
  t.match(await warningsOf('3'), [{ code: 'KEY_EXPIRES_SOON', detail: /^key 3 ends at .+Z, in (28|29) days \(notice of 30 days\); its successor is 1$/ }])
  t.match(await warningsOf('4'), [{ code: 'KEY_EXPIRES_SOON', detail: /^key 4 ends at .+Z, in (5|6) days \(notice of 7 days\)$/ }])
  const told = logs.filter(({ msg }) => msg === 'key expires soon').map(({ keyid, notice, level }) => [keyid, notice, level])
  const { keys } = JSON.parse((await client.ask('/keys')).text) as { keys: Key[] }
  const certificateEnds = keys.find(({ keyid }) => keyid === '6')?.certificateNotAfter as string
  const soon = new Date(certificateEnds).getTime() < Date.now() + 90 * DAY_MS ? [['6']] : []
  t.strictSame(told.filter(([keyid]) => keyid !== '6'), [['2', 90, 40], ['3', 30, 40], ['4', 7, 40]])
  t.equal(told.length, 3 + soon.length)
  t.strictSame(keys.map(({ keyid, state, notAfter, successor }) => [keyid, state, notAfter?.replace('.000', ''), successor]).slice(1, 5), [['2', 'active', ends['90'], undefined], ['3', 'active', ends['30'], '1'], ['4', 'active', ends['7'], undefined], ['5', 'retired', ends['7'], undefined]])
  const { text } = await (await clientOf(t, adminUrl)).ask('/metrics')
  t.match(text, new RegExp(`^signing_key_expiry_timestamp_seconds\\{keyid="4"\\} ${new Date(ends['7']).getTime() / 1000}$`, 'm'))
  t.match(text, new RegExp(`^signing_key_expiry_timestamp_seconds\\{keyid="6"\\} ${new Date(certificateEnds).getTime() / 1000}$`, 'm'), 'the certificate ends first')
  t.notMatch(text, /keyid="5"/)
})

void test('an end that has come is told, of a certificate as well, which stops nothing', async (t) => {
  const ended = await issueSelfSigned(pair, { notBefore: new Date('2001-01-01'), notAfter: new Date('2002-01-01') })
  const running = await startInProcess(t, {}, ({ folder }) => {
    writeFileSync(join(folder, 'rsa.pem'), pair.pem, { mode: 0o600 })
    writeFileSync(join(folder, 'certificate.pem'), ended)
    return { keys: [{ keyid: '1001', kind: 'file', path: 'rsa.pem', certificate: 'certificate.pem' }] }
  })
  const client = await clientOf(t, running.url)
  t.match(await client.sign({ path: putPackage(running.place.root) }), { signatures: { 'PkgA.1.0.0.0.bff': { keyid: '1001' } }, warnings: [{ code: 'KEY_EXPIRED', detail: 'the certificate of key 1001 ended at 2002-01-01T00:00:00.000Z' }] })
  t.match(running.logs.find(({ msg }) => msg === 'key expired'), { keyid: '1001', endOf: 'certificate', notice: 0, daysLeft: 0 })
})

void test('GET /keys says who accepts what a key signs, and an answer warns of a key that OpenSSL 1.0.2 does not know', async (t) => {
  const { client, root } = await scene(t, { '1': { installedPath: '/etc/security/certificates/x.pem' }, '2': { path: 'ed25519.pem' } })
  const { keys } = JSON.parse((await client.ask('/keys')).text) as { keys: Key[] }
  t.match(keys.map(({ acceptedBy }) => acceptedBy), [{ 'aix-7.3-dsb': { verdict: 'yes' }, 'openssl-1.0.2': { verdict: 'yes' } }, { 'aix-7.3-dsb': { verdict: 'no' }, 'openssl-1.0.2': { verdict: 'no', because: 'OpenSSL knows it since 1.1.1' } }])
  t.strictSame(JSON.parse((await client.ask('/keys/2')).text), keys[1])
  writeFileSync(join(root, 'fix.epkg.Z'), Buffer.from([0x1f, 0x9d, 1, 2, 3]))
  t.strictSame((await client.sign({ path: join(root, 'fix.epkg.Z'), keyid: '2' })).warnings, [{ code: 'KEY_NOT_ACCEPTED', detail: 'OpenSSL 1.0.2, which AIX 7.2 still has, does not verify ed25519 of key 2: OpenSSL knows it since 1.1.1' }])
})
