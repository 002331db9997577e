import { once } from 'node:events'
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { createAuthority, issueClient, issueCrl, issueServer } from '../../certs/pki.ts'
import { loadConfig } from '../../server/config/load.ts'
import { startServer } from '../../server/process.ts'
import { openStore } from '../../server/store/open.ts'
import { clientOf, problemIn, type Client } from '../helpers/client.ts'
import { startInProcess, type InProcessServer } from '../helpers/in-process.ts'
import { putPackage } from '../helpers/packages.ts'
import { makePlace, TRUSTED_BOT, type ConfigMembers } from '../helpers/place.ts'
import { testPki } from '../helpers/pki.ts'
import { eventually, isRunning } from '../helpers/processes.ts'
import { issueSelfSigned } from '../helpers/self-signed.ts'
import { rsaKeyPair } from '../helpers/signables.ts'
import { makeToken, withoutSoftHsm } from '../helpers/softhsm.ts'
import { fetchLog } from '../helpers/whole-log.ts'

const pki = await testPki()
const BOT = pki.clients['release-bot']
const QUIET: ConfigMembers = { reload: { pollMs: 0 } }
const DAY_MS = 86_400_000

type Reloading = InProcessServer & Readonly<{
  client: Client
  /** Writes the configuration anew and reloads it. */
  reload(members?: ConfigMembers): ReturnType<InProcessServer['server']['reload']>
  /** Puts a file into the place. */
  put(name: string, content: string | Buffer): void
  last(): Readonly<Record<string, unknown>>
}>

async function start(test: Test, members: ConfigMembers = {}): Promise<Reloading> {
  const running = await startInProcess(test, { ...QUIET, clients: [TRUSTED_BOT], ...members })
  return {
    ...running,
    client: await clientOf(test, running.url),
    put: (name, content) => writeFileSync(join(running.place.folder, name), content, { mode: 0o600 }),
    reload: async (more = {}) => {
      running.place.configure({ ...QUIET, clients: [TRUSTED_BOT], ...more })
      return await running.server.reload('SIGHUP')
    },
    last: () => running.logs.at(-1) as Readonly<Record<string, unknown>>,
  }
}

async function listOf(revoked: readonly string[], nextUpdate = new Date(Date.now() + DAY_MS * 30)): Promise<string> {
  return await issueCrl(pki.authority, { revoked, thisUpdate: new Date(Date.now() - DAY_MS), nextUpdate })
}

/** A server certificate with a mark by which it is known. */
async function serverCertificate(mark: string): Promise<Readonly<{ certificatePem: string; privateKeyPem: string }>> {
  return await issueServer(pki.authority, { sans: [{ type: 'dns', value: 'localhost' }, { type: 'dns', value: mark }] })
}

type Raw = Readonly<{ socket: TLSSocket; text: () => string; closed: Promise<unknown>; names: () => string; session: () => Buffer | undefined }>

/** A connection of a client, as TLS has it. */
async function dial({ url }: InProcessServer, options: ConnectionOptions = {}): Promise<Raw> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), servername: 'localhost', ca: BOT.ca, cert: BOT.cert, key: BOT.key, ...options })
  let [text, session]: [string, Buffer | undefined] = ['', undefined]
  socket.setEncoding('utf8').on('data', (chunk) => (text += chunk)).on('error', () => undefined).on('session', (made) => (session = made))
  const closed = new Promise((resolve) => void socket.once('close', resolve))
  await Promise.race([once(socket, 'secureConnect'), closed])
  return { socket, text: () => text, closed, names: () => socket.getPeerX509Certificate()?.subjectAltName ?? '', session: () => session }
}

const WHOAMI = 'GET /whoami HTTP/1.1\r\nhost: localhost\r\n\r\n'

void t.test('clients, roots and formats are taken up; what runs keeps what it began with', async (t) => {
  const { place, client, reload, last, server, adminUrl } = await start(t)
  const package1 = readFileSync(putPackage(place.root))
  const { promise, resolve: rest } = Promise.withResolvers<void>()
  const body = Readable.from((async function* () {
    yield package1.subarray(0, 1000)
    await promise
    yield package1.subarray(1000)
  })())
  const running = client.upload({ filename: 'PkgA.bff' }, body)
  await client.ask('/whoami')
  const other = { name: 'other', path: 'other' }
  t.match(await reload({ roots: [other], clients: [] }), { kind: 'refused', faults: [/roots\[0\]\.path: there is no directory/] })
  copyFileSync(place.publicKeyPath, join(place.folder, 'x'))
  const result = await reload({ roots: [{ name: 'nim', path: 'packages' }, { name: 'more', path: 'packages' }], clients: [{ ...TRUSTED_BOT, name: 'renamed', roots: ['more'], digestOnly: false }], formats: { accept: ['rpm'] } })
  const changed = { members: ['roots', 'clients', 'formats'], clients: { added: ['renamed'], removed: ['release-bot'], changed: [] }, roots: { added: ['more'], removed: [], changed: [] } }
  t.strictSame(result, { kind: 'done', changed })
  t.match(last(), { level: 30, msg: 'reloaded', cause: 'SIGHUP', ...changed, configurationSha256: (await loadConfig(join(place.folder, 'signing-server.yaml'))).sha256, durationMs: Number })
  rest()
  t.match(JSON.parse((await running).text), { signatures: { 'PkgA.bff': { keyid: '1001' } } }, 'it was an accepted format when the upload began')
  t.match(JSON.parse((await client.ask('/whoami')).text), { name: 'renamed', roots: ['more'] })
  t.match(problemIn(await client.upload({ filename: 'PkgA.bff' }, package1)), { code: 'FORMAT_NOT_ACCEPTED' })
  t.match(await reload({ clients: [] }), { kind: 'done' })
  t.match(problemIn(await client.ask('/whoami')), { code: 'CLIENT_UNKNOWN' })
  const { text } = await (await clientOf(t, adminUrl)).ask('/metrics')
  for (const line of [/^signing_reloads_total\{result="done"\} 2$/m, /^signing_reloads_total\{result="refused"\} 1$/m, /^signing_last_reload_timestamp_seconds 1\d{9}(?:\.\d+)?$/m]) t.match(text, line)
  await server.close()
  t.strictSame(await server.reload('SIGHUP'), { kind: 'refused', faults: ['the server is shutting down'] })
})

void t.test('a reload with a fault, or one that needs a restart, changes nothing', async (t) => {
  const { place, client, reload, server, put, last } = await start(t)
  await client.ask('/whoami')
  const rows: readonly (readonly [string, ConfigMembers, RegExp])[] = [
    ['other ports', { listen: { host: '127.0.0.1', port: 0, browserPort: 6444 }, clients: [] }, /^listen: a change needs a restart$/],
    ['other limits', { limits: { uploads: 9 }, clients: [] }, /^limits: a change needs a restart$/],
    ['another store', { store: { url: 'sqlite:other.db' }, clients: [] }, /^store: a change needs a restart$/],
    ['another signer, whose keys are others', { signer: { kind: 'command', command: ['/x'] }, keys: [{ keyid: '1001', kind: 'command', publicKey: '1001.pub.pem', covers: 'file' }], clients: [] }, /^signer: a change needs a restart$/],
    ['an unknown member', { clients: [], nonsense: 1 }, /nonsense: unknown member/],
    ['a key that cannot be read', { clients: [], keys: [{ keyid: '1001', kind: 'file', path: '1001.pem' }, { keyid: '1002', kind: 'file', path: 'server.key' }, { keyid: '1003', kind: 'pkcs12', path: 'server.key', passphraseFile: '1001.pem' }] }, /^key 1003: /],
  ]
  for (const [name, members, fault] of rows) {
    t.match(await reload(members), { kind: 'refused', faults: [fault] }, name)
    t.match(last(), { level: 50, msg: 'reload refused', cause: 'SIGHUP', faults: [fault], durationMs: Number }, name)
    t.match(JSON.parse((await client.ask('/whoami')).text), { name: 'release-bot', keys: ['1001'] }, name)
  }
  put('signing-server.yaml', '{')
  t.match(await server.reload('SIGHUP'), { kind: 'refused' })
  place.configure({ ...QUIET, clients: [TRUSTED_BOT] })
  t.strictSame(await server.reload('SIGHUP'), { kind: 'done', changed: { members: [] } })
  const both = [server.reload('SIGHUP'), server.reload('SIGHUP'), server.reload('SIGHUP')]
  await Promise.all(both)
  const { entries } = await fetchLog(client)
  t.strictSame(entries.filter(({ kind }) => kind === 'configuration').length, 1, 'nothing else took effect')
})

void t.test('keys come, change their life, are replaced and go; the log says so', async (t) => {
  const { place, client, reload, put, adminUrl, logs } = await start(t)
  const path = putPackage(place.root)
  const [old, next] = [{ keyid: '1001', kind: 'file', path: '1001.pem' }, { keyid: '1002', kind: 'file', path: '1002.pem' }]
  const pair = rsaKeyPair()
  put('1002.pem', pair.pem)
  put('1002.crt', await issueSelfSigned(pair, { notAfter: new Date(Date.now() + 20 * DAY_MS) }))
  const clients = [{ ...TRUSTED_BOT, keys: ['1001', '1002'] }]
  const signed = await client.sign({ path })
  t.match(await reload({ keys: [old, { ...next, certificate: '1002.crt' }], clients }), { kind: 'done', changed: { keys: { added: ['1002'], removed: [], changed: [] } } })
  t.match(logs.findLast(({ msg }) => msg === 'key expires soon'), { keyid: '1002', endOf: 'certificate', notice: 30 })
  t.match(JSON.parse((await client.ask('/keys')).text), { keys: [{ keyid: '1001', state: 'active' }, { keyid: '1002', certificateNotAfter: String }] })
  t.match(await client.sign({ path, keyid: '1002' }), { signatures: { 'PkgA.1.0.0.0.bff': { keyid: '1002' } } })
  put('1002.crt', await issueSelfSigned(pair, { notBefore: new Date(Date.now() - 2 * DAY_MS), notAfter: new Date(Date.now() - DAY_MS) }))
  t.match(await reload({ keys: [old, { ...next, certificate: '1002.crt' }], clients }), { kind: 'done', changed: { members: [], keys: { added: [], removed: [], changed: ['1002'] } } })
  t.match(logs.findLast(({ msg }) => msg === 'key expired'), { keyid: '1002', endOf: 'certificate', notice: 0 })
  t.match(await client.verify({ path }), { valid: true })
  t.match(await reload({ keys: [{ ...old, state: 'revoked', successor: '1002' }, next], clients }), { kind: 'done', changed: { keys: { added: [], removed: [], changed: ['1001', '1002'] } } })
  t.match(problemIn(await client.trySign({ path, keyid: '1001' })), { code: 'KEY_REVOKED' })
  const { signature, sha256 } = signed.signatures['PkgA.1.0.0.0.bff'] as Readonly<{ signature: string; sha256: string }>
  t.match(await client.verify({ digest: { sha256 }, signature: { form: 'sig', value: signature } }), { valid: false, reason: 'KEY_REVOKED' })
  const admin = await clientOf(t, adminUrl)
  t.match(JSON.parse((await admin.ask('/health/ready')).text), { status: 'ready', checks: { store: 'ok', signer: 'ok', 'key 1002': 'ok' } })
  t.notMatch((await admin.ask('/health/ready')).text, /key 1001/)
  t.notMatch((await admin.ask('/metrics')).text, /signing_key_expiry_timestamp_seconds\{/, 'the certificate is gone')
  const other = rsaKeyPair()
  put('1002.pem', other.pem)
  t.strictSame(await reload({ keys: [{ ...old, state: 'revoked', successor: '1002' }, next], clients }), { kind: 'done', changed: { members: [], keys: { added: [], removed: [], changed: ['1002'] } } }, 'the file of a key was replaced')
  t.match(JSON.parse((await client.ask('/keys/1002')).text), { publicKeyPem: other.publicKey.export({ type: 'spki', format: 'pem' }) })
  t.match(await reload({ keys: [{ ...next, keyid: '1003' }], clients: [{ ...TRUSTED_BOT, keys: ['1003'] }] }), { kind: 'done', changed: { keys: { added: ['1003'], removed: ['1001', '1002'], changed: [] } } })
  const { entries } = await fetchLog(client)
  const said = entries.flatMap((entry) => (entry.kind === 'key' ? [`${entry.keyid} ${entry.change}`] : entry.kind === 'configuration' ? ['configuration'] : []))
  t.strictSame(said, ['configuration', '1001 added', 'configuration', '1002 added', 'configuration', '1002 changed', 'configuration', '1001 removed', '1002 removed', '1003 added'])
  t.equal(entries.filter(({ kind }) => kind === 'start').length, 1)
})

void t.test('a token keeps its login over a reload, unless something about it is another', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeToken(t)
  const { place, client, reload, logs } = await start(t, { keys: [hsm.config()] })
  const path = putPackage(place.root)
  const counted = (message: string): number => logs.filter(({ msg }) => msg === message).length
  const signs = async (): Promise<void> => void t.match(await client.sign({ path, force: true }), { signatures: { 'PkgA.1.0.0.0.bff': { keyid: '1001' } } })
  await signs()
  t.match(await reload({ keys: [hsm.config({ state: 'retiring' })] }), { kind: 'done', changed: { keys: { changed: ['1001'] } } })
  await signs()
  t.match(await reload({ keys: [hsm.config({ state: 'retiring', key: { label: 'absent' } })] }), { kind: 'refused', faults: [/^key 1001: there is no /] })
  await signs()
  t.equal(counted('logging in to token'), 2, 'the one that was refused looked for its key')
  t.match(await reload({ keys: [hsm.config({ sessions: 2 })] }), { kind: 'done' })
  await signs()
  t.equal(counted('logging in to token'), 3)
  const pids = logs.flatMap(({ msg, pid }) => (msg === 'pkcs11 process started' ? [pid as number] : []))
  await eventually(() => pids.map(isRunning).join() === 'false,false,true')
})

void t.test('what cannot be written down is not taken up', async (t) => {
  const place = await makePlace(t)
  let isFull = false
  const server = await startServer(await loadConfig(place.configure({ ...QUIET })), pino({ level: 'silent' }), async (options) => {
    const store = await openStore(options)
    return Object.assign(Object.create(store) as typeof store, { begin: async (started: Parameters<typeof store.begin>[0]) => (isFull ? await Promise.reject(new Error('no room')) : await store.begin(started)), close: async () => await store.close() })
  }).catch((error: unknown) => error)
  if (server instanceof Error) throw server
  const running = server as Awaited<ReturnType<typeof startServer>>
  t.teardown(async () => await running.close())
  isFull = true
  place.configure({ ...QUIET, clients: [] })
  t.strictSame(await running.reload('SIGHUP'), { kind: 'refused', faults: ['no room'] })
  t.equal((await (await clientOf(t, `https://localhost:${running.listening.service.port}`)).ask('/whoami')).status, 200)
  isFull = false
  t.match(await running.reload('SIGHUP'), { kind: 'done' })
})

void t.test('new connections get another certificate, those that stand stay, and nobody resumes a session', async (t) => {
  const running = await start(t)
  const { put, reload, last } = running
  const before = await dial(running)
  before.socket.write(WHOAMI)
  await eventually(() => before.text().includes('release-bot') && before.session() !== undefined)
  const again = await dial(running, { session: before.session() })
  t.equal(again.socket.isSessionReused(), true)
  again.socket.destroy()
  const { certificatePem, privateKeyPem } = await serverCertificate('second')
  put('server.pem', certificatePem)
  t.match(await reload(), { kind: 'refused', faults: ['tls.key is not the key of the first certificate in tls.cert'] })
  t.notMatch((await dial(running)).names(), /second/)
  put('server.key', privateKeyPem)
  t.strictSame(await reload(), { kind: 'done', changed: { members: [], tls: ['cert', 'key'] } })
  t.match(last(), { msg: 'reloaded', tls: ['cert', 'key'], connectionsEnded: 0, certEndsAt: String, clientCaEndsAt: String, crlEndsAt: String })
  const after = await dial(running, { session: before.session() })
  t.equal(after.socket.isSessionReused(), false)
  t.match(after.names(), /second/)
  before.socket.write(WHOAMI)
  await eventually(() => before.text().split('release-bot').length > 3)
  t.equal(before.socket.destroyed, false)
})

void t.test('a client that is revoked is out: its connections end after their running requests', async (t) => {
  const running = await start(t)
  const { put, reload, client, last } = running
  const issued = await issueClient(pki.authority, { name: 'leaving', sans: [{ type: 'uri', value: 'urn:example:release-bot' }] })
  const leaving = { cert: issued.certificatePem, key: issued.privateKeyPem }
  const [idle, busy] = [await dial(running, leaving), await dial(running, leaving)]
  idle.socket.write(WHOAMI)
  await eventually(() => idle.text().includes('release-bot') && idle.session() !== undefined)
  // A body of which the rest comes later.
  busy.socket.write('POST /verify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 88\r\n\r\n{"digest":{"sha256":"')
  await eventually(() => running.logs.filter(({ msg }) => msg === 'client connected').length === 2)
  await client.ask('/whoami')
  for (const [name, list] of [['expired', await listOf([], new Date(Date.now() - 1000))], ['unreadable', 'nothing']] as const) {
    put('ca.crl', list)
    t.match(await reload(), { kind: 'refused', faults: [/revocation list/] }, name)
    t.equal((await dial(running, leaving)).socket.destroyed, false, name)
  }
  put('ca.crl', await listOf([issued.serialHex]))
  t.match(await reload(), { kind: 'done', changed: { tls: ['crl'] } })
  t.equal((last() as Readonly<{ connectionsEnded: number }>).connectionsEnded, 4)
  await idle.closed
  busy.socket.write(`${'ab'.repeat(32)}"}}`)
  await busy.closed
  t.match(busy.text(), /^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*connection: close\r\n/i)
  for (const options of [leaving, { ...leaving, session: idle.session() }]) {
    const { closed, text } = await dial(running, options)
    await closed
    t.equal(text(), '')
  }
  t.match(running.logs.findLast(({ msg }) => msg === 'refused connection'), { reason: 'CERT_REVOKED' })
  t.equal((await client.ask('/whoami')).status, 200, 'everybody else stays')
  const stranger = await createAuthority({ name: 'another' })
  put('ca.pem', stranger.certificatePem)
  put('ca.crl', await issueCrl(stranger, { revoked: [], thisUpdate: new Date(Date.now() - DAY_MS), nextUpdate: new Date(Date.now() + DAY_MS * 5) }))
  t.match(await reload(), { kind: 'done', changed: { tls: ['clientCa', 'crl'] } })
  await t.rejects(client.ask('/whoami'), { code: 'UND_ERR_SOCKET' }, 'an authority that is gone')
})

void t.test('a revocation list that expires while the server runs lets nobody in, and nobody stay', async (t) => {
  const running = await start(t)
  const { put, reload, logs, adminUrl } = running
  const ends = new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000)
  put('ca.crl', await listOf([], ends))
  t.match(await reload(), { kind: 'done' })
  t.match(logs.findLast(({ msg }) => msg === 'tls material expires soon'), { level: 40, what: 'crl', endsAt: ends.toISOString(), daysLeft: 0, notice: 1 })
  t.match((await (await clientOf(t, adminUrl)).ask('/metrics')).text, `signing_certificate_expiry_timestamp_seconds{certificate="crl"} ${ends.getTime() / 1000}`)
  const open = await dial(running)
  open.socket.write(WHOAMI)
  await eventually(() => open.text().includes('release-bot') && open.session() !== undefined)
  await open.closed
  t.ok(Date.now() >= ends.getTime())
  t.match(logs.findLast(({ msg }) => msg === 'tls material expired'), { what: 'crl', notice: 0 })
  for (const options of [{}, { session: open.session() }]) {
    const { closed } = await dial(running, options)
    await closed
  }
  t.match(logs.findLast(({ msg }) => msg === 'refused connection'), { reason: 'CRL_HAS_EXPIRED' })
  t.match(await reload({ clients: [] }), { kind: 'done', changed: { members: ['clients'] } }, 'that it has expired is no reason to keep what it has nothing to do with')
  put('ca.crl', await listOf([]))
  t.match(await reload(), { kind: 'done' })
  t.equal((await (await clientOf(t, running.url)).ask('/whoami')).status, 200)
})

void t.test('what a refused configuration lacks is waited for, also where only that configuration names it', async (t) => {
  const members = { reload: { pollMs: 20 }, clients: [TRUSTED_BOT] }
  const { place, put, logs } = await start(t, members)
  const pair = rsaKeyPair()
  put('1002.pem', pair.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'good' }))
  put('1002.passphrase', 'wrong')
  const old = { keyid: '1001', kind: 'file', path: '1001.pem' }
  place.configure({ ...members, keys: [old, { keyid: '1002', kind: 'file', path: '1002.pem', passphraseFile: '1002.passphrase' }] })
  await eventually(() => logs.some(({ msg }) => msg === 'reload refused'))
  t.match(logs.at(-1), { cause: 'file change', faults: [/^key 1002: .* is not its passphrase/] })
  put('1002.passphrase', 'good')
  await eventually(() => logs.some(({ msg }) => msg === 'reloaded'))
  t.match(logs.at(-1), { cause: 'file change', keys: { added: ['1002'] } })
})

void t.test('files that change are taken up by themselves, a pair of them together', async (t) => {
  const running = await start(t, { reload: { pollMs: 20 } })
  const { place, put, client, logs } = running
  const told = (msg: string) => logs.filter((line) => line['msg'] === msg)
  const members = { reload: { pollMs: 20 } }
  place.configure({ ...members, clients: [{ ...TRUSTED_BOT, name: 'renamed' }] })
  await eventually(() => told('reloaded').length === 1)
  t.match(told('reloaded')[0], { cause: 'file change', members: ['clients'] })
  t.match(JSON.parse((await client.ask('/whoami')).text), { name: 'renamed' })
  const { certificatePem, privateKeyPem } = await serverCertificate('second')
  put('server.pem.new', certificatePem)
  renameSync(join(place.folder, 'server.pem.new'), join(place.folder, 'server.pem'))
  await eventually(() => told('reload refused').length === 1)
  t.match(told('reload refused')[0], { faults: ['tls.key is not the key of the first certificate in tls.cert'] })
  put('server.key', privateKeyPem)
  await eventually(() => told('reloaded').length === 2)
  t.match(told('reloaded')[1], { tls: ['cert', 'key'] })
  t.match((await dial(running)).names(), /second/)
  const keys = [{ keyid: '1001', kind: 'file', path: '1001.pem' }, { keyid: '1002', kind: 'file', path: '1002.pem' }]
  place.configure({ ...members, clients: [TRUSTED_BOT], keys })
  await eventually(() => told('reload refused').length === 2)
  put('1002.pem', rsaKeyPair().pem)
  await eventually(() => told('reloaded').length === 3)
  t.match(told('reloaded')[2], { keys: { added: ['1002'] }, clients: { added: ['release-bot'], removed: ['renamed'] } })
  t.match(await (async () => {
    place.configure({ ...QUIET, clients: [TRUSTED_BOT], keys })
    await eventually(() => told('reloaded').length === 4)
    return told('reloaded')[3]
  })(), { members: ['reload'] })
  place.configure({ ...QUIET, clients: [], keys })
  await new Promise((resolve) => void setTimeout(resolve, 250))
  t.equal(told('reloaded').length, 4, 'nobody looks any more')
})
