import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { clientOf } from '../helpers/client.ts'
import { isProgram } from '../helpers/daemon.ts'
import { directoryName, issueOdd, KEY_USAGE, NAME_TAG, type OddCertificate, type OddIdentity, type OddName } from '../helpers/odd-certificates.ts'
import { testPki } from '../helpers/pki.ts'
import { startServer, type LogLine } from '../helpers/server.ts'
import { addresses, talk, type Heard } from '../helpers/wire.ts'

// Who is refused before a byte of a body is read. Every case asks to sign, announces a body and never sends it.

const OPENSSL = '/usr/bin/openssl'
const HEAD = 'POST /sign HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n'
const BOT = 'urn:example:release-bot'
const HOUR_MS = 3_600_000

const pki = await testPki()
const server = await startServer(t)
const { port, folder } = server
const good = await clientOf(t, server.url)
const nextAddress = addresses(1)

const odd = async (wish: OddCertificate): Promise<OddIdentity> => await issueOdd(pki.authority, { names: [{ tag: NAME_TAG.uri, bytes: BOT }], ...wish })
const named = async (...names: readonly OddName[]): Promise<OddIdentity> => await odd({ names })
const uri = async (bytes: string): Promise<OddIdentity> => await named({ tag: NAME_TAG.uri, bytes })

const from = (localAddress: string) => (line: LogLine) => line['address'] === localAddress
const refusalsSince = (before: number) => server.logs().slice(before).filter(({ level, msg }) => level === 'warn' && !msg.endsWith('more of the same'))

async function stillServes(t: Test): Promise<void> {
  t.equal((await good.ask('/whoami')).status, 200, 'a good client is still served')
}

type Credentials = Pick<ConnectionOptions, 'cert' | 'key' | 'minVersion' | 'maxVersion' | 'ciphers'>

async function trySeveralTimes({ cert, key, ...versions }: Credentials, localAddress: string): Promise<readonly Heard[]> {
  const heard: Heard[] = []
  for (let turn = 0; turn < 3; turn += 1) heard.push(await talk({ port, ca: pki.server.ca, say: HEAD, enough: (text) => text.includes('"hint"'), cert, key, ...versions, localAddress }))
  return heard
}

type AtTls = readonly [name: string, options: Credentials, reason: string]

void t.test('what TLS refuses hears no HTTP, and is one line of the log with the reason, however often it comes', async (t) => {
  const { cert: botCert, key: botKey } = pki.clients['release-bot']
  const belowBot = await issueOdd({ certificatePem: botCert, privateKeyPem: botKey }, { names: [{ tag: NAME_TAG.uri, bytes: BOT }] })
  const lesserAuthority = await odd({ commonName: 'lesser', isAuthority: true, keyUsage: KEY_USAGE.keyCertSign })
  const belowLesser = await issueOdd(lesserAuthority, {})
  const now = Date.now()
  const rows: readonly AtTls[] = [
    ['no certificate', {}, 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
    // OpenSSL goes on after the first fault, Node tells the last: nobody has a revocation list for it.
    ['self-signed', await issueOdd(undefined, { names: [{ tag: NAME_TAG.uri, bytes: BOT }] }), 'UNABLE_TO_GET_CRL'],
    ['of another authority of the same name', pki.clients.impostor, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['expired', pki.clients.expired, 'CERT_HAS_EXPIRED'],
    ['expired a second ago', await odd({ notAfter: new Date(now - 1_000) }), 'CERT_HAS_EXPIRED'],
    ['not yet valid', pki.clients['not-yet-valid'], 'CERT_NOT_YET_VALID'],
    ['valid in an hour', await odd({ notBefore: new Date(now + HOUR_MS), notAfter: new Date(now + 2 * HOUR_MS) }), 'CERT_NOT_YET_VALID'],
    ['for servers', pki.clients['wrong-usage'], 'INVALID_PURPOSE'],
    ['for signing code', await odd({ usages: ['codeSigning'] }), 'INVALID_PURPOSE'],
    ['whose key may not sign', await odd({ keyUsage: KEY_USAGE.keyEncipherment }), 'INVALID_PURPOSE'],
    ['revoked', pki.clients.revoked, 'CERT_REVOKED'],
    ['issued by a client', { cert: `${belowBot.cert}\n${botCert}`, key: belowBot.key }, 'UNSPECIFIED'],
    ['issued by an authority that may not have one below it', { cert: `${belowLesser.cert}\n${lesserAuthority.cert}`, key: belowLesser.key }, 'UNABLE_TO_GET_CRL'],
    ['the authority itself', { cert: pki.authority.certificatePem, key: pki.authority.privateKeyPem }, 'INVALID_PURPOSE'],
    ['an authority that may also be a client', await odd({ isAuthority: true, keyUsage: KEY_USAGE.keyCertSign | KEY_USAGE.digitalSignature }), 'CLIENT_CERT_IS_CA'],
    ['TLS 1.2 at most', { ...pki.clients['release-bot'], maxVersion: 'TLSv1.2' }, 'ERR_SSL_UNSUPPORTED_PROTOCOL'],
    ['TLS 1.0 and 1.1', { ...pki.clients['release-bot'], minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }, 'ERR_SSL_UNSUPPORTED_PROTOCOL'],
  ]
  await everyRow(t, rows)
})

void t.test('without a revocation list the chain itself is the reason', async (t) => {
  const listless = await startServer(t, { config: { tls: { cert: 'server.pem', key: 'server.key', clientCa: 'ca.pem' } } })
  const lesser = await odd({ commonName: 'lesser', isAuthority: true, keyUsage: KEY_USAGE.keyCertSign })
  const below = await issueOdd(lesser, {})
  const rows: readonly AtTls[] = [['self-signed', await issueOdd(undefined, {}), 'DEPTH_ZERO_SELF_SIGNED_CERT'], ['too long', { cert: `${below.cert}\n${lesser.cert}`, key: below.key }, 'PATH_LENGTH_EXCEEDED']]
  for (const [name, { cert, key }, reason] of rows) {
    t.match(await talk({ port: listless.port, ca: pki.server.ca, cert, key, say: HEAD }), { text: '', closed: true }, name)
    await listless.logged((line) => line['reason'] === reason)
  }
})

async function everyRow(t: Test, rows: readonly AtTls[]): Promise<void> {
  for (const [name, options, reason] of rows) {
    await t.test(name, async (t) => {
      const [before, localAddress] = [server.logs().length, nextAddress()]
      for (const { text, closed } of await trySeveralTimes(options, localAddress)) t.match({ text, closed }, { text: '', closed: true })
      await server.logged((line) => from(localAddress)(line) && line['reason'] === reason)
      t.match(refusalsSince(before), [{ msg: 'refused connection', reason, address: localAddress }], 'one line')
      t.notOk(server.logs().slice(before).some(({ msg }) => msg === 'client connected'), 'nobody connected')
      await stillServes(t)
    })
  }
}

type AtHttp = readonly [name: string, identity: OddIdentity]

void t.test('who only looks like a client is answered 403 before the body, and is one line of the log', async (t) => {
  const { stranger } = pki.clients
  const rows: readonly AtHttp[] = [
    ['a good chain with the leaf of a client stuffed behind', { ...stranger, cert: `${stranger.cert}\n${pki.clients['release-bot'].cert}`, certificatePem: '', privateKeyPem: '' }],
    ['the name in the CN alone', await odd({ commonName: 'release-bot', names: [] })],
    ['the URI in the CN alone', await odd({ commonName: BOT, names: [] })],
    ['a NUL in the CN', await odd({ commonName: `${BOT}\0.evil`, names: [] })],
    ['a CN that looks like a SAN', await odd({ commonName: `x, URI:${BOT}`, names: [{ tag: NAME_TAG.uri, bytes: 'urn:example:x' }] })],
    ['a NUL behind the name', await uri(`${BOT}\0`)],
    ['a NUL and more behind the name', await uri(`${BOT}\0.evil.example`)],
    ['a NUL before the name', await uri(`\0${BOT}`)],
    ['a comma and the name behind another', await uri(`urn:example:x, URI:${BOT}`)],
    ['a quote and the name behind another', await uri(`urn:example:x", URI:"${BOT}`)],
    ['a line break and the name behind another', await uri(`urn:example:x\nURI:${BOT}`)],
    ['a line break behind the name', await uri(`${BOT}\n`)],
    ['an escape of JSON for a letter of the name', await uri('urn:example:release\\u002dbot')],
    ['a byte that is no ASCII behind the name', await uri(`${BOT}\xe9`)],
    ['UTF-8 that looks like a letter of the name', await uri(Buffer.from('urn:example:rel\u0435ase-bot').toString('latin1'))],
    ['another case', await uri('URN:EXAMPLE:RELEASE-BOT')],
    ['another case of one letter', await uri('urn:example:Release-bot')],
    ['a wildcard for the last part', await uri('urn:example:*')],
    ['a wildcard for all', await uri('*')],
    ['a longer name', await uri(`${BOT}2`)],
    ['a shorter name', await uri('urn:example:release-bo')],
    ['a space behind the name', await uri(`${BOT} `)],
    ['a percent-encoded letter', await uri('urn:example:release%2Dbot')],
    ['an empty name', await uri('')],
    ['the name as a DNS name', await named({ tag: NAME_TAG.dns, bytes: BOT })],
    ['the name as an address of mail', await named({ tag: NAME_TAG.email, bytes: BOT })],
    ['the name in a directory name', await named(directoryName(`x, URI:${BOT}`))],
    ['an IP address that is none', await named({ tag: NAME_TAG.ip, bytes: BOT })],
  ]
  for (const [name, { cert, key }] of rows) {
    await t.test(name, async (t) => {
      const [before, localAddress] = [server.logs().length, nextAddress()]
      for (const { text } of await trySeveralTimes({ cert, key }, localAddress)) {
        t.match(text, /^HTTP\/1\.1 403 /)
        t.match(text, '"code":"CLIENT_UNKNOWN"')
      }
      t.match(refusalsSince(before), [{ msg: 'request refused', code: 'CLIENT_UNKNOWN' }], 'one line')
      t.notOk(server.logs().slice(before).some((line) => from(localAddress)(line) && line['client'] !== null && line.msg === 'client connected'), 'it is nobody by name')
      await stillServes(t)
    })
  }
})

void t.test('a client with a second leaf behind its own is itself and nobody else', async (t) => {
  const { auditor, 'release-bot': bot } = pki.clients
  const { text } = await talk({ port, ca: pki.server.ca, cert: `${auditor.cert}\n${bot.cert}`, key: auditor.key, say: 'GET /whoami HTTP/1.1\r\nhost: x\r\n\r\n', enough: (heard) => heard.includes('}') })
  t.match(text, /"name":"auditor"/)
})

void t.test('what speaks no TLS hears no HTTP', async (t) => {
  for (const [text, reason] of [[HEAD, 'ERR_SSL_HTTP_REQUEST'], ['SSH-2.0-OpenSSH_9.2\r\n', /^ERR_SSL_/], ['\x16\x03\x01\xff\xff\x00', /^ERR_SSL_|ECONNRESET/]] as const) {
    const localAddress = nextAddress()
    const heard: Buffer[] = []
    const socket = connectTcp({ port, host: '127.0.0.1', localAddress }, () => void socket.end(text, 'latin1'))
    await new Promise((resolve) => void socket.on('data', (bytes: Buffer) => heard.push(bytes)).on('error', () => undefined).on('close', resolve))
    t.notMatch(Buffer.concat(heard).toString('latin1'), /HTTP/)
    t.match(await server.logged(from(localAddress)), [{ msg: 'refused connection', reason }])
  }
  await stillServes(t)
})

void t.test('a connection does not outlive its certificate', async (t) => {
  const brief = await odd({ notAfter: new Date(Date.now() + 2_000) })
  const localAddress = nextAddress()
  const ask = 'GET /whoami HTTP/1.1\r\nhost: x\r\n\r\n'
  const { text, closed } = await talk({ port, ca: pki.server.ca, ...brief, localAddress, say: ask, again: { text: ask, everyMs: 100 } })
  t.ok(closed)
  t.match(text, /^HTTP\/1\.1 200 /)
  t.match(await server.logged((line) => from(localAddress)(line) && line.level === 'warn'), [{ msg: 'refused connection', reason: 'CERT_HAS_EXPIRED' }])
})

void t.test('openssl s_client', { skip: isProgram(OPENSSL) ? false : 'skipped: openssl is not installed' }, async (t) => {
  const { certPath, keyPath, caPath } = pki.clients['release-bot']
  const session = join(folder, 'session.pem')
  const s_client = async (input: string, ...args: readonly string[]): Promise<string> => {
    const running = promisify(execFile)(OPENSSL, ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost', '-CAfile', caPath, '-cert', certPath, '-key', keyPath, ...args], { timeout: 5_000 })
    running.child.stdin?.on('error', () => undefined).end(input)
    return await running.then(({ stdout, stderr }) => stdout + stderr, ({ stdout, stderr }: Readonly<{ stdout: string; stderr: string }>) => stdout + stderr)
  }
  const request = 'GET /whoami HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'

  await t.test('gets TLS 1.3 without compression and without early data', async (t) => {
    const said = await s_client(request, '-ign_eof', '-sess_out', session)
    t.match(said, /Protocol *: TLSv1\.3/)
    t.match(said, /HTTP\/1\.1 200 OK/)
    t.match(said, 'Compression: NONE')
    t.match(said, /Max Early Data: 0/)
    t.notMatch(said, /Max Early Data: [1-9]/)
  })
  await t.test('is never offered early data, and none of what it pushes is taken', async (t) => {
    const early = join(folder, 'early')
    writeFileSync(early, request)
    const said = await s_client('', '-sess_in', session, '-early_data', early)
    t.match(said, /Early data was (?:not sent|rejected)|unable to write early data/i)
    t.notMatch(said, /Early data was accepted/)
  })
  for (const flag of ['-tls1', '-tls1_1', '-tls1_2'] as const) {
    await t.test(`is refused ${flag}, with and without the mark of a downgrade`, async (t) => {
      for (const more of [[], ['-fallback_scsv']]) {
        const said = await s_client(request, flag, '-cipher', 'ALL@SECLEVEL=0', ...more)
        t.match(said, /alert protocol version|no protocols available/)
        t.notMatch(said, 'HTTP/1.1')
      }
    })
  }
  await t.test('cannot renegotiate', async (t) => {
    t.match(await s_client(''), 'Secure Renegotiation IS NOT supported')
    // "R" at the start of a line asks for it, where there is such a thing.
    t.match(await s_client('R\n'), /RENEGOTIATING[^]*(?:wrong ssl version|error)/i)
  })
  await t.test('is not offered HTTP/2', async (t) => {
    t.match(await s_client(request, '-alpn', 'h2'), /no application protocol/)
  })
  await stillServes(t)
})

void t.test('what was counted is written when the server stops', async (t) => {
  const { cert, key } = pki.clients.revoked
  const before = server.logs().length
  await trySeveralTimes({ cert, key }, nextAddress())
  await trySeveralTimes(await uri('urn:example:nobody'), nextAddress())
  t.equal((await server.stop()).code, 0)
  const counted = server.logs().slice(before).filter(({ msg }) => msg.endsWith('more of the same'))
  t.match(counted.find((line) => line['reason'] === 'CERT_REVOKED'), { msg: 'refused connection, more of the same', level: 'warn', listener: 'service', count: 2 })
  t.match(counted.find((line) => line['code'] === 'CLIENT_UNKNOWN'), { msg: 'request refused, more of the same', count: 2 })
})
