import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadCredentials } from '../../cli/credentials.ts'
import { formatAddress, resolveSettings, SETTINGS, type Settings } from '../../cli/settings.ts'
import { UsageError } from '../../cli/usage-error.ts'
import { testPki } from '../helpers/pki.ts'

const BARE = { env: {}, cwd: '/cwd', home: '/home/u' }

/** A home whose cli.yaml has this text. */
function homeWith(t: Test, yaml: string): string {
  return t.testdir({ '.config': { 'signing-server': { 'cli.yaml': yaml } } })
}

/** The faults with which something is refused. */
async function faultsOf(result: Promise<unknown>): Promise<readonly string[]> {
  const error: unknown = await result.then(() => undefined, (error: unknown) => error)
  if (!(error instanceof UsageError)) throw new Error('it was not refused', { cause: error })
  return error.faults
}

void t.test('without anything the defaults hold', async (t) => {
  const folder = '/home/u/.ssh/signing-server'
  const from = 'the default'
  t.strictSame(await resolveSettings({}, BARE), {
    host: 'localhost',
    port: 6000,
    cert: { value: `${folder}/client.pem`, from },
    key: { value: `${folder}/client.key`, from },
    ca: { value: `${folder}/ca.pem`, from },
    keyid: undefined,
    output: 'text',
    timeoutMs: undefined,
  })
})

void t.test('a flag wins over the environment, the environment over the file, the file over the default', async (t) => {
  const home = homeWith(t, 'host: file\nport: 1\ncert: certs/c.pem\nkey: ~/k.pem\nkeyid: "03"\noutput: json\ntimeout: 1.5\n')
  const file = join(home, '.config/signing-server/cli.yaml')
  const env = { SIGN_HOST: 'environment', SIGN_PORT: '2', SIGN_CA: 'ca.pem', SIGN_KEYID: '' }
  t.strictSame(await resolveSettings({ host: 'flag', cert: '../c.pem' }, { env, cwd: '/cwd', home }), {
    host: 'flag',
    port: 2,
    cert: { value: '/c.pem', from: '--cert' },
    key: { value: join(home, 'k.pem'), from: `${file}: key` },
    ca: { value: '/cwd/ca.pem', from: 'SIGN_CA' },
    keyid: '03',
    output: 'json',
    timeoutMs: 1500,
  })
  t.equal((await resolveSettings({}, { env: {}, cwd: '/cwd', home })).cert.value, join(home, '.config/signing-server/certs/c.pem'))
})

void t.test('every setting can come from flag, environment and file', async (t) => {
  const values: Readonly<Record<string, string>> = { host: 'h', port: '7', cert: '/c', key: '/k', ca: '/a', keyid: '9', output: 'ndjson', timeout: '2' }
  const plain = ({ cert, key, ca, ...rest }: Settings) => ({ ...rest, cert: cert.value, key: key.value, ca: ca.value })
  const want = { host: 'h', port: 7, cert: '/c', key: '/k', ca: '/a', keyid: '9', output: 'ndjson', timeoutMs: 2000 }
  t.strictSame(plain(await resolveSettings(values, BARE)), want)
  t.strictSame(plain(await resolveSettings({}, { ...BARE, env: Object.fromEntries(SETTINGS.map(({ name, env }) => [env, values[name]])) })), want)
  const yaml = SETTINGS.map(({ name }) => `${name}: ${name === 'keyid' ? '"9"' : values[name]}\n`).join('')
  t.strictSame(plain(await resolveSettings({}, { ...BARE, home: homeWith(t, yaml) })), want)
})

void t.test('XDG_CONFIG_HOME says where the file is, if it is absolute', async (t) => {
  const home = homeWith(t, 'host: at-home\n')
  const XDG_CONFIG_HOME = join(home, 'xdg')
  mkdirSync(join(XDG_CONFIG_HOME, 'signing-server'), { recursive: true })
  writeFileSync(join(XDG_CONFIG_HOME, 'signing-server/cli.yaml'), 'host: xdg\n')
  t.equal((await resolveSettings({}, { ...BARE, home, env: { XDG_CONFIG_HOME } })).host, 'xdg')
  t.equal((await resolveSettings({}, { ...BARE, home, env: { XDG_CONFIG_HOME: 'relative' } })).host, 'at-home')
  t.equal((await resolveSettings({}, { ...BARE, home, env: { XDG_CONFIG_HOME: '/dev/null' } })).host, 'localhost')
  writeFileSync(join(XDG_CONFIG_HOME, 'signing-server/cli.yaml'), '# nothing set\n')
  t.equal((await resolveSettings({}, { ...BARE, home, env: { XDG_CONFIG_HOME } })).host, 'localhost')
})

void t.test('a file with faults is refused with all of them, each by its name', async (t) => {
  for (const [yaml, want] of [
    ['hots: x\nport: "6000"\nkeyid: 1001\ncert: ""\ntimeout: soon\n', [
      'hots: there is no such setting; there are host, port, cert, key, ca, keyid, output, timeout',
      'port: expected a number', 'keyid: expected text; put digits in quotes', 'cert: expected text; put digits in quotes', 'timeout: expected a number']],
    ['port: 70000\noutput: xml\n', ["port: expected a port, 1 to 65535, got '70000'", "output: expected one of text, json, ndjson, signature-file, got 'xml'"]],
    ['- host\n', ['expected members such as `host: NAME`']],
    ['plain\n', ['expected members such as `host: NAME`']],
    ['host: a\nhost: b\n', ['Map keys must be unique at line 2, column 1:']],
    ['__proto__: x\n', ['__proto__: there is no such setting; there are host, port, cert, key, ca, keyid, output, timeout']],
  ] as const) {
    const home = homeWith(t, yaml)
    const faults = await faultsOf(resolveSettings({}, { ...BARE, home }))
    t.strictSame(faults.map((fault) => fault.replace(`${home}/.config/signing-server/cli.yaml: `, '')), want, yaml)
  }
  const home = t.testdir({ '.config': { 'signing-server': { 'cli.yaml': {} } } })
  t.match(await faultsOf(resolveSettings({}, { ...BARE, home })), [/cli\.yaml: cannot be read \(EISDIR\)/])
})

void t.test('a value is what it should be, wherever it comes from', async (t) => {
  const refused = async (name: string, value: string) => (await faultsOf(resolveSettings({ [name]: value }, BARE)))[0]
  for (const host of ['', 'a b', 'host:6000', 'user@host', 'https://host', 'host/path', '[host]', '[::1', '-x', '1.2.3.999']) t.match(await refused('host', host), '--host: ', host)
  for (const port of ['0', '65536', '-1', '6e3', '06000', '', '6000 ']) t.match(await refused('port', port), '--port: ', port)
  for (const timeout of ['0', '-1', '1e3', 'x', '0.0001', '9999999']) t.match(await refused('timeout', timeout), '--timeout: expected seconds', timeout)
  t.match(await faultsOf(resolveSettings({}, { ...BARE, env: { SIGN_PORT: 'x' } })), ["SIGN_PORT: expected a port, 1 to 65535, got 'x'"])
  for (const [host, want] of [['signer.example', 'signer.example:6000'], ['::1', '[::1]:6000'], ['[::1]', '[::1]:6000'], ['127.0.0.1', '127.0.0.1:6000']] as const) {
    t.equal(formatAddress(await resolveSettings({ host }, BARE)), want)
  }
})

void t.test('the credentials are the three files', async (t) => {
  const { certPath, keyPath, caPath, cert, key, ca } = (await testPki()).clients['release-bot']
  t.strictSame(await loadCredentials(named(certPath, keyPath, caPath), 'linux'), { cert, key, ca })
})

void t.test('a key that others can use is refused and says how to mend it', async (t) => {
  const { certPath, keyPath, caPath } = (await testPki()).clients['release-bot']
  const key = join(t.testdir({ 'client.key': readFileSync(keyPath, 'utf8') }), 'client.key')
  for (const mode of [0o640, 0o604, 0o620, 0o610, 0o644]) {
    chmodSync(key, mode)
    const error = await loadCredentials(named(certPath, key, caPath), 'linux').catch((error: unknown) => error) as UsageError
    t.strictSame(error.faults, [`the key ${key} can be used by others than its owner (mode 0${mode.toString(8)}), so it is refused`])
    t.strictSame(error.hints, [`chmod 600 ${key}`])
  }
  t.ok(await loadCredentials(named(certPath, key, caPath), 'win32'), 'where files have no modes there is nothing to see')
  chmodSync(key, 0o400)
  t.ok(await loadCredentials(named(certPath, key, caPath), 'linux'))
})

void t.test('credentials that are missing or no files are all named, and how to get them is said once', async (t) => {
  const here = t.testdir({ folder: {}, huge: '', file: '' })
  truncateSync(join(here, 'huge'), 1_048_577)
  execFileSync('mkfifo', ['-m', '600', join(here, 'fifo')])
  const error = await loadCredentials(named(join(here, 'none.pem'), join(here, 'fifo'), join(here, 'file/none')), 'linux').catch((error: unknown) => error) as UsageError
  t.strictSame(error.faults, [`the certificate ${here}/none.pem is not there`, `the key ${here}/fifo is not a regular file`, `the authority ${here}/file/none is not there`])
  t.equal(error.hints.length, 2)
  t.match(error.hints[0], 'hands each client client.pem, client.key and ca.pem; place them in ~/.ssh/signing-server')
  t.match(error.hints[1], 'npm run -s certs')
  t.strictSame(await faultsOf(loadCredentials(named(join(here, 'folder'), join(here, 'huge'), join(here, 'x\0y')), 'win32')), [
    `the certificate ${here}/folder is not a regular file`, `the key ${here}/huge is far too large`, `the authority ${here}/x\0y cannot be read (ERR_INVALID_ARG_VALUE)`])
})

function named(cert: string, key: string, ca: string): Pick<Settings, 'cert' | 'key' | 'ca'> {
  const from = 'a test'
  return { cert: { value: cert, from }, key: { value: key, from }, ca: { value: ca, from } }
}
