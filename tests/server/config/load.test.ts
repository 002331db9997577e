import { hash } from 'node:crypto'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import { stringify } from 'yaml'
import { ConfigError } from '../../../server/config/fault.ts'
import { loadConfig, parseConfig, type Config } from '../../../server/config/load.ts'
import { OPERATIONS } from '../../../server/schemas/whoami.ts'
import { asNobody, nobodyCannotReach } from '../../helpers/refusals.ts'

const NUM_RUNS = 300 * Number(process.env['TEST_FULL_FACTOR'] ?? 1)

const folder = t.testdir({ 'server.pem': '', 'server.key': '', 'ca.pem': '', 'ca.crl': '', '1001.pem': '', '1001.pass': '', 'public.pem': '', packages: {}, more: {}, work: {} })
for (const name of ['server.key', '1001.pem', '1001.pass']) chmodSync(join(folder, name), 0o600)
const FILE = join(folder, 'signing-server.yaml')

const MINIMAL = `tls:
  cert: server.pem
  key: server.key
  clientCa: ca.pem
roots:
  - name: nim
    path: packages
keys:
  - keyid: "1001"
    kind: file
    path: 1001.pem
clients:
  - name: bot
    match: { san: "URI:urn:example:bot" }
    allow: [sign]
    keys: ["1001"]
    roots: [nim]
`
const COMMAND = MINIMAL.replace('kind: file\n    path: 1001.pem', 'kind: command\n    publicKey: public.pem\n    covers: file')

async function faultsOf(text: string): Promise<readonly string[]> {
  return await parseConfig(text, FILE).then(() => [], (error: unknown) => {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n').map((line) => line.replace(`${FILE}:`, '').replaceAll(`${folder}/`, ''))
  })
}

const TOKEN = MINIMAL.replace('kind: file\n    path: 1001.pem', `kind: pkcs11
    module: public.pem
    token: { label: release }
    key: { label: aix }
    pinFile: 1001.pass`)
const SECOND = `  - { keyid: "1002", kind: pkcs11, module: public.pem, token: { label: release }, key: { id: "02" }, pinFile: 1001.pass`

void t.test('a minimal configuration gets every default, absolute paths, and cannot be changed', async (t) => {
  writeFileSync(FILE, MINIMAL)
  const config = await loadConfig(FILE)
  const at = (name: string) => join(folder, name)
  t.strictSame(config, {
    listen: { host: '127.0.0.1', port: 6000, browserPort: 6443 },
    admin: { host: '127.0.0.1', port: 6001 },
    tls: { cert: at('server.pem'), key: at('server.key'), clientCa: at('ca.pem') },
    roots: [{ name: 'nim', path: at('packages') }],
    keys: [{ keyid: '1001', kind: 'file', path: at('1001.pem') }],
    formats: { accept: ['installp', 'compress', 'rpm'] },
    dsb: { keyDirectory: '/etc/security/certificates/', allowRsa3072: true },
    signer: { kind: 'embedded', timestamp: { syntax: 'epoch', source: config.signer.kind === 'embedded' && config.signer.timestamp.source } },
    clients: [{ name: 'bot', match: { san: 'URI:urn:example:bot' }, allow: ['sign'], keys: ['1001'], roots: ['nim'], digestOnly: false, resign: false, sees: 'own' }],
    store: { url: `sqlite:${at('var/signing.db')}` },
    transparencyLog: { origin: 'signing-server/log', key: at('var/log.key') },
    idempotency: { keepMs: 86_400_000 },
    limits: {
      fileBytes: 17_179_869_184, wholeFileBytes: 67_108_864, directoryEntries: 20_000, bodyBytes: 4_194_304, connections: 1000, handshakesPerAddress: 500, handshakeMs: 10_000, requestMs: 30_000, idleMs: 75_000, uploads: 8, waitingFiles: 512,
    },
    reload: { pollMs: 1_000 },
    shutdown: { deadlineMs: 30_000 },
    log: { level: 'info' },
    file: FILE,
    sha256: hash('sha256', MINIMAL),
    files: ['server.pem', 'server.key', 'ca.pem', '1001.pem'].map((name) => join(dirname(FILE), name)),
  } satisfies Record<string, unknown>)
  for (const value of [config, config.tls, config.roots, config.roots[0], config.clients[0]?.allow, config.limits]) t.ok(Object.isFrozen(value))
  t.throws(() => (config.clients as unknown as unknown[]).push({}), TypeError)
})

void t.test('every member can be given', async (t) => {
  const given = {
    listen: { host: '::1', port: 0, browserPort: 0 }, admin: { host: 'localhost', port: 0 },
    tls: { cert: join(folder, 'server.pem'), key: 'server.key', clientCa: './ca.pem', crl: '../' + folder.split('/').at(-1) + '/ca.crl' },
    roots: [{ name: 'a', path: 'packages' }, { name: 'b.2', path: 'more' }],
    keys: [{ keyid: '1', kind: 'command', publicKey: 'public.pem', covers: 'unverified', installedPath: '/etc/aix/keys/example.pem', certificate: 'server.pem' }],
    signer: {
      kind: 'command', command: ['/usr/sbin/create_pkgsign', '-x'], passin: '/etc/security/pswd.file', environment: { ODMDIR: '/etc/objrepos', EMPTY: '' },
      timeoutMs: 1, concurrency: 64, waiting: 0, outputBytes: 1, workDir: 'work',
    },
    clients: [{ name: 'c', match: { spkiSha256: 'ab'.repeat(32) }, allow: [], keys: [], roots: [], digestOnly: true, resign: true, sees: 'all', formats: ['tar', 'other'], filesets: ['PkgA.rte', '*', 'a*b.*'], maxFileBytes: 1, rate: { windowSeconds: 1, requests: 1, bytes: 1 }, concurrency: 1, notBefore: '2026-01-01T00:00:00Z', notAfter: '2026-01-01T00:00:01Z', maxSignatures: 1 }],
    formats: { accept: ['other', 'tar'] }, dsb: { keyDirectory: '/etc/aix/keys/', allowRsa3072: false }, uploadDir: 'work',
    store: { url: 'postgres://signing@db.example.com/signing', passwordFile: '1001.pass', ca: 'ca.pem' }, signatureFile: 'var/signatures',
    transparencyLog: { origin: 'sign.example.com/log', key: 'log.key' }, idempotency: { keepMs: 1 },
    limits: { fileBytes: 1, directoryEntries: 1, bodyBytes: 1, connections: 1, handshakeMs: 1, requestMs: 1, idleMs: 1, uploads: 1, waitingFiles: 1 },
    shutdown: { deadlineMs: 1 }, log: { level: 'silent' },
  }
  const config = await parseConfig(stringify(given), FILE)
  t.match(config, { ...given, tls: { crl: join(folder, 'ca.crl') }, roots: [{}, { path: join(folder, 'more') }], keys: [{ publicKey: join(folder, 'public.pem'), certificate: join(folder, 'server.pem') }], uploadDir: join(folder, 'work'), signer: { environment: { ODMDIR: '/etc/objrepos' }, workDir: join(folder, 'work') }, signatureFile: join(folder, 'var/signatures'), store: { passwordFile: join(folder, '1001.pass'), ca: join(folder, 'ca.pem') }, transparencyLog: { key: join(folder, 'log.key') } })
  const file = await parseConfig(MINIMAL.replace('path: 1001.pem', 'path: 1001.pem\n    passphraseFile: 1001.pass'), FILE)
  t.match(file.keys, [{ passphraseFile: join(folder, '1001.pass') }])
  for (const empty of ['listen:', 'limits:', 'limits: { fileBytes: }', 'signer:', 'log: {}']) {
    const [{ sha256: one, ...given }, { sha256: other, ...plain }] = [await parseConfig(`${MINIMAL}${empty}\n`, FILE), await parseConfig(MINIMAL, FILE)]
    t.strictSame(given, plain, empty)
    t.not(one, other, 'another text is another configuration')
  }
})

type Row = readonly [name: string, { given: string; want: readonly string[] }]
const change = (from: string, to: string) => MINIMAL.replace(from, to)

const box = (...members: readonly string[]) => `${MINIMAL}${members.map((member) => `    ${member}\n`).join('')}`
const HOSTILE_PATTERNS = ['', '**', 'a**b', 'PkgA?', '[a-z]', 'a b', 'a\nb', 'a:b', 'ä', 'PkgA.(a+)+', '^a$', 'a\\*', '{a,b}', 'a/b', 'a'.repeat(145), '\u0000']

const FAULTS: readonly Row[] = [
  ['an empty file', { given: '', want: ['1: tls is missing', '1: roots is missing', '1: keys is missing', '1: clients is missing'] }],
  ['a scalar', { given: '42', want: ['1: must be a mapping'] }],
  ['a list', { given: '[]', want: ['1: must be a mapping'] }],
  ['an unknown member at the top', { given: `${MINIMAL}\nport: 6000`, want: ['19: port: unknown member; known here are listen, admin, tls, roots, keys, signer, clients, formats, dsb, uploadDir, store, transparencyLog, idempotency, signatureFile, limits, reload, shutdown, log'] }],
  ['an unknown member of a section', { given: `${MINIMAL}listen:\n  prot: 1`, want: ['19: listen.prot: unknown member; known here are host, port, browserPort'] }],
  ['an unknown member of an item', { given: change('    path: packages', '    path: packages\n    recursive: true'), want: ['8: roots[0].recursive: unknown member; known here are name, path'] }],
  ['an unknown member of a variant', { given: change('kind: file', 'kind: file\n    pin: 1'), want: ['11: keys[0].pin: unknown member; known here are keyid, kind, path, passphraseFile, passphraseFd, installedPath, certificate, state, notBefore, notAfter, successor, revokedAt, revocationReason'] }],
  ['both ways to match', { given: change('{ san: "URI:urn:example:bot" }', '{ san: "URI:urn:example:bot", spkiSha256: "" }'), want: ['14: clients[0].match.spkiSha256: unknown member; known here are san'] }],
  ['an unknown member of the timestamp', { given: `${MINIMAL}signer: { kind: embedded, timestamp: { zone: UTC } }`, want: ['18: signer.timestamp.zone: unknown member; known here are syntax, source'] }],
  ['__proto__', { given: `${MINIMAL}__proto__: { polluted: 1 }`, want: ['18: __proto__: unknown member; known here are listen, admin, tls, roots, keys, signer, clients, formats, dsb, uploadDir, store, transparencyLog, idempotency, signatureFile, limits, reload, shutdown, log'] }],
  ['a member with an odd name', { given: `${MINIMAL}"a\\nb": 1\n"": 1`, want: ['18: ["a\\nb"]', '19: [""]'].map((place) => `${place}: unknown member; known here are listen, admin, tls, roots, keys, signer, clients, formats, dsb, uploadDir, store, transparencyLog, idempotency, signatureFile, limits, reload, shutdown, log`) }],
  ['a missing member', { given: change('  key: server.key\n', ''), want: ['1: tls: key is missing'] }],
  ['an unknown kind of signer', { given: `${MINIMAL}signer: { kind: gpg }`, want: ['18: signer: must be { kind: embedded, … } or { kind: command, … }'] }],
  ['listeners of the wrong type', { given: `${MINIMAL}listen: 6000\nadmin: 6001`, want: ['18: listen: must be a mapping', '19: admin: must be a mapping'] }],
  ['a section of the wrong type', { given: `${MINIMAL}limits: [1]`, want: ['18: limits: must be a mapping'] }],
  ['a list of the wrong type', { given: change('[sign]', 'sign'), want: ['15: clients[0].allow: must be a list'] }],
  ['an item of the wrong type', { given: change('- name: nim\n    path: packages', '- nim'), want: ['6: roots[0]: must be a mapping', '16: clients[0].roots[0]: there is no root nim'] }],
  ['a keyid without quotes', { given: change('keyid: "1001"', 'keyid: 1001'), want: ['9: keys[0].keyid: must be text: put it in quotes', '16: clients[0].keys[0]: there is no key 1001'] }],
  ['a keyid that is no number', { given: change('keyid: "1001"', 'keyid: x1'), want: ['9: keys[0].keyid: must match ^[0-9]{1,10}$', '16: clients[0].keys[0]: there is no key 1001'] }],
  ['an unknown kind of key', { given: change('kind: file', 'kind: hsm'), want: ['9: keys[0]: must be { kind: file, … } or { kind: pkcs12, … } or { kind: pkcs11, … } or { kind: public, … } or { kind: command, … }', '16: clients[0].keys[0]: there is no key 1001'] }],
  ['no way to match', { given: change('{ san: "URI:urn:example:bot" }', '{}'), want: ['14: clients[0].match: must be { san: … } or { spkiSha256: … }'] }],
  ['a client that is text', { given: MINIMAL.slice(0, MINIMAL.indexOf('  - name: bot')).concat('  - bot'), want: ['13: clients[0]: must be a mapping'] }],
  ['a match that is text', { given: change('{ san: "URI:urn:example:bot" }', 'bot'), want: ['14: clients[0].match: must be a mapping'] }],
  ['a SAN without its type', { given: change('"URI:urn:example:bot"', 'urn:example:bot'), want: ['14: clients[0].match.san: must match ^(?:URI|DNS|email|IP Address):.+$'] }],
  ['no keys', { given: change('keys:\n  - keyid: "1001"\n    kind: file\n    path: 1001.pem', 'keys: []').replace('["1001"]', '[]'), want: ['8: keys: must not have fewer than 1 items'] }],
  ['an operation that is none', { given: change('[sign]', '[sign, "*"]'), want: [`15: clients[0].allow[1]: must be one of ${OPERATIONS.join(', ')}`] }],
  ['an operation given twice', { given: change('[sign]', '[sign, sign]'), want: ['15: clients[0].allow: must not have duplicate items'] }],
  ['limits of a client that cannot be meant', {
    given: box('maxFileBytes: 0', 'concurrency: 1.5', 'maxSignatures: 100001', 'rate: { requests: 1, bytes: 0, perSecond: 1 }', 'notBefore: 2026-02-30T00:00:00Z', 'notAfter: "tomorrow"', 'sees: all'),
    want: [
      '18: clients[0].maxFileBytes: must be >= 1', '19: clients[0].concurrency: must be integer', '20: clients[0].maxSignatures: must be <= 100000',
      '21: clients[0].rate.perSecond: unknown member; known here are windowSeconds, requests, bytes', '21: clients[0].rate.bytes: must be >= 1',
      '22: clients[0].notBefore: is no time of the calendar', '23: clients[0].notAfter: must match ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$',
    ],
  }],
  ['an end that is no later than the beginning', { given: box('notBefore: "2026-01-01T00:00:00Z"', 'notAfter: "2026-01-01T00:00:00Z"'), want: ['19: clients[0].notAfter: is not after notBefore'] }],
  ['a rate of nothing', { given: box('rate: { windowSeconds: 60 }'), want: ['18: clients[0].rate: names neither requests nor bytes'] }],
  ['formats that nobody may have signed', { given: box('formats: [installp, zip, other, elf]'), want: ['18: clients[0].formats[3]: must be one of installp, compress, rpm, tar, gzip, zip, xz, other', '18: clients[0].formats[1]: formats.accept does not list zip'] }],
  ['patterns that are none', {
    given: box(`filesets: [${HOSTILE_PATTERNS.map((pattern) => JSON.stringify(pattern)).join(', ')}]`),
    want: HOSTILE_PATTERNS.map((_, index) => `18: clients[0].filesets[${index}]: must match ^(?!.*\\*\\*)[A-Za-z0-9._+*-]{1,144}$`),
  }],
  ['a port out of range', { given: `${MINIMAL}listen: { port: 65536, browserPort: -1 }`, want: ['18: listen.port: must be <= 65535', '18: listen.browserPort: must be >= 0'] }],
  ['a port as text, a fraction', { given: `${MINIMAL}listen: { port: "6000", browserPort: 1.5 }`, want: ['18: listen.port: must be integer', '18: listen.browserPort: must be integer'] }],
  ['a host that is none', { given: `${MINIMAL}listen: { host: "a b" }`, want: ['18: listen.host: must match ^[A-Za-z0-9._:%-]{1,255}$'] }],
  ['control characters in a path', { given: change('cert: server.pem', 'cert: "server\\0.pem"'), want: ['2: tls.cert: must be text without control characters, 1 to 4096 characters long'] }],
  ['an environment', { given: `${COMMAND}signer:\n  kind: command\n  command: [create_pkgsign]\n  environment:\n    GOOD: good\n    B-AD: x\n    NUMBER: 1\n    NUL: "a\\0b"`, want: ['24: signer.environment.B-AD: the name must match ^[A-Za-z_][A-Za-z0-9_]*$', '25: signer.environment.NUMBER: must be text: put it in quotes', '26: signer.environment.NUL: must match ^[^\\u0000]*$'] }],
  ['an environment that is a list', { given: `${COMMAND}signer: { kind: command, command: [x], environment: [] }`, want: ['19: signer.environment: must be a mapping'] }],
  ['a store of another kind', { given: `${MINIMAL}store: { url: "file:x" }`, want: ['18: store.url: must match ^(?:sqlite:|postgres(?:ql)?://)[^\\u0000-\\u001f\\u007f]+$'] }],
  ['a password in the URL of the store', { given: `${MINIMAL}store: { url: "postgres://signing:secret@db/signing" }`, want: ['18: store.url: must not have a password: put it into a file that the server alone may read, and name that in store.passwordFile'] }],
  ['what PostgreSQL needs beside an SQLite file', { given: `${MINIMAL}store: { passwordFile: 1001.pem, ca: ca.pem }`, want: ['18: store.passwordFile: is for PostgreSQL, and store.url names an SQLite file', '18: store.ca: is for PostgreSQL, and store.url names an SQLite file'] }],
  ['a password that others may read, and authorities that nobody asks', { given: `${MINIMAL}store: { url: "postgres://signing@db/signing?sslmode=require", passwordFile: ca.pem, ca: ca.pem }`, want: ['18: store.ca: is for sslmode=verify-full', '18: store.passwordFile: others may read ca.pem; chmod 600 it'] }],
  // names and parts that do not fit together
  ...['/etc/security/certificates', '/etc/security/certificates/../passwd', '/etc/security/certificates/..', '/etc/security/certificates//x', '/etc/security/certificates/./x', '/etc/passwd'].map((path): Row =>
    [`a key that is installed at ${path}`, { given: change('path: 1001.pem', `path: 1001.pem\n    installedPath: ${path}`), want: ['12: keys[0].installedPath: must lie below dsb.keyDirectory, /etc/security/certificates/'] }]),
  ['a directory of keys without its end', { given: `${MINIMAL}dsb: { keyDirectory: /etc/keys }`, want: ['18: dsb.keyDirectory: must match ^/(?:[A-Za-z0-9._-]+/)+$'] }],
  ['uploads inside a root', { given: `${MINIMAL}uploadDir: packages`, want: ['18: uploadDir: lies inside the root nim'] }],
  ['a format that nobody knows', { given: `${MINIMAL}formats: { accept: [zip, deb] }`, want: ['18: formats.accept[1]: must be one of installp, compress, rpm, tar, gzip, zip, xz, other'] }],
  ['names given twice', { given: change('roots:\n', 'roots:\n  - { name: nim, path: more }\n'), want: ['7: roots[1].name: is the same as roots[0].name'] }],
  ['keyids given twice', { given: change('clients:', '  - { keyid: "1001", kind: file, path: 1001.pem }\nclients:'), want: ['12: keys[1].keyid: is the same as keys[0].keyid'] }],
  ['clients given twice', { given: `${MINIMAL}  - { name: bot, match: { san: "URI:urn:example:bot" }, allow: [], keys: [], roots: [] }`, want: ['18: clients[1].name: is the same as clients[0].name', '18: clients[1].match: is the same as clients[0].match'] }],
  ['two clients of which both have a faulty match', { given: change('match: { san: "URI:urn:example:bot" }', 'match: { san: 1 }').concat('  - { name: b, match: { san: 2 }, allow: [], keys: [], roots: [] }'), want: ['14: clients[0].match.san: must be text: put it in quotes', '18: clients[1].match.san: must be text: put it in quotes'] }],
  ['keys and roots that are not there', { given: change('keys: ["1001"]', 'keys: ["1001", "7"]').replace('roots: [nim]', 'roots: [nim, other]'), want: ['16: clients[0].keys[1]: there is no key 7', '17: clients[0].roots[1]: there is no root other'] }],
  ['a key of another kind than the signer', { given: COMMAND, want: ['10: keys[0].kind: must not be command, because signer.kind is embedded'] }],
  ['a command beside a key in a file', { given: `${MINIMAL}signer: { kind: command, command: [./bin/sign], passin: pass }`, want: ['10: keys[0].kind: must be command, because signer.kind is command', '18: signer.command[0]: must be a name without a slash or an absolute path', '18: signer.passin: must be an absolute path'] }],
  ['a state that is none', { given: change('path: 1001.pem', 'path: 1001.pem\n    state: lost'), want: ['12: keys[0].state: must be one of active, retiring, retired, revoked'] }],
  ['times that are none', { given: change('path: 1001.pem', 'path: 1001.pem\n    notBefore: 2026-02-30T00:00:00Z\n    notAfter: 2026-13-01T00:00:00Z'), want: ['12: keys[0].notBefore: is no time of the calendar', '13: keys[0].notAfter: is no time of the calendar'] }],
  ['a time in another zone', { given: change('path: 1001.pem', 'path: 1001.pem\n    notAfter: 2026-01-01T00:00:00+01:00'), want: ['12: keys[0].notAfter: must match ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$'] }],
  ['a revocation of a key that is not revoked', { given: change('path: 1001.pem', 'path: 1001.pem\n    revokedAt: 2026-02-30T00:00:00Z\n    revocationReason: lost'), want: ['12: keys[0].revokedAt: is no time of the calendar', '12: keys[0].revokedAt: is for a key whose state is revoked', '13: keys[0].revocationReason: is for a key whose state is revoked'] }],
  ['an end before the beginning', { given: change('path: 1001.pem', 'path: 1001.pem\n    notBefore: 2026-01-01T00:00:00Z\n    notAfter: 2026-01-01T00:00:00Z'), want: ['13: keys[0].notAfter: is not after notBefore'] }],
  ['successors that hand over in a ring', { given: change('path: 1001.pem', 'path: 1001.pem\n    successor: "2"').replace('clients:', '  - { keyid: "2", kind: file, path: 1001.pem, successor: "3" }\n  - { keyid: "3", kind: file, path: 1001.pem, successor: "2" }\n  - { keyid: "4", kind: file, path: 1001.pem, successor: "5" }\n  - { keyid: "5", kind: file, path: 1001.pem }\nclients:'), want: ['13: keys[1].successor: leads back to key 2, which cannot take over from its own successor', '14: keys[2].successor: leads back to key 3, which cannot take over from its own successor'] }],
  ['successors that are none', { given: change('path: 1001.pem', 'path: 1001.pem\n    successor: "1001"').replace('clients:', '  - { keyid: "2", kind: file, path: 1001.pem, successor: "3" }\nclients:'), want: ['12: keys[0].successor: is the key itself', '13: keys[1].successor: there is no key 3'] }],
  ['a key without a private part that is not out of use', { given: change('kind: file\n    path: 1001.pem', 'kind: public\n    publicKey: public.pem'), want: ['9: keys[0]: state is missing'] }],
  ['a key without a private part that signs', { given: change('kind: file\n    path: 1001.pem', 'kind: public\n    publicKey: public.pem\n    state: active'), want: ['12: keys[0].state: must be one of retired, revoked'] }],
  ['a keystore without a passphrase', { given: change('kind: file', 'kind: pkcs12'), want: ['9: keys[0]: passphraseFile or passphraseFd is missing'] }],
  ['a passphrase from two places', { given: change('path: 1001.pem', 'path: 1001.pem\n    passphraseFile: 1001.pass\n    passphraseFd: 3'), want: ['13: keys[0].passphraseFd: stands beside passphraseFile; name one of them'] }],
  ['a passphrase from a descriptor that is not for it', { given: change('path: 1001.pem', 'path: 1001.pem\n    passphraseFd: 2'), want: ['12: keys[0].passphraseFd: must be >= 3'] }],
  ['a descriptor given twice', { given: change('path: 1001.pem', 'path: 1001.pem\n    passphraseFd: 3').replace('clients:', '  - { keyid: "2", kind: pkcs12, path: 1001.pem, passphraseFd: 3 }\nclients:'), want: ['13: keys[1].passphraseFd: is the same as keys[0].passphraseFd'] }],
  ['a command that is missing', { given: `${COMMAND}signer: { kind: command }`, want: ['19: signer: command is missing'] }],
  ['a command that is text', { given: `${COMMAND}signer: { kind: command, command: create_pkgsign }`, want: ['19: signer.command: must be a list'] }],
  ['an empty command', { given: `${COMMAND}signer: { kind: command, command: [] }`, want: ['19: signer.command: must not have fewer than 1 items'] }],
  ['ports given twice', { given: `${MINIMAL}listen: { port: 6001, browserPort: 6001 }`, want: ['1: admin.port: is the same as a port of listen', '18: listen.browserPort: is the same as listen.port'] }],
  ['an administration port given twice', { given: `${MINIMAL}admin: { port: 6443 }`, want: ['18: admin.port: is the same as a port of listen'] }],
  ['a store, a signature file and a folder inside a root', { given: `${COMMAND}signer: { kind: command, command: [x], workDir: packages }\nstore: { url: "sqlite:packages/db" }\nsignatureFile: packages/sub/signatures\ntransparencyLog: { key: packages/log.key }`, want: ['19: signer.workDir: lies inside the root nim', '20: store.url: lies inside the root nim', '21: signatureFile: lies inside the root nim', '22: transparencyLog.key: lies inside the root nim'] }],
  // files
  ['files that are missing', { given: change('server.pem', 'absent.pem').replace('packages', 'absent'), want: ['2: tls.cert: there is no file absent.pem', '7: roots[0].path: there is no directory absent'] }],
  ['files of another kind', { given: change('server.pem', 'packages').replace('path: packages', 'path: ca.pem'), want: ['2: tls.cert: packages is not a regular file', '7: roots[0].path: ca.pem is not a directory'] }],
  ['a secret that others may read', { given: change('server.key', 'ca.pem').replace('1001.pem', 'server.pem'), want: ['3: tls.key: others may read ca.pem; chmod 600 it', '11: keys[0].path: others may read server.pem; chmod 600 it'] }],
  ['a path below a file', { given: change('server.pem', 'ca.pem/x'), want: ['2: tls.cert: ca.pem/x cannot be read (ENOTDIR)'] }],
  // YAML
  ['broken YAML', { given: 'tls: {', want: ['1: Flow map in block collection must be sufficiently indented and end with a }'] }],
  ['a member given twice', { given: `${MINIMAL}tls: {}`, want: ['18: Map keys must be unique'] }],
  ['a second document', { given: `${MINIMAL}---\na: 1`, want: ['18: Source contains multiple documents; please use YAML.parseAllDocuments()'] }],
  ['an unknown tag', { given: change('name: bot', 'name: !env BOT'), want: ['13: Unresolved tag: !env'] }],
  ['an alias', { given: change('path: packages', 'path: &p packages').replace('path: 1001.pem', 'path: *p'), want: ['11: aliases are not allowed'] }],
  ['a name that is no text', { given: `${MINIMAL}? [a, b]\n: 1\n? { c: 1 }\n: 2`, want: ['18: the name of a member must be text', '20: the name of a member must be text'] }],
  ['a name that is not there', { given: `${MINIMAL}: 1\n6000: x`, want: ['18: the name of a member must be text', '19: the name of a member must be text'] }],
]

void t.test('every fault is reported, all at once, with its line', async (t) => {
  for (const [name, { given, want }] of FAULTS) t.strictSame(await faultsOf(given), want, name)
  t.strictSame(
    await faultsOf(change('server.pem', 'absent').replace('name: nim', 'name: "-"').replace('[sign]', '[all]').concat('listen:\n  prot: 1\nlimits: { fileBytes: 0, requestMs: x }')),
    [
      '2: tls.cert: there is no file absent', '6: roots[0].name: must match ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$', `15: clients[0].allow[0]: must be one of ${OPERATIONS.join(', ')}`,
      '17: clients[0].roots[0]: there is no root nim', '19: listen.prot: unknown member; known here are host, port, browserPort', '20: limits.fileBytes: must be >= 1', '20: limits.requestMs: must be integer',
    ],
    'all at once',
  )
})

void t.test('what the server writes lies inside no root, by whatever links, and neither does what it writes by default', async (t) => {
  mkdirSync(join(folder, 'packages', 'deep'), { recursive: true })
  symlinkSync('packages', join(folder, 'link'))
  symlinkSync(join(folder, 'packages', 'deep'), join(folder, 'deep-link'))
  t.strictSame(await faultsOf(`${MINIMAL}uploadDir: link\nstore: { url: "sqlite:link/made/later/db" }\nsignatureFile: deep-link/signatures\ntransparencyLog: { key: 1001.pem/no.key }`), [
    '18: uploadDir: lies inside the root nim', '19: store.url: lies inside the root nim', '20: signatureFile: lies inside the root nim',
  ])
  t.strictSame(await faultsOf(`${change('path: packages', 'path: link')}uploadDir: packages`), ['18: uploadDir: lies inside the root nim'], 'a root may be the link')
  t.match(await faultsOf(change('path: packages', 'path: /')), [/^1: store\.url: lies/, /^1: transparencyLog\.key: lies/, /^1: uploadDir: is not given, and the system's temporary folder \/.* lies inside the root nim$/])
  const { TMPDIR } = process.env
  process.env['TMPDIR'] = join(folder, 'packages')
  t.teardown(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = TMPDIR
  })
  t.match(await faultsOf(`${COMMAND}signer: { kind: command, command: [x] }`), [/^1: uploadDir: is not given, and .* lies inside the root nim$/, /^19: signer\.workDir: is not given, and .* lies inside the root nim$/])
})

void t.test('what the server writes is none of the files that it reads, by whatever links', async (t) => {
  const names = { store: 'link.pem', log: '1001.pem', signatures: FILE }
  symlinkSync('ca.pem', join(folder, names.store))
  t.strictSame(await faultsOf(`${MINIMAL}store: { url: "sqlite:${names.store}" }\ntransparencyLog: { key: ${names.log} }\nsignatureFile: ${names.signatures}`), [
    '18: store.url: is a file that the server reads', '19: transparencyLog.key: is a file that the server reads', '20: signatureFile: is a file that the server reads',
  ])
})

void t.test('a file that cannot be read as text is refused', async (t) => {
  await t.rejects(loadConfig(join(folder, 'absent.yaml')), { name: 'ConfigError', message: `${join(folder, 'absent.yaml')}:0: cannot be read (ENOENT)`, faults: [{ line: 0 }] })
  await t.rejects(loadConfig(folder), { message: `${folder}:0: cannot be read (EISDIR)` })
  writeFileSync(FILE, Buffer.from([0x61, 0xff]))
  await t.rejects(loadConfig(FILE), { message: `${FILE}:0: is not UTF-8` })
})

void t.test('files and directories that the server may not read are refused', { skip: nobodyCannotReach(folder) }, async (t) => {
  mkdirSync(join(folder, 'locked'))
  chmodSync(join(folder, 'locked'), 0o700)
  chmodSync(join(folder, 'ca.crl'), 0o600)
  const given = change('clientCa: ca.pem', 'clientCa: ca.pem\n  crl: ca.crl').replace('path: packages', 'path: locked').replace('cert: server.pem', 'cert: locked/server.pem')
  t.strictSame(await asNobody(async () => await faultsOf(given)), [
    '2: tls.cert: locked/server.pem cannot be read (EACCES)', '3: tls.key: server.key cannot be read', '5: tls.crl: ca.crl cannot be read', '8: roots[0].path: locked cannot be read', '12: keys[0].path: 1001.pem cannot be read',
  ])
})

void t.test('no text makes anything but a ConfigError, and each of its faults has one line', async () => {
  const lines = MINIMAL.split('\n')
  const scalar = fc.oneof(fc.constantFrom('~', '{}', '[]', '-1', '1e400', 'true', '"\\u0000"', '!!binary "AA=="', '&a x', '*a', '<<', '2001-01-01', '|', '%YAML 9'), fc.string())
  const mutated = fc.array(fc.record({ line: fc.nat(lines.length - 1), text: scalar, how: fc.constantFrom('cut', 'value', 'name', 'indent', 'twice') }), { minLength: 1, maxLength: 3 }).map((changes) => {
    const copy = [...lines]
    for (const { line, text, how } of changes) {
      const old = copy[line] ?? ''
      if (how === 'cut') copy[line] = ''
      else if (how === 'value') copy[line] = old.replace(/:.*/, () => `: ${text}`)
      else if (how === 'name') copy[line] = old.replace(/[a-zA-Z]+:/, () => `${text}:`)
      else copy[line] = how === 'indent' ? ` ${old}` : `${old}\n${old}`
    }
    return copy.join('\n')
  })
  await fc.assert(fc.asyncProperty(fc.oneof(mutated, fc.string({ unit: 'binary', maxLength: 200 }), fc.json().map((json) => stringify(JSON.parse(json)))), async (text) => {
    const outcome: Config | ConfigError = await parseConfig(text, FILE).catch((error: unknown) => {
      if (error instanceof ConfigError) return error
      throw error
    })
    if (!(outcome instanceof ConfigError)) return true
    const last = text.split('\n').length
    return outcome.faults.length > 0 && outcome.message.split('\n').length === outcome.faults.length && outcome.faults.every(({ line }) => line >= 1 && line <= last)
  }), { numRuns: NUM_RUNS })
  for (const text of ['['.repeat(20_000), '- '.repeat(3000), '{a: '.repeat(8000), '? '.repeat(3000), `${'[['.repeat(200)}${']]'.repeat(200)}`, `{${'a'.repeat(1_000_000)}: 1}`]) {
    await t.rejects(parseConfig(text, FILE), ConfigError)
  }
})

void t.test('keys in tokens', async (t) => {
  const { keys: [key] } = await parseConfig(TOKEN, FILE)
  const at = (name: string) => join(folder, name)
  t.strictSame(key, {
    keyid: '1001', kind: 'pkcs11', module: at('public.pem'), token: { label: 'release' }, key: { label: 'aix' }, pinFile: at('1001.pass'), extractable: false, sessions: 4, timeoutMs: 10_000, waiting: 256, environment: {},
  })
  const withSecond = (rest: string) => TOKEN.replace('clients:', `${SECOND}${rest}\nclients:`)
  t.strictSame(await faultsOf(withSecond(', publicKey: public.pem, extractable: true }')), [], 'two keys of one token may differ in what is theirs')
  const rows: readonly [string, string, readonly string[]][] = [
    ['a key without label and id', TOKEN.replace('{ label: aix }', '{}'), ['13: keys[0].key: must have label, id or both']],
    ['an id that is not hexadecimal', TOKEN.replace('{ label: aix }', '{ id: "0g" }'), ['13: keys[0].key.id: must match ^(?:[0-9a-f]{2}){1,255}$']],
    ['a token named in no way', TOKEN.replace('{ label: release }', '{}'), ['12: keys[0].token: must be { label: … } or { serial: … } or { slot: … }']],
    ['no token', withSecond(' }').replace('    token: { label: release }\n', ''), ['9: keys[0]: token is missing']],
    ['a token named in two ways', TOKEN.replace('{ label: release }', '{ label: release, slot: 1 }'), ['12: keys[0].token.slot: unknown member; known here are label']],
    ['a PIN in the place of its file', TOKEN.replace('pinFile: 1001.pass', 'pin: "1234"'), ['9: keys[0]: pinFile is missing', '14: keys[0].pin: unknown member; known here are keyid, kind, module, token, key, pinFile, publicKey, extractable, sessions, timeoutMs, waiting, environment, installedPath, certificate, state, notBefore, notAfter, successor, revokedAt, revocationReason']],
    ['a PIN file that others may read', TOKEN.replace('pinFile: 1001.pass', 'pinFile: public.pem'), ['14: keys[0].pinFile: others may read public.pem; chmod 600 it']],
    ['keys of one token that say different things of it', withSecond(', sessions: 2, environment: { A: b } }'), ['15: keys[1].sessions: must be the same as in keys[0] of the same token', '15: keys[1].environment: must be the same as in keys[0] of the same token']],
    ['tokens of one module named in different ways', withSecond(' }').replace('token: { label: release }, key: { id', 'token: { slot: 1 }, key: { id'), ['15: keys[1].token: must have label, as in keys[0] of the same module']],
    ['a token key with a wrapped command', `${TOKEN}signer: { kind: command, command: [create_pkgsign] }\n`, ['10: keys[0].kind: must be command, because signer.kind is command']],
  ]
  for (const [name, text, want] of rows) t.strictSame(await faultsOf(text), want, name)
})
