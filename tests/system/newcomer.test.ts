import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import type { ClientName } from '../../certs/development.ts'
import { formatSignatureFile } from '../../formats/index.ts'
import { createClient, ConnectionError, ProblemError } from '../../sdk/index.ts'
import type { SignAnswer } from '../../server/schemas/sign.ts'
import type { Signature } from '../../server/schemas/signature.ts'
import { isSignatureOf, putPackage } from '../helpers/packages.ts'
import { testPki } from '../helpers/pki.ts'
import { startServer } from '../helpers/server.ts'

const CLI = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))
const TOC = '0 010203042026 2\nPkgA.1.0.0.0.bff 4 R I PkgA {\nPkgA.rte 1.0.0.0 01 N U en_US x\n}\n'

const server = await startServer(t)
const pki = await testPki()
const homes = join(server.folder, 'homes')

/** A home directory in which the three files of a client lie where the administrator says. */
function homeOf(name: ClientName): string {
  const home = join(homes, name)
  cpSync(pki.clients[name].folder, join(home, '.ssh', 'signing-server'), { recursive: true })
  return home
}

type Result = Readonly<{ status: number | null; stdout: string; stderr: string }>
type Call = Readonly<{ home?: string; cwd?: string; env?: Readonly<Record<string, string>> }>

/** Runs `sign` as a person would, with nothing in the environment but a home and where the server is. */
async function sign(t: Test, args: readonly string[], { home = homeOf('release-bot'), cwd = server.root, env = {} }: Call = {}): Promise<Result> {
  const environment = { PATH: process.env['PATH'] ?? '', HOME: home, SIGN_PORT: String(server.port), ...env }
  const child = spawn(process.execPath, [CLI, ...args], { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status: child.exitCode, stdout, stderr }
}

function folder(name: string): string {
  const path = join(server.root, name)
  mkdirSync(path)
  return path
}

/** The line of one record, spelled out here once more: members in their order, a space behind each colon and comma. */
function lineOf(name: string, { keyid, package: packageName, timestamp, fileset, ftype, vrmf, signature }: Signature['records'][number]): string {
  return `${name}: {"keyid": "${keyid}", "package": "${packageName}", "timestamp": "${timestamp}", "fileset": "${fileset}", "ftype": "${ftype}", "vrmf": "${vrmf}", "signature": "${signature}"}\n`
}

/** The records that a text output shows, by name. */
function recordsIn(stdout: string): readonly (readonly [string, Signature['records'][number]])[] {
  return stdout.split('\n').flatMap((line) => {
    const [, name, json] = /^(.*?): (\{.*\})$/.exec(line) ?? []
    return name === undefined || json === undefined ? [] : [[name, JSON.parse(json) as Signature['records'][number]] as const]
  })
}

void t.test('sign DIRECTORY prints the listing, a blank line and one line per record, exactly as the service always has', async (t) => {
  const path = folder('ppc')
  putPackage(path)
  putPackage(path, 'PkgB', { type: 'S', filesets: [{ fileset: 'PkgB.rte', vrmf: '7.3.2.1' }, { fileset: 'PkgB.adt', vrmf: '7.3.2.1' }], filename: 'PkgB.7.3.2.1.U' })
  writeFileSync(join(path, '.toc'), TOC)
  const { status, stdout, stderr } = await sign(t, [path])
  const records = recordsIn(stdout)
  t.equal(stdout, `List of files in ${path}:\n.toc\nPkgA.1.0.0.0.bff\nPkgB.7.3.2.1.U\n\n${records.map(([name, record]) => lineOf(name, record)).join('')}`)
  t.strictSame(records.map(([name, { fileset }]) => `${name} ${fileset}`), ['PkgA.1.0.0.0.bff PkgA.rte', 'PkgB.7.3.2.1.U PkgB.rte', 'PkgB.7.3.2.1.U PkgB.adt'])
  for (const [name, record] of records) t.ok(isSignatureOf({ signature: record.signature, records: [record] } as unknown as Signature, join(path, name), server.publicKey), name)
  t.equal(status, 0, 'skips alone are no failure')
  const lines = stderr.trimEnd().split('\n')
  t.match(lines[0], new RegExp(`^connected to localhost:${server.port}`))
  t.ok(lines.some((line) => line.startsWith('.toc: TOC ')))
  t.equal(lines.at(-1), 'connection ended')
})

void t.test('sign FILE prints the file to be signed, a blank line and its records', async (t) => {
  const path = putPackage(folder('single'))
  const { status, stdout, stderr } = await sign(t, [path])
  const [[, record] = []] = recordsIn(stdout)
  t.equal(stdout, `File to be signed: ${path}\n\n${lineOf('PkgA.1.0.0.0.bff', record as Signature['records'][number])}`)
  t.equal(status, 0)
  t.match(stderr, /^connected to [^]*connection ended\n$/)
})

void t.test('sign without a path signs the current directory, and under npm run the one the person stands in', async (t) => {
  const path = folder('here')
  putPackage(path)
  const here = await sign(t, [], { cwd: path })
  t.match(here, { status: 0, stdout: new RegExp(`^List of files in ${path}:\n`) })
  const npm = await sign(t, [], { cwd: server.folder, env: { INIT_CWD: path } })
  t.match(npm, { status: 0, stdout: new RegExp(`^List of files in ${path}:\n`) })
})

void t.test('--output gives the same in every form', async (t) => {
  const path = folder('forms')
  putPackage(path)
  mkdirSync(join(path, 'sub'))
  const json = JSON.parse((await sign(t, [path, '--output', 'json'])).stdout) as SignAnswer
  t.match(json, { path, files: ['PkgA.1.0.0.0.bff', 'sub'], skipped: { sub: 'DIRECTORY' }, failures: {}, warnings: [] })
  const events = (await sign(t, [path, '--output', 'ndjson'])).stdout.trimEnd().split('\n').map((line) => (JSON.parse(line) as { event: string }).event)
  t.strictSame([events[0], events.slice(1, -1).sort(), events.at(-1)], ['listing', ['signature', 'skipped'], 'end'])
  t.equal((await sign(t, [path, '--output', 'signature-file'])).stdout, formatSignatureFile(json.signatures['PkgA.1.0.0.0.bff']?.records ?? []))
})

void t.test('the exit status says what happened', async (t) => {
  const good = folder('good')
  putPackage(good)
  const bad = folder('bad')
  putPackage(bad)
  writeFileSync(join(bad, 'broken.bff'), readFileSync(join(bad, 'PkgA.1.0.0.0.bff')).subarray(0, 300))
  const loose = homeOf('auditor')
  chmodSync(join(loose, '.ssh', 'signing-server', 'client.key'), 0o644)
  const empty = join(homes, 'nobody')
  mkdirSync(empty)
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))

  const rows: readonly (readonly [string, readonly string[], Call, number, RegExp])[] = [
    ['0: everything is signed', [good], {}, 0, /connection ended/],
    ['1: a file of a directory is not', [bad], {}, 1, /^broken\.bff: PACKAGE_MALFORMED .+$/m],
    ['1: the one file is not', [join(bad, 'broken.bff')], {}, 1, /PACKAGE_MALFORMED/],
    ['2: no such option', ['--no-such-option'], {}, 2, /no-such-option/],
    ['2: no such port', [good, '--port', '70000'], {}, 2, /--port: expected a port/],
    ['2: no credentials', [good], { home: empty }, 2, /client\.pem is not there[^]*hint: /],
    ['2: a key that others can read', [good], { home: loose }, 2, /client\.key can be used by others[^]*chmod 600/],
    ['3: nobody listens', [good, '--port', String(port)], {}, 3, new RegExp(`connection refused: .*localhost:${port}[^]*hint: start the server`, 'i')],
    ['3: the certificate is refused', [good], { home: homeOf('expired') }, 3, /certificate/],
    ['3: the authority is another', [good, '--ca', join(pki.directory, 'other-ca', 'ca.pem')], {}, 3, /certificate/],
    ['4: outside the roots', ['/etc'], {}, 4, /PATH_OUTSIDE_ROOTS .*\nhint: /],
    ['4: not listed', [good], { home: homeOf('stranger') }, 4, /CLIENT_UNKNOWN/],
    ['4: no such key', [good, '--keyid', '7'], {}, 4, /KEY_NOT_AVAILABLE/],
  ]
  for (const [name, args, call, status, stderr] of rows) {
    const result = await sign(t, args, call)
    t.equal(result.status, status, name)
    t.match(result.stderr, stderr, name)
    t.notMatch(result.stderr, /\n\s+at /, 'no stack trace')
    if (status > 1) t.equal(result.stdout, '', `${name}: nothing on standard output`)
  }
})

void t.test('the other operations are commands of the same name', async (t) => {
  const path = putPackage(folder('others'))
  const signed = JSON.parse((await sign(t, [path, '--output', 'json'])).stdout) as SignAnswer
  const { id } = signed.signatures['PkgA.1.0.0.0.bff'] as Signature
  t.match(await sign(t, ['whoami']), { status: 0, stdout: /release-bot/ })
  t.match(await sign(t, ['files']), { status: 0, stdout: /nim/ })
  t.match(await sign(t, ['files', path]), { status: 0, stdout: /PkgA\.1\.0\.0\.0\.bff/ })
  t.match(await sign(t, ['keys']), { status: 0, stdout: /-----BEGIN PUBLIC KEY-----/ })
  t.match(await sign(t, ['signatures', id]), { status: 0, stdout: /^PkgA\.1\.0\.0\.0\.bff: \{"keyid": "1001"/ })
  t.match(JSON.parse((await sign(t, ['signatures', id, '--output', 'json'])).stdout), { id, filename: 'PkgA.1.0.0.0.bff' })
  t.match(await sign(t, ['--help']), { status: 0, stdout: /Examples:[^]*sign / })
})

void t.test('the SDK talks to the same server: every operation, events as they come, problems with their code', async (t) => {
  const { ca, cert, key } = pki.clients['release-bot']
  await using client = createClient({ baseUrl: server.url, ca, cert, key })
  const path = putPackage(folder('sdk'))
  const answer = await client.sign({ path })
  const signature = answer.signatures['PkgA.1.0.0.0.bff'] as Signature
  t.ok(isSignatureOf(signature, path, server.publicKey))
  const events: string[] = []
  for await (const { event } of client.signEvents({ path })) events.push(event)
  t.strictSame(events, ['listing', 'signature', 'end'])
  t.strictSame(await client.getSignature({ id: signature.id }), { ...signature, replayed: false })
  t.match(await client.whoami(), { name: 'release-bot' })
  t.match(await client.listKeys(), { keys: [{ keyid: '1001' }] })
  t.match(await client.getKey({ keyid: '1001' }), { algorithm: 'rsa-2048-sha256' })
  t.match(await client.listFiles({ path }), { files: [{ name: 'PkgA.1.0.0.0.bff', signed: true }] })
  await t.rejects(client.sign({ path: '/etc/passwd' }), { code: 'PATH_OUTSIDE_ROOTS', constructor: ProblemError })
  const { cert: expired, key: itsKey } = pki.clients['expired']
  await using refused = createClient({ baseUrl: server.url, ca, cert: expired, key: itsKey, retry: { tries: 1 } })
  await t.rejects(refused.whoami(), { code: 'CERTIFICATE_REFUSED', constructor: ConnectionError })
})
