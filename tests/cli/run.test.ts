import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import { keepCompiled } from '../../cli/compile-cache.ts'
import { EXIT } from '../../cli/exit-status.ts'
import { COMMANDS } from '../../cli/generated/commands.ts'
import { SETTINGS } from '../../cli/settings.ts'
import { OPERATIONS } from '../../sdk/index.ts'
import { testPki } from '../helpers/pki.ts'
import { answerJson, answerProblem, problem, scriptedServer } from '../sdk/scripted-server.ts'
import { answerEvents, capture, flagsFor, MAIN, sign, signature, type Said } from './harness.ts'

const KEY = { keyid: '1001', kind: 'file', algorithm: 'rsa-2048-sha256', covers: 'file', publicKeyPem: '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n', spkiSha256: 'ab'.repeat(32) }
const WHOAMI = { name: 'release-bot', sans: ['URI:urn:example:release-bot'], spkiSha256: 'cd'.repeat(32), notAfter: '2028-02-27T09:00:00.000Z', allow: ['sign', 'listFiles'], keys: ['1001'], roots: ['nim'], digestOnly: false, resign: false, sees: 'own', limits: {}, left: {} }
const BOXED = { ...WHOAMI, name: 'job', allow: [], roots: [], limits: { filesets: ['PkgA.rte', 'PkgA.*'], notAfter: '2026-12-01T00:00:00Z', windowSeconds: 60, requests: 20, maxSignatures: 3 }, left: { requests: 19, resetSeconds: 60, signatures: 2 } }
const entry = (name: string) => ({ name, kind: 'file', sizeBytes: 3584, modifiedAt: '2026-11-24T09:00:00.000Z', format: 'installp', signed: true })

/** Waits for a process and what it says. */
async function ended(child: ChildProcess): Promise<Said> {
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'exit')])
  return { stdout, stderr, status: status as number }
}

const start = (args: readonly string[], env: Readonly<Record<string, string>> = {}) => spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })

void t.test('every operation of the document is a command', async (t) => {
  t.strictSame(COMMANDS.map(({ operation }) => operation).sort(), Object.keys(OPERATIONS).sort())
  const { status, stdout, stderr } = await sign(['--help'])
  t.strictSame([status, stderr], [0, ''])
  for (const { word } of COMMANDS) if (word !== 'sign') t.match(stdout, new RegExp(`^  ${word.split(' ')[0]} `, 'm'))
  const log = await sign(['log'])
  t.strictSame([log.status, log.stdout], [2, ''], 'a word of two parts wants its second one')
  for (const part of ['checkpoint', 'key', 'audit', 'tile', 'verify']) t.match(log.stderr, new RegExp(`^  ${part} `, 'm'))
  for (const { name, env } of SETTINGS) t.match(stdout, new RegExp(`--${name} <[^>]*>[^(]*\\(${env}`))
  for (const text of ['Examples:', 'cli.yaml', 'Exit status: 0', '--recursive', '--quiet', 'written ./keys']) t.match(stdout, new RegExp(text))
  t.match((await sign(['help', 'files'])).stdout, /^Usage: sign files \[options\] \[path\]\n[^]*--limit <number>/)
  t.match((await sign(['signatures', '-h'])).stdout, /^Usage: sign signatures \[options\] \[id\]\n[^]*Examples:\n  sign signatures\n/)
  t.match((await sign(['log', 'audit', '-h'])).stdout, /^Usage: sign log audit \[options\]\n[^]*--log-key <key>[^]*Examples:\n/)
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  t.strictSame(await sign(['--version']), { status: 0, stdout: `${version}\n`, stderr: '' })
  const narrow = capture(80)
  await sign(['--help'], { stdout: narrow })
  t.notMatch(narrow.said().split('Examples:')[0]!.split('Options:')[1], /.{81}/, 'help is as wide as the terminal')
})

void t.test('a fault of usage is 2 and names itself', async (t) => {
  for (const [args, want] of [
    [['--nonsense'], "sign: unknown option '--nonsense'\nhint: `sign --help` shows how it is used\n"],
    [['help', 'nonsense'], 'Usage: sign [options] [command] [path...]\n'],
    [['a', 'b'], 'sign: too many arguments: one path on the server; --upload and --digest take several files\n'],
    [['export', '--form', 'sig'], "sign: missing required argument 'id'\n"],
    [['log', 'nonsense'], "sign: unknown command 'nonsense'\n"],
    [['log', 'verify', 'x'], 'sign: say the public key of the log: --log-key KEY or FILE; `sign log key` prints it\n'],
    [['report', '--output', 'json'], 'sign: a report is always NDJSON: leave --output out; --out FILE says where it goes\n'],
    [['report', '--limit', '3'], "sign: unknown option '--limit'\n"],
    [['--output', 'x', 'log', 'tile', '0/000'], 'sign: --output of `sign log tile` names a file and stands behind the word\n'],
    [['--idempotency-key', 'two words'], 'sign: --idempotency-key: expected 1 to 255 visible ASCII characters without quotes and backslashes, such as a UUID\n'],
    [['--upload', '--idempotency-key', 'k', 'a', 'b'], 'sign: --idempotency-key goes with one file: each file is a request of its own\n'],
    [['--recursive', 'keys'], 'sign: --recursive does not go with `sign keys`\n'],
    [['--keyid', '1', 'whoami'], 'sign: --keyid does not go with `sign whoami`\n'],
    [['keys', '--recursive'], "sign: unknown option '--recursive'\n"],
    [['files', '--limit', 'many', '/x'], "sign: --limit: expected a number, got 'many'\n"],
    [[''], 'sign: an argument is empty\n'],
    [['--host'], "sign: option '--host <name>' argument missing\n"],
    [['--port', '0', '--output', 'xml'], "sign: --port: expected a port, 1 to 65535, got '0'\nsign: --output: expected one of text, json, ndjson, signature-file, got 'xml'\n"],
    [['keys', '--output', 'signature-file'], 'sign: the answer of `sign keys` is no signature file; --output takes text, json or ndjson here\n'],
  ] as const) {
    const { status, stdout, stderr } = await sign(args)
    t.strictSame([status, stdout], [2, ''], args.join(' '))
    t.ok(stderr.startsWith(want), stderr)
  }
})

void t.test('`sign whoami` shows every limit of a client and what is left of it', async (t) => {
  const server = await scriptedServer(t, (response) => answerJson(response, BOXED))
  const ask = async (...args: string[]) => (await sign([...(await flagsFor(server)), 'whoami', ...args])).stdout
  t.ok((await ask()).endsWith(`allow: -
keys: 1001
roots: -
digestOnly: false
resign: false
sees: own
limits:
  filesets: PkgA.rte, PkgA.*
  notAfter: 2026-12-01T00:00:00Z
  windowSeconds: 60
  requests: 20
  maxSignatures: 3
left:
  requests: 19
  resetSeconds: 60
  signatures: 2
`))
  t.equal(await ask('--output', 'ndjson'), `${JSON.stringify(BOXED)}\n`, 'also with lists that are empty')
  t.strictSame(JSON.parse(await ask('--output', 'json')), BOXED)
})

void t.test('the commands of the document call their operation and print its answer', async (t) => {
  const server = await scriptedServer(t, (response, { url }) => {
    if (url === '/whoami') return answerJson(response, WHOAMI)
    if (url === '/keys') return answerJson(response, { keys: [KEY] })
    if (url === '/keys/1001') return answerJson(response, KEY)
    if (url === '/keys/9') return answerProblem(response, problem('KEY_NOT_AVAILABLE', 403, false))
    if (url.startsWith('/signatures/')) return answerJson(response, signature())
    if (url.includes('cursor=')) return answerJson(response, { path: '/d', files: [entry('b')], nextCursor: null })
    return answerJson(response, { path: '/d', files: [entry('a')], nextCursor: 'c1' })
  })
  const flags = await flagsFor(server)
  const ask = async (...args: string[]) => await sign([...flags, ...args], { cwd: '/' })
  const pem = 'publicKeyPem:\n  -----BEGIN PUBLIC KEY-----\n  AAAA\n  -----END PUBLIC KEY-----\n'
  const key = `keyid: 1001\nkind: file\nalgorithm: rsa-2048-sha256\ncovers: file\n${pem}spkiSha256: ${'ab'.repeat(32)}\n`
  t.strictSame(await ask('whoami'), { status: 0, stdout: `name: release-bot\nsans: URI:urn:example:release-bot\nspkiSha256: ${'cd'.repeat(32)}\nnotAfter: 2028-02-27T09:00:00.000Z\nallow: sign, listFiles\nkeys: 1001\nroots: nim\ndigestOnly: false\nresign: false\nsees: own\nlimits: none\nleft: none\n`, stderr: `connected to localhost:${server.port}\nconnection ended\n` })
  t.equal((await ask('keys')).stdout, key)
  t.equal((await ask('keys', '1001')).stdout, key)
  t.equal((await ask('keys', '--output', 'ndjson')).stdout, `${JSON.stringify(KEY)}\n`)
  t.equal((await ask('keys', '1001', '--output', 'ndjson')).stdout, `${JSON.stringify(KEY)}\n`)
  t.strictSame(JSON.parse((await ask('--output', 'json', 'whoami')).stdout), WHOAMI)
  const id = signature().id
  t.equal((await ask('signatures', id)).stdout, 'PkgA.1.0.0.0.bff: {"keyid": "1001", "package": "PkgA", "timestamp": "1375425475", "fileset": "PkgA.rte", "ftype": "I", "vrmf": "1.0.0.0", "signature": "QUJD"}\n')
  t.equal((await ask('signatures', id, '--output', 'signature-file')).stdout, '#package:fileset:vrmf:ftype:keyid:timestamp:signature\nPkgA:PkgA.rte:1.0.0.0:I:1001:1375425475:QUJD\n')
  const heading = 'name  kind  sizeBytes  modifiedAt                format    signed\n'
  const row = (name: string) => `${name}     file  3584       2026-11-24T09:00:00.000Z  installp  true\n`
  t.equal((await ask('files', 'd')).stdout, heading + row('a') + row('b'), 'every page')
  t.strictSame(JSON.parse((await ask('files', '--output', 'json')).stdout), { path: null, files: [entry('a'), entry('b')], nextCursor: null })
  t.match(await ask('files', '/d', '--limit', '1'), { status: 0, stdout: heading + row('a'), stderr: 'hint: there is more, with --cursor c1\n' })
  t.equal((await ask('files', '/d', '--cursor', 'c1')).stdout, heading + row('b'))
  const refused = await ask('keys', '9')
  t.match(refused, { status: 4, stdout: '', stderr: 'sign: KEY_NOT_AVAILABLE the signer is busy\nhint: `sign keys` lists the keys of this client\nrequest id: ' })
  t.strictSame(server.seen.map(({ url }) => url), ['/whoami', '/keys', '/keys/1001', '/keys', '/keys/1001', '/whoami', `/signatures/${id}`, `/signatures/${id}`,
    '/files?path=%2Fd', '/files?path=%2Fd&cursor=c1', '/files', '/files?cursor=c1', '/files?path=%2Fd&limit=1', '/files?path=%2Fd&cursor=c1', '/keys/9'])
})

void t.test('a connection that is refused is 3, names host and port and says how to start the server', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  taken.close()
  await once(taken, 'close')
  const { status, stdout, stderr } = await sign([...(await flagsFor({ port })), 'whoami'])
  t.strictSame([status, stdout], [3, ''])
  t.equal(stderr, `sign: connection refused: localhost:${port} refused the connection: no server listens there\nhint: start the server with \`npm start\` in a checkout or with \`signing-server start\`, or say where it listens with --host and --port\n`)
})

void t.test('a client that the server refuses is 3 and told why, as far as can be seen from here', async (t) => {
  const server = await scriptedServer(t, (response) => answerJson(response, WHOAMI))
  for (const who of ['impostor', 'expired', 'revoked', 'not-yet-valid', 'wrong-usage'] as const) {
    const ca = (await testPki()).caPath
    const { status, stderr } = await sign([...(await flagsFor(server, who)), '--ca', ca, 'whoami'])
    t.equal(status, 3, who)
    t.match(stderr, 'sign: certificate refused: ')
    if (who === 'expired') t.match(stderr, /hint: look at the client certificate: .*expired/)
  }
  const other = await sign([...(await flagsFor(server)), '--ca', `${(await testPki()).directory}/other-ca/ca.pem`, 'whoami'])
  t.match(other, { status: 3, stderr: 'sign: server certificate untrusted: ' })
  t.notMatch(other.stderr, 'connected')
  const slow = await scriptedServer(t, () => undefined)
  t.match(await sign([...(await flagsFor(slow)), '--timeout', '0.2', 'whoami']), { status: 3, stderr: 'hint: look whether the server is busy, or allow more time with --timeout\nconnection ended\n' })
})

void t.test('credentials that are missing are 2, and it is said which file and how to get it', async (t) => {
  const home = t.testdir()
  t.strictSame(await sign(['keys'], { home }), { status: 2, stdout: '', stderr: [
    `sign: the certificate ${home}/.ssh/signing-server/client.pem is not there`,
    `sign: the key ${home}/.ssh/signing-server/client.key is not there`,
    `sign: the authority ${home}/.ssh/signing-server/ca.pem is not there`,
    'hint: the administrator of the signing server hands each client client.pem, client.key and ca.pem; place them in ~/.ssh/signing-server, or name them with --cert, --key and --ca',
    'hint: for a development server: npm run -s certs, then cp certs/dev/clients/release-bot/* ~/.ssh/signing-server/',
    '',
  ].join('\n') })
})

void t.test('PEM that cannot be used is 2 and names the files', async (t) => {
  const { clients } = await testPki()
  const { status, stderr } = await sign([...(await flagsFor({ port: 1 })), '--key', clients.auditor.keyPath, 'whoami'])
  t.equal(status, 2)
  t.match(stderr, 'sign: credentials unusable: the key (`key`) is not the key of the client certificate (`cert`)\n')
  t.match(stderr, `  cert ${clients['release-bot'].certPath}, key ${clients.auditor.keyPath}, ca `)
})

void t.test('a fault of sign itself is not dressed up as one of the person', async (t) => {
  const server = await scriptedServer(t, (response) => answerEvents(response, [{ event: 'listing', kind: 'directory', path: '/d', files: 7 as never }]))
  await t.rejects(sign([...(await flagsFor(server)), '/d']), TypeError)
  const said = await ended(start([...(await flagsFor(server)), '/d']))
  t.match(said, { status: 70, stderr: 'TypeError' })
})

void t.test('the process signs, and the key is found in the .ssh folder', async (t) => {
  const { clients } = await testPki()
  const server = await scriptedServer(t, (response) => answerEvents(response, [
    { event: 'listing', kind: 'directory', path: '/d', files: ['PkgA.1.0.0.0.bff', 'x'] },
    { event: 'signature', name: 'PkgA.1.0.0.0.bff', signature: signature() },
    { event: 'skipped', name: 'x', reason: 'DIRECTORY' },
    { event: 'end', signed: 1, failed: 0, skipped: 1 },
  ]))
  const client = Object.fromEntries(['client.pem', 'client.key', 'ca.pem'].map((name) => [name, t.fixture('symlink', `${clients['release-bot'].folder}/${name}`)]))
  const HOME = t.testdir({ '.ssh': { 'signing-server': client } })
  const said = await ended(start(['/d'], { HOME, SIGN_PORT: String(server.port), XDG_CONFIG_HOME: '' }))
  t.match(said, { status: 0, stdout: 'List of files in /d:\nPkgA.1.0.0.0.bff\nx\n\nPkgA.1.0.0.0.bff: {"keyid": "1001", ', stderr: `connected to localhost:${server.port}\nx: DIRECTORY a directory; --recursive signs what is in it\nsigned 1 of 2 files, failed 0, skipped 1\nconnection ended\n` })
})

void t.test('SIGINT ends the process with 130 after it said what was signed', async (t) => {
  const server = await scriptedServer(t, (response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.write(`${JSON.stringify({ event: 'listing', kind: 'directory', path: '/d', files: ['a', 'b'] })}\n`)
  })
  const child = start([...(await flagsFor(server)), '/d'])
  child.stdout.once('data', () => child.kill('SIGINT'))
  t.match(await ended(child), { status: 130, stderr: 'cut off: signed 0 of 2 files, failed 0, skipped 0\nsign: interrupted\n' })
})

void t.test('a closed stdout ends the process quietly, a closed stderr does not end it', async (t) => {
  const files = Array.from({ length: 50_000 }, (_, place) => `PkgA.${place}.bff`)
  const server = await scriptedServer(t, (response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.write(`${JSON.stringify({ event: 'listing', kind: 'directory', path: '/d', files })}\n`)
    for (const name of files.slice(0, 500)) response.write(`${JSON.stringify({ event: 'signature', name, signature: signature() })}\n`)
    if (server.seen.length > 1) response.end(`${files.slice(500).map((name) => `${JSON.stringify({ event: 'skipped', name, reason: 'TOC' })}\n`).join('')}{"event":"end","signed":500,"failed":0,"skipped":49500}\n`)
  })
  const head = start([...(await flagsFor(server)), '/d'])
  head.stdout.once('data', () => head.stdout.destroy())
  const [stderr, [status]] = await Promise.all([text(head.stderr), once(head, 'exit')])
  t.equal(status, 141)
  t.equal(stderr, `connected to localhost:${server.port}\nconnection ended\n`)
  const mute = start([...(await flagsFor(server)), '/d'])
  mute.stderr.destroy()
  const [stdout, [still]] = await Promise.all([text(mute.stdout), once(mute, 'exit')])
  t.equal(still, 0)
  t.equal(stdout.split('\n').filter((line) => line.includes(': {')).length, 500)
})

void t.test('on an old Node the entry names the version to install, and loads nothing else', async (t) => {
  for (const [version, want] of [['14.21.3', 2], ['24.1.0', 2], ['24.2.0', 0], ['25.0.0', 0]] as const) {
    const pretend = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '${version}' })`
    const said = await ended(spawn(process.execPath, ['--import', pretend, MAIN, '--version'], { stdio: ['ignore', 'pipe', 'pipe'] }))
    t.equal(said.status, want, version)
    if (want === 2) t.equal(said.stderr, `sign needs Node 24.2 or newer; this is Node ${version}; install it from nodejs.org or with your package manager\n`)
  }
})

void t.test('the entry has no syntax that Node 14 does not parse, and no static import', async (t) => {
  const source = readFileSync(MAIN, 'utf8')
  const compile = (target: ts.ScriptTarget) => ts.transpileModule(source, { compilerOptions: { target, module: ts.ModuleKind.ESNext, moduleDetection: ts.ModuleDetectionKind.Force } }).outputText
  t.equal(compile(ts.ScriptTarget.ES2019), compile(ts.ScriptTarget.ESNext))
  t.ok(source.startsWith('#!/usr/bin/env node\n'))
  t.notMatch(source, /^\s*(?:import|export) .*from|^await |[^.]\bawait /m)
})

void t.test('in a checkout what was compiled is kept beside the dependencies, and nothing is kept of what was built', async (t) => {
  // Once a process keeps it somewhere it stays there, so each has one of its own.
  const kept = async (file: string): Promise<string> => {
    const program = `const { keepCompiled } = await import(${JSON.stringify(new URL('../../cli/compile-cache.ts', import.meta.url).href)})
      keepCompiled(${JSON.stringify(pathToFileURL(file).href)})
      console.log((await import('node:module')).getCompileCacheDir())`
    const { NODE_COMPILE_CACHE: _, NODE_V8_COVERAGE: __, ...env } = process.env
    return (await ended(spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'pipe'], env }))).stdout.trim()
  }
  const folder = t.testdir({ cli: {} })
  t.equal(await kept(join(folder, 'cli', 'main.js')), 'undefined')
  t.match(await kept(join(folder, 'cli', 'main.ts')), join(folder, 'node_modules', '.cache', 'signing-server'))
  // What runs in this process counts for the coverage.
  t.doesNotThrow(() => keepCompiled(pathToFileURL(join(folder, 'cli', 'main.js')).href))
  t.doesNotThrow(() => keepCompiled(pathToFileURL(join(folder, 'cli', 'main.ts')).href))
})

void t.test('docs/command-line.md has every command, flag, variable, setting and exit status, and no other', async (t) => {
  const page = readFileSync(new URL('../../docs/command-line.md', import.meta.url), 'utf8')
  const words = ['files', 'verify', 'keys', 'signatures', 'export', 'whoami', 'inspect', 'detach-dsb', 'report', 'resign', 'log checkpoint', 'log key', 'log audit', 'log verify', 'log tile']
  const helps = await Promise.all(['', ...words].map(async (word) => (await sign([...word.split(' ').filter(Boolean), '--help'])).stdout))
  const found = (pattern: RegExp, text: string) => [...new Set(Array.from(text.matchAll(pattern), ([, name = '']) => name))].sort()
  const flags = found(/^ {2}(?:-\w, )?(--[a-z-]+)/gm, helps.join('\n'))
  t.ok(flags.length > 10)
  t.strictSame(found(/^\| `(--[a-z-]+)/gm, page), flags)
  t.strictSame(found(/`(SIGN_[A-Z]+)`/g, page), SETTINGS.map(({ env }) => env).sort())
  t.strictSame(found(/^([a-z]+): /gm, page.slice(page.indexOf('```yaml'), page.indexOf('There are no other members'))), SETTINGS.map(({ name }) => name).sort())
  t.strictSame(found(/^\| (\d+) \|/gm, page), Object.values(EXIT).map(String).sort())
  t.strictSame(found(/^\| `sign .*` \| `(\w+)` \|/gm, page), COMMANDS.map(({ operation }) => operation).sort())
})
