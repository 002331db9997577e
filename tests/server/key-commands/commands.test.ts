import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import t, { type Test } from 'tap'
import { runCommand } from '../../../server/command.ts'
import { changeConfiguration } from '../../../server/key-commands/configuration.ts'
import { loadConfig, type Config } from '../../../server/config/load.ts'
import { openKeys } from '../../../server/keys/open.ts'
import { createThreadPool } from '../../../server/threads/pool.ts'
import { WORKER_MODULE } from '../../../server/threads/worker-module.ts'
import { keyBag, keystore, opensslKeystore, plainContent } from '../../helpers/keystores.ts'
import { makePlace, TRUSTED_BOT } from '../../helpers/place.ts'
import { issueSelfSigned } from '../../helpers/self-signed.ts'
import { rsaKeyPair } from '../../helpers/signables.ts'

type Ran = Readonly<{ status: number; out: string; err: string }>

async function run(cwd: string, ...args: readonly string[]): Promise<Ran> {
  let [out, err] = ['', '']
  const status = await runCommand(['keys', ...args], { cwd, print: (text) => void (out += text), complain: (text) => void (err += text) })
  return { status, out, err }
}

function folderOf(test: Test, files: Readonly<Record<string, string>> = {}): string {
  const folder = realpathSync(test.testdir({}))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content, { mode: 0o600 })
  return folder
}

// Every number of the key that the public part has stays, one of the private ones is another.
const damagedRsa = (): string => {
  const jwk = rsaKeyPair().privateKey.export({ format: 'jwk' })
  const other = rsaKeyPair().privateKey.export({ format: 'jwk' })
  return createPrivateKey({ key: { ...jwk, dp: other.dp as string, d: other.d as string }, format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' })
}

const inDays = (days: number): string => `${new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)}T00:00:00Z`

const modeOf = (path: string) => statSync(path).mode & 0o777

/** Opens the keys of a configuration as the server does when it starts. */
async function openAll(test: Test, { keys }: Pick<Config, 'keys'>) {
  const pool = createThreadPool({ module: WORKER_MODULE, size: 1, maxWaiting: 10 })
  test.teardown(async () => await pool.close())
  return await openKeys(keys, { pool, maxWholeBytes: 1_000_000 })
}

void t.test('every command has help with an example; what is misspelled is wrong usage', async (t) => {
  t.match(await run('/', '--help'), { status: 0, out: /generate[^]*import[^]*rotate[^]*revoke[^]*log-key/ })
  for (const word of ['generate', 'import', 'rotate', 'revoke', 'log-key']) t.match(await run('/', word, '--help'), { status: 0, out: /Examples:\n {2}signing-server keys / }, word)
  const wrong: readonly (readonly string[])[] = [
    [], ['generate'], ['generate', 'x'], ['generate', '12345678901'], ['generate', '1', '--algorithm', 'dsa'], ['generate', '1', '--days', '0'], ['generate', '1', '--days', '36501'], ['generate', '1', '--days', 'x'],
    ['generate', '1', '--passphrase-fd', '2'], ['generate', '1', '--passphrase-fd', 'x'], ['generate', '1', '--passphrase-fd', '3', '--passphrase-file', 'x'], ['import', '1'], ['import', '1', '--from', 'x', '--csr', '--certificate', 'x'], ['rotate', '1', '--to', '2'], ['rotate', '1', '--config', 'x'],
    ['revoke', '1', '--config', 'x'], ['revoke', '1', '--config', 'x', '--reason', ' '], ['revoke', '1', '--config', 'x', '--reason', 'two\nlines'], ['revoke', '1', '--config', 'x', '--reason', 'x'.repeat(201)], ['revoke', '1', '--config', 'x', '--reason', 'stolen\u2028not'], ['revoke', '1', '--config', 'x', '--reason', 'stolen\u202eton'], ['log-key'],
    ['generate', '1', '--subject', 'x'], ['generate', '1', '--subject', 'CN=a=b'], ['generate', '1', '--subject', 'UID=a'], ['generate', '1', '--subject', 'CN='], ['generate', '1', '--subject', 'CN= a'], ['generate', '1', '--subject', `CN=${'a'.repeat(65)}`],
    ['generate', '1', '--subject', 'CN=a\\,b'], ['generate', '1', '--subject', 'C=Germany'], ['generate', '1', '--algorithm', 'ed25519', '--installed-path', '/etc/security/certificates/x.pem'],
  ]
  const folder = folderOf(t)
  for (const args of wrong) t.match(await run(folder, ...args), { status: 2, out: '' }, encodeURI(args.join(' ')))
  t.strictSame(readdirSync(folder), [])
})

void t.test('keys generate makes a key of every kind that the server opens, a certificate and the public part, with their permissions', async (t) => {
  const folder = folderOf(t, { pass: 'correct horse\n' })
  const kinds = [['1', 'rsa-2048-sha256'], ['2', 'rsa-3072-sha256'], ['4', 'ecdsa-p256-sha256'], ['5', 'ed25519'], ['6', 'ml-dsa-65'], ...(process.env['TEST_FULL'] === '1' ? [['3', 'rsa-4096-sha256'] as const] : [])] as const
  const entries: Config['keys'][number][] = []
  for (const [keyid, algorithm] of kinds) {
    const { status, out, err } = await run(folder, 'generate', keyid, '--algorithm', algorithm, '--passphrase-file', 'pass', '--subject', 'CN=release signing, O=Example, C=DE', '--days', '30')
    t.equal(status, 0, algorithm)
    const [entry] = parse(out) as [Config['keys'][number]]
    const rsa = algorithm.startsWith('rsa')
    t.strictSame(entry, { keyid, kind: 'file', path: join(folder, `${keyid}.pem`), passphraseFile: join(folder, 'pass'), ...(rsa ? { installedPath: `/etc/security/certificates/signing-server-${keyid}.pem` } : {}), certificate: join(folder, `${keyid}.certificate.pem`) })
    t.match(out, new RegExp(`^# key ${keyid}: ${algorithm}, .*\n# private key: .*mode 0600, encrypted`))
    t.match(err, /check-config[^]*install .*public\.pem on the targets/)
    entries.push(entry)
    const pem = readFileSync(join(folder, `${keyid}.pem`), 'utf8')
    t.match(pem, /^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
    const publicKey = createPublicKey(readFileSync(join(folder, `${keyid}.public.pem`)))
    t.match(readFileSync(join(folder, `${keyid}.public.pem`), 'utf8'), /^-----BEGIN PUBLIC KEY-----/)
    const certificate = new X509Certificate(readFileSync(join(folder, `${keyid}.certificate.pem`)))
    t.ok(certificate.verify(publicKey) && certificate.checkPrivateKey(createPrivateKey({ key: pem, passphrase: 'correct horse' })), algorithm)
    t.equal(certificate.subject, 'CN=release signing\nO=Example\nC=DE')
    t.equal(certificate.ca, false)
    t.equal(certificate.validToDate.getTime() - certificate.validFromDate.getTime(), 30 * 86_400_000)
    t.strictSame(['pem', 'public.pem', 'certificate.pem'].map((ending) => modeOf(join(folder, `${keyid}.${ending}`))), [0o600, 0o644, 0o644])
  }
  const keyring = await openAll(t, { keys: entries })
  t.strictSame([...keyring.values()].map(({ keyid, algorithm }) => [keyid, algorithm]), kinds)
  t.match(await run(folder, 'generate', '1'), { status: 1, out: '', err: /1\.pem is there already, and nothing is written over/ })
})

void t.test('keys generate takes a passphrase from a descriptor, makes requests for an authority, and leaves nothing when a file is in its way', async (t) => {
  const folder = folderOf(t, { pass: 'from a descriptor\n', '3.csr.pem': 'here' })
  const umask = process.umask(0o077)
  t.teardown(() => process.umask(umask))
  const fd = openSync(join(folder, 'pass'), 'r')
  const { status, out, err } = await run(folder, 'generate', '2', '--passphrase-fd', String(fd), '--csr', '--installed-path', '/etc/security/certificates/mine.pem')
  t.equal(status, 0)
  t.strictSame(parse(out), [{ keyid: '2', kind: 'file', path: join(folder, '2.pem'), passphraseFd: fd, installedPath: '/etc/security/certificates/mine.pem' }])
  t.match(out, /certificate request: .*2\.csr\.pem/)
  t.match(err, /4\. send .*2\.csr\.pem to your authority/)
  t.ok(createPrivateKey({ key: readFileSync(join(folder, '2.pem')), passphrase: 'from a descriptor' }))
  t.match(execFileSync('openssl', ['req', '-in', join(folder, '2.csr.pem'), '-noout', '-verify', '-subject'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }), /subject=CN = signing key 2/)
  t.equal(modeOf(join(folder, '2.public.pem')), 0o644, 'whatever the umask is')
  t.match(await run(folder, 'generate', '3', '--csr'), { status: 1, err: /3\.csr\.pem is there already/ })
  t.match(await run(folder, 'generate', '4', '--out', 'absent'), { status: 1, err: /absent\/4\.pem cannot be made \(ENOENT\)/ })
  t.match(await run(folder, 'generate', '4', '--passphrase-file', 'absent'), { status: 1, err: /absent cannot be opened \(ENOENT\)/ })
  t.strictSame(readdirSync(folder).sort(), ['2.csr.pem', '2.pem', '2.public.pem', '3.csr.pem', 'pass'])
  t.equal(readFileSync(join(folder, '3.csr.pem'), 'utf8'), 'here')
  t.match(await run(folder, 'generate', '5'), { status: 0, out: /mode 0600, not encrypted/ })
})

void t.test('keys import takes keys from PEM and PKCS#12, with their certificates, and refuses what the server would refuse', async (t) => {
  const pair = rsaKeyPair()
  const certificate = await issueSelfSigned(pair)
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs8', format: 'pem' })
  const encrypted = pair.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'old' })
  const folder = folderOf(t, { 'plain.pem': pair.pem, 'encrypted.pem': encrypted, 'small.pem': small, 'damaged.pem': damagedRsa(), 'none.pem': '-----BEGIN NOTHING-----\n', old: 'old\n', new: 'new\n', secret: 'secret\n', 'mine.crt': certificate, 'other.crt': await issueSelfSigned(rsaKeyPair()) })
  const p12 = opensslKeystore({ folder, pem: pair.pem, certificate, passphrase: 'old', more: ['-name', 'release'] })
  writeFileSync(join(folder, 'bare.p12'), keystore({ contents: [plainContent(keyBag(pair.privateKey, 'bare'))] }), { mode: 0o600 })
  chmodSync(p12, 0o600)
  const spki = pair.publicKey.export({ type: 'spki', format: 'pem' })
  const good: readonly (readonly [string, string, readonly string[], Readonly<{ secret?: string; certificate?: string }>])[] = [
    ['1', 'plain.pem', [], {}],
    ['2', 'plain.pem', ['--passphrase-file', 'new', '--certificate', 'mine.crt'], { secret: 'new', certificate }],
    ['3', 'encrypted.pem', ['--from-passphrase-file', 'old'], { secret: 'old' }],
    ['4', 'encrypted.pem', ['--from-passphrase-fd', String(openSync(join(folder, 'old'), 'r')), '--passphrase-file', 'new'], { secret: 'new' }],
    ['5', p12, ['--from-passphrase-file', 'old', '--alias', 'RELEASE'], { secret: 'old', certificate }],
    ['6', 'bare.p12', ['--from-passphrase-file', 'secret', '--csr'], { secret: 'secret' }],
  ]
  for (const [keyid, from, flags, { secret, certificate: wanted }] of good) {
    const ran = await run(folder, 'import', keyid, '--from', from, ...flags)
    t.equal(ran.status, 0, ran.err)
    const pem = readFileSync(join(folder, `${keyid}.pem`))
    t.equal(pem.includes('ENCRYPTED'), secret !== undefined, from)
    t.ok(createPrivateKey({ key: pem, ...(secret === undefined ? {} : { passphrase: secret }) }).equals(pair.privateKey), from)
    t.equal(readFileSync(join(folder, `${keyid}.public.pem`), 'utf8'), spki)
    if (wanted !== undefined) t.equal(new X509Certificate(readFileSync(join(folder, `${keyid}.certificate.pem`))).fingerprint256, new X509Certificate(wanted).fingerprint256)
  }
  const before = readdirSync(folder)
  chmodSync(join(folder, 'mine.crt'), 0o644)
  writeFileSync(join(folder, 'open.pem'), pair.pem, { mode: 0o644 })
  const bad: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['small.pem'], 1, /the key in .*small\.pem has 1024 bits; 2048, 3072 or 4096 are needed/],
    [['damaged.pem'], 1, /the key in .*damaged\.pem is damaged: what it signs does not verify/],
    [['open.pem'], 1, /open\.pem may be used by its group or by others/],
    [['absent.pem'], 1, /absent\.pem cannot be opened/],
    [['none.pem'], 1, /is not one private key in PKCS#8 PEM form/],
    [['plain.pem', '--alias', 'x'], 2, /--alias chooses a key of a PKCS#12 keystore/],
    [['encrypted.pem'], 2, /is encrypted: name its passphrase with --from-passphrase-file/],
    [['encrypted.pem', '--from-passphrase-file', 'new'], 1, /cannot be decrypted/],
    [['encrypted.pem', '--from-passphrase-fd', '7'], 2, /say how the new file is encrypted/],
    [[p12], 2, /is encrypted: name its passphrase/],
    [[p12, '--from-passphrase-file', 'old', '--alias', 'nobody'], 1, /no private key with the alias "nobody"/],
    [['plain.pem', '--certificate', 'other.crt'], 1, /is the certificate of another key/],
  ]
  for (const [[from = '', ...flags], status, err] of bad) t.match(await run(folder, 'import', '9', '--from', from, ...flags), { status, out: '', err }, err.source)
  t.strictSame(readdirSync(folder).filter((name) => !before.includes(name)), ['open.pem'])
})

void t.test('a key is added to a configuration with its comments, mode and link kept; on a fault nothing changes and no file stays', async (t) => {
  const place = await makePlace(t)
  const real = place.configure()
  writeFileSync(real, `# kept\n${readFileSync(real, 'utf8')}# the end\n`)
  chmodSync(real, 0o640)
  const link = join(place.folder, 'link.yaml')
  symlinkSync(real, link)
  mkdirSync(join(place.folder, 'keys'))
  t.match(await run(place.folder, 'generate', '1002', '--config', 'link.yaml', '--out', 'keys'), { status: 0, err: /added to .*link\.yaml/ })
  t.match(await run(place.folder, 'generate', '0003', '--config', 'link.yaml', '--algorithm', 'ed25519'), { status: 0 })
  const text = readFileSync(real, 'utf8')
  t.match(text, /^# kept\n[^]*keys:\n[^]* {2}- keyid: "1002"\n {4}kind: file\n {4}path: keys\/1002\.pem\n[^]*# the end\n$/)
  t.equal(modeOf(real), 0o640)
  t.ok(existsSync(link) && realpathSync(link) === real)
  t.strictSame((await loadConfig(real)).keys.map(({ keyid }) => keyid), ['1001', '1002', '0003'])
  t.strictSame([...(await openAll(t, await loadConfig(real))).keys()], ['1001', '1002', '0003'])
  t.match(await run(place.folder, 'generate', '4', '--config', 'link.yaml', '--algorithm', 'ed25519', '--out', t.testdir({})), { status: 0, out: new RegExp(`path: ${t.testdirName}/4.pem`) })
  writeFileSync(real, text)
  const names = readdirSync(place.folder)
  t.match(await run(place.folder, 'generate', '1002', '--config', real), { status: 1, err: /there is a key 1002 in .* already/ })
  t.match(await run(place.folder, 'generate', '1005', '--config', real, '--installed-path', '/tmp/x.pem'), { status: 1, err: /must lie below dsb\.keyDirectory/ })
  t.match(await run(place.folder, 'generate', '1005', '--config', 'absent.yaml'), { status: 1, err: /absent\.yaml cannot be read \(ENOENT\)/ })
  writeFileSync(real, text.replace('# kept', 'nonsense: 1'))
  t.match(await run(place.folder, 'generate', '1005', '--config', real), { status: 1, err: /unknown member/ })
  t.strictSame(readdirSync(place.folder), names)
  t.equal(readFileSync(real, 'utf8'), text.replace('# kept', 'nonsense: 1'))
})

void t.test('a configuration that changes under the hands of a command is left as it is', async (t) => {
  const place = await makePlace(t)
  const file = place.configure()
  const text = readFileSync(file, 'utf8')
  await t.rejects(changeConfiguration(file, () => writeFileSync(file, `${text}# mine\n`)), { name: 'KeyCommandFault', message: /was changed by somebody else meanwhile/ })
  t.equal(readFileSync(file, 'utf8'), `${text}# mine\n`)
  await t.rejects(changeConfiguration(file, () => rmSync(file)), { name: 'KeyCommandFault', message: /cannot be replaced \(ENOENT\)/ })
  t.notOk(readdirSync(place.folder).some((name) => name.startsWith('signing-server.yaml')))
})

void t.test('of two commands that change a configuration at once, none undoes what the other has said it did', async (t) => {
  const place = await makePlace(t)
  writeFileSync(join(place.folder, '1002.pem'), rsaKeyPair().pem, { mode: 0o600 })
  const file = place.configure({ keys: ['1001', '1002'].map((keyid) => ({ keyid, kind: 'file', path: `${keyid}.pem` })) })
  const text = readFileSync(file, 'utf8')
  for (let round = 0; round < 10; round += 1) {
    writeFileSync(file, text)
    const ran = await Promise.all(['1001', '1002'].map(async (keyid) => await run(place.folder, 'revoke', keyid, '--reason', 'x', '--config', file)))
    const revoked = (await loadConfig(file)).keys.filter(({ state }) => state === 'revoked')
    t.equal(revoked.length, ran.filter(({ status }) => status === 0).length)
    t.ok(revoked.length > 0)
  }
  writeFileSync(`${file}.new`, '')
  t.match(await run(place.folder, 'revoke', '1002', '--reason', 'x', '--config', file), { status: 1, err: /signing-server\.yaml\.new is there: .* nothing is changed/ })
  t.ok(existsSync(`${file}.new`), 'it belongs to somebody else')
  const long = join(place.folder, 'x'.repeat(253))
  renameSync(file, long)
  t.match(await run(place.folder, 'revoke', '1002', '--reason', 'x', '--config', long), { status: 1, err: /cannot be replaced \(ENAMETOOLONG\); nothing is changed/ })
})

void t.test('a configuration that is reached by a link in another folder has its paths from where the link lies, as for the server', async (t) => {
  const place = await makePlace(t)
  const versions = join(place.folder, 'versions')
  mkdirSync(versions)
  const [link, real] = [place.configure(), join(versions, '1.yaml')]
  renameSync(link, real)
  symlinkSync(real, link)
  t.match(await run(place.folder, 'generate', '1002', '--algorithm', 'ed25519', '--config', link), { status: 0, out: /path: 1002\.pem/ })
  t.strictSame((await loadConfig(link)).keys.map(({ keyid }) => keyid), ['1001', '1002'])
  t.strictSame([readdirSync(versions), realpathSync(link)], [['1.yaml'], real])
})

void t.test('keys rotate gives a key a successor in one step, made, imported or there already, and once', async (t) => {
  const place = await makePlace(t)
  const clients = [{ ...TRUSTED_BOT }, { name: 'other', match: { san: 'URI:urn:example:other' }, allow: ['sign'], keys: [], roots: [] }]
  const configure = (keys: readonly object[] = [{ keyid: '1001', kind: 'file', path: '1001.pem' }]) => place.configure({ keys, clients })
  const file = configure()
  const rotate = async (...flags: readonly string[]) => await run(place.folder, 'rotate', '1001', '--config', file, ...flags)
  t.match(await rotate('--to', '1001'), { status: 2, err: /cannot be its own successor/ })
  t.match(await rotate('--to', '1002', '--overlap-days', '60'), { status: 0, out: /# key 1001 is retiring: it signs until .*Z, beside its successor 1002\n$/, err: /1002 is allowed to release-bot; next:[^]*1002\.public\.pem/ })
  const { keys: [old, next], clients: [bot, other] } = await loadConfig(file)
  t.match(old, { state: 'retiring', successor: '1002' })
  t.ok(Math.abs(Date.parse(old?.notAfter ?? '') - Date.now() - 60 * 86_400_000) < 60_000)
  t.match(next, { keyid: '1002', kind: 'file', path: join(place.folder, '1002.pem') })
  t.strictSame([bot?.keys, other?.keys], [['1001', '1002'], []])
  t.match(await rotate('--to', '1003'), { status: 1, err: /key 1001 is retiring, and its successor is 1002: nothing is changed/ })
  t.notOk(existsSync(join(place.folder, '1003.pem')))
  t.match(await run(place.folder, 'rotate', '9', '--to', '1003', '--config', file), { status: 1, err: /there is no key 9 in .*; it has 1001, 1002/ })

  writeFileSync(join(place.folder, 'next.pem'), rsaKeyPair().pem, { mode: 0o600 })
  configure([{ keyid: '1001', kind: 'file', path: '1001.pem', notAfter: inDays(7) }])
  t.match(await rotate('--to', '1004', '--from', 'next.pem'), { status: 0, out: `until ${inDays(7)}` })
  t.match((await loadConfig(file)).keys, [{ notAfter: inDays(7) }, { keyid: '1004' }])

  configure([{ keyid: '1001', kind: 'file', path: '1001.pem' }, { keyid: '1005', kind: 'file', path: 'next.pem' }])
  const idle: readonly (readonly string[])[] = [['--algorithm', 'ed25519'], ['--from', 'next.pem'], ['--passphrase-file', 'pass'], ['--passphrase-fd', '9'], ['--csr'], ['--subject', 'CN=x'], ['--installed-path', '/etc/security/certificates/x.pem'], ['--certificate', 'x.pem']]
  for (const [flag = '', ...value] of idle) t.match(await rotate('--to', '1005', flag, ...value), { status: 2, err: `there is a key 1005 in ${file} already: leave ${flag} out, or name another keyid with --to` }, flag)
  for (const flag of ['--from-passphrase-file', '--alias', '--certificate']) t.match(await rotate('--to', '1006', flag, 'x'), { status: 2, err: `${flag} is about the file that --from names` }, flag)
  t.match(await rotate('--to', '1005'), { status: 0, out: /^# key 1001 is retiring/ })
  t.match((await loadConfig(file)).keys, [{ successor: '1005' }, { keyid: '1005' }])
  configure([{ keyid: '1001', kind: 'file', path: '1001.pem', state: 'retired' }])
  t.match(await rotate('--to', '1006'), { status: 1, err: /key 1001 is retired: nothing is changed/ })
  place.configure({ clients: [] })
  t.match(await rotate('--to', '1007'), { status: 0, err: /^changed .*signing-server\.yaml; next:/ })
})

void t.test('keys rotate refuses a successor that could not take over, and a key that has ended: nothing would sign', async (t) => {
  const place = await makePlace(t)
  writeFileSync(join(place.folder, 'next.pem'), rsaKeyPair().pem, { mode: 0o600 })
  const rows: readonly (readonly [old: object, next: object, err: string])[] = [
    [{}, { state: 'revoked' }, 'key 1002 is revoked, so it cannot take over: nothing is changed'],
    [{}, { state: 'retired' }, 'key 1002 is retired, so it cannot take over'],
    [{}, { state: 'retiring', successor: '1001' }, 'key 1002 is retiring, so it cannot take over'],
    [{}, { notAfter: inDays(29) }, `key 1002 ends at ${inDays(29)}, not after key 1001`],
    [{}, { notBefore: inDays(31) }, `key 1002 begins at ${inDays(31)}, when key 1001 has ended`],
    [{ notAfter: inDays(-1) }, {}, `key 1001 ended at ${inDays(-1)}, so there is no overlap: nothing is changed`],
  ]
  for (const [old, next, err] of rows) {
    const keys = [{ keyid: '1001', kind: 'file', path: '1001.pem', ...old }, { keyid: '1002', kind: 'file', path: 'next.pem', ...next }]
    const file = place.configure({ keys })
    const before = readFileSync(file, 'utf8')
    const { status, err: said } = await run(place.folder, 'rotate', '1001', '--to', '1002', '--config', file)
    t.match({ status, said, text: readFileSync(file, 'utf8') }, { status: 1, said: err, text: before })
  }
  const file = place.configure({ keys: [{ keyid: '1001', kind: 'file', path: '1001.pem' }, { keyid: '1002', kind: 'file', path: 'next.pem', notBefore: inDays(29), notAfter: inDays(31) }] })
  t.match(await run(place.folder, 'rotate', '1001', '--to', '1002', '--config', file), { status: 0 }, 'one that takes over in time may')
})

void t.test('keys revoke writes state, time and reason, and once; log-key prints what the log is checked with', async (t) => {
  const place = await makePlace(t)
  const file = place.configure()
  t.match(await run(place.folder, 'revoke', '1001', '--reason', 'key compromise: disk stolen', '--config', 'signing-server.yaml'), { status: 0, out: /^# key 1001 is revoked since .*Z: key compromise: disk stolen\n$/, err: /sign report --keyid 1001[^]*sign resign/ })
  const { keys: [key] } = await loadConfig(file)
  t.match(key, { state: 'revoked', revocationReason: 'key compromise: disk stolen', revokedAt: /^2.*Z$/ })
  t.match(await run(place.folder, 'revoke', '1001', '--reason', 'again', '--config', file), { status: 1, out: '', err: /key 1001 is revoked already, since 2.*: nothing is changed/ })
  place.configure({ keys: [{ keyid: '1001', kind: 'file', path: '1001.pem', state: 'revoked' }] })
  t.match(await run(place.folder, 'revoke', '1001', '--reason', 'again', '--config', file), { status: 1, err: /key 1001 is revoked already: nothing/ })
  t.match(await run(place.folder, 'revoke', '7', '--reason', 'x', '--config', file), { status: 1, err: /there is no key 7/ })

  const first = await run(place.folder, 'log-key', '--config', file)
  t.match(first, { status: 0, out: /^signing-server\/log\+[0-9a-f]{8}\+\S+\n$/, err: '' })
  t.equal(modeOf(join(place.folder, 'var', 'log.key')), 0o600)
  t.strictSame(await run(place.folder, 'log-key', '--config', file), first)
})
