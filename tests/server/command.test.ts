import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { basename, join, resolve } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { runCommand, startFault, workingFolder } from '../../server/command.ts'
import { setUpDevelopment } from '../../server/development/set-up.ts'
import { makePlace } from '../helpers/place.ts'
import { eventually } from '../helpers/processes.ts'
import { rsaKeyPair } from '../helpers/signables.ts'

type Ran = Readonly<{ status: number; out: string; err: string }>

async function run(cwd: string, ...args: readonly string[]): Promise<Ran> {
  let [out, err] = ['', '']
  const status = await runCommand(args, { cwd, print: (text) => void (out += text), complain: (text) => void (err += text) })
  return { status, out, err }
}

void t.test('help and version are printed and are 0; wrong usage is 2 and says where help is', async (t) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  t.strictSame(await run('/', '--version'), { status: 0, out: `${version}\n`, err: '' })
  t.match(await run('/', '--help'), { status: 0, out: /start[^]*check-config/, err: '' })
  t.match(await run('/', 'start', '--help'), { status: 0, out: /--config <file>[^]*Examples:/, err: '' })
  t.match(await run('/', 'check-config', '--help'), { status: 0, out: /Example:/ })
  for (const args of [['start', '--confg', 'x'], ['start', '--config'], ['start', 'x'], ['check-config'], ['nonsense'], ['--nonsense']]) {
    t.match(await run('/', ...args), { status: 2, out: '', err: /^error: [^]*--help/ }, args.join(' '))
  }
  t.match(await run('/'), { status: 2, err: /Usage:/ })
})

void t.test('check-config says that a configuration is good, or all that is wrong with it, and starts nothing', async (t) => {
  const place = await makePlace(t)
  place.configure()
  t.strictSame(await run(place.folder, 'check-config', '--config', 'signing-server.yaml'), { status: 0, out: 'signing-server.yaml: good (2 clients, 1 keys, 1 roots)\n', err: '' })
  const file = place.configure({ listen: { prot: 1 } })
  t.strictSame(await run(place.folder, 'check-config', '--config', file), { status: 1, out: '', err: `the configuration has a fault:\n${file}:2: listen.prot: unknown member; known here are host, port, browserPort\n` })
  place.configure({ keys: [], roots: 1 })
  t.match(await run(place.folder, 'start', '--config', file), { status: 1, out: '', err: /^the configuration has \d faults:\n/ })
  t.match(await run('/', 'start', '--config', 'absent.yaml'), { status: 1, err: 'the configuration has a fault:\n/absent.yaml:0: cannot be read (ENOENT)\n' })
})

void t.test('a server that cannot start says why, and leaves nothing open', async (t) => {
  const place = await makePlace(t)
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  writeFileSync(join(place.folder, 'other.key'), rsaKeyPair().pem, { mode: 0o600 })
  writeFileSync(join(place.folder, 'no.key'), 'no key', { mode: 0o600 })
  mkdirSync(join(place.folder, 'no.db'))
  const tls = { cert: 'server.pem', key: 'server.key', clientCa: 'ca.pem' }
  const table: readonly [string, Parameters<typeof place.configure>[0], RegExp][] = [
    ['the service port', { listen: { port, browserPort: 0 } }, new RegExp(`^signing-server: port ${port} on 127\\.0\\.0\\.1 is taken; stop what listens there`)], ['the browser port', { listen: { port: 0, browserPort: port } }, /is taken/],
    ['the administration port', { admin: { port } }, /is taken; stop what listens there or choose another port under `listen` or `admin`/],
    ['a key of another certificate', { tls: { ...tls, key: 'other.key' } }, /^signing-server: tls\.key is not the key of the first certificate in tls\.cert\n$/], ['no certificate', { tls: { ...tls, cert: '1001.pub.pem' } }, /^signing-server: the server certificate has no PEM block/],
    ['a signing key that is none', { keys: [{ keyid: '1001', kind: 'file', path: 'no.key' }] }, /^a key cannot be opened:\n.*no\.key/], ['a catalogue that is none', { store: { url: 'sqlite:no.db' } }, /^signing-server: STORE_FAILED: /],
  ]
  for (const [name, members, want] of table) {
    const { status, out, err } = await run(place.folder, 'start', '--config', place.configure({ listen: { port: 0, browserPort: 0 }, ...members }))
    t.strictSame([status, out], [1, ''], name)
    t.match(err, want, name)
    t.notMatch(err, /\n {4}at /, name)
  }
})

void t.test('startFault says what an operator can do', async (t) => {
  t.equal(startFault(Object.assign(new Error('listen'), { code: 'EADDRINUSE', address: '::', port: 6000 })), 'port 6000 on :: is taken; stop what listens there or choose another port under `listen` or `admin`')
  t.equal(startFault(Object.assign(new Error('listen'), { code: 'EACCES', port: 80 })), 'port 80 needs a privilege; choose one above 1023 under `listen` or `admin`')
  t.equal(startFault(Object.assign(new Error('open x'), { code: 'EACCES' })), 'open x')
  t.equal(startFault('text'), 'text')
})

type Started = Readonly<{ child: ChildProcess; out: () => string; err: () => string; exited: Promise<unknown[]> }>

function start(cwd: string, args: readonly string[], environment: Readonly<NodeJS.ProcessEnv> = {}): Started {
  const child = spawn(process.execPath, [resolve('server/main.ts'), ...args], { cwd, env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (err += text))
  return { child, out: () => out, err: () => err, exited: once(child, 'close') }
}

void t.test('start without a configuration makes one, listens, reloads at SIGHUP, and stops cleanly at SIGTERM', async (t) => {
  const base = t.testdir({})
  // With free ports, so that it gets in nobody's way; the command keeps what it finds.
  await setUpDevelopment(base, { certs: 'certs/dev', var: 'var', port: 0, browserPort: 0, adminPort: 0 })
  const { child, out, err, exited } = start(base, ['start'], { INIT_CWD: join(base, 'var') })
  await eventually(() => out().includes('stop with Ctrl-C'), 20_000)
  t.match(out(), /^kept development certificates in certs\/dev\nkept a signing key[^]*signing-server is listening\n[^]*root samples: packages\n/)
  child.kill('SIGHUP')
  await eventually(() => err().includes('"reloaded"'), 20_000)
  child.kill('SIGTERM')
  t.strictSame(await exited, [0, null])
  const lines = err().trimEnd().split('\n').map((line) => JSON.parse(line) as { msg: string })
  t.strictSame(lines.map(({ msg }) => msg), ['listening', 'listening', 'listening', 'reloaded', 'signal received', 'draining', 'stopped'])
})

void t.test('a second signal ends the server at once, whatever still runs', async (t) => {
  const base = t.testdir({})
  const { config, client } = await setUpDevelopment(base, { certs: 'certs/dev', var: 'var', port: 0, browserPort: 0, adminPort: 0 })
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
    const { child, out, err, exited } = start(base, ['start', '--config', config])
    await eventually(() => out().includes('stop with Ctrl-C'), 20_000)
    const socket = connect({ host: '127.0.0.1', port: Number(/https:\/\/127\.0\.0\.1:(\d+) /.exec(out())?.[1]), ca: readFileSync(client.ca), cert: readFileSync(client.cert), key: readFileSync(client.key) })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    socket.write('POST /sign HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{')
    await eventually(() => err().includes('client connected'))
    child.kill('SIGTERM')
    await eventually(() => err().includes('draining'))
    child.kill(signal)
    t.strictSame(await exited, [code, null])
    socket.destroy()
  }
})

void t.test('the command complains on standard error and ends with its status', async (t) => {
  const place = await makePlace(t)
  chmodSync(place.privateKeyPath, 0o644)
  const { exited, err, out } = start(place.folder, ['start', '--config', basename(place.configure())], { INIT_CWD: undefined })
  t.strictSame(await exited, [1, null])
  t.equal(out(), '')
  t.match(err(), /^the configuration has a fault:\n.*keys\[0\]\.path: others may read .*chmod 600 it\n$/)
})

void t.test('a path is meant from where the person stands, also under npm run', async (t) => {
  t.equal(workingFolder({ INIT_CWD: '/where/they/stand' }), '/where/they/stand')
  t.equal(workingFolder({}), process.cwd())
})

const FULL_DISK = '/dev/full'

void t.test('output that cannot be written is a failure, and one line', { skip: !existsSync(FULL_DISK) && 'there is no device that is always full' }, async (t) => {
  const full = openSync(FULL_DISK, 'w')
  const child = spawn(process.execPath, [resolve('server/main.ts'), '--help'], { stdio: ['ignore', full, 'pipe'] })
  closeSync(full)
  let err = ''
  child.stderr?.setEncoding('utf8').on('data', (text) => (err += text))
  t.strictSame(await once(child, 'close'), [1, null])
  t.match(err, /^signing-server: the output could not be written: ENOSPC.*\n$/)
})

void t.test('whoever has read enough of a help closes the pipe, and nobody complains', async (t) => {
  const child = spawn(process.execPath, [resolve('server/main.ts'), 'keys', 'rotate', '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let err = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (err += text))
  t.strictSame(await once(child, 'close'), [0, null])
  t.equal(err, '')
})
