import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { basename, join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { askAt, clientOf, problemIn } from '../helpers/client.ts'
import { count, FULL } from '../helpers/full-size.ts'
import { putLargePackage, putPackage, putPackages } from '../helpers/packages.ts'
import { testPki } from '../helpers/pki.ts'
import { makePlace } from '../helpers/place.ts'
import type { ConfigMembers } from '../helpers/place.ts'
import { eventually } from '../helpers/processes.ts'
import { runServer, startServer } from '../helpers/server.ts'
import type { LogLine, TestServer } from '../helpers/server.ts'

const MIB = 1024 * 1024

/** A signer that waits for the file `go` in the place before it ends: what a test needs to have something running as long as it likes. */
function waitingSigner(folder: string): ConfigMembers {
  const program = join(folder, 'wait-for-go')
  // It makes no signature: that a failure is answered, and not a closed connection, is what shows that the request was finished.
  writeFileSync(program, `#!/bin/sh\n: > "${folder}/started"\nwhile [ ! -e "${folder}/go" ]; do sleep 0.05; done\nexit 9\n`, { mode: 0o755 })
  return {
    keys: [{ keyid: '1001', kind: 'command', publicKey: '1001.pub.pem', covers: 'file' }],
    signer: { kind: 'command', command: [program], environment: { PATH: '/usr/bin:/bin' }, timeoutMs: 60_000 },
  }
}

const started = async ({ folder }: TestServer): Promise<void> => await eventually(() => existsSync(join(folder, 'started')), 10_000)

void t.test('SIGTERM stops accepting at once, and what is running is finished and answered first', async (t) => {
  const server = await startServer(t, { config: ({ folder }) => waitingSigner(folder) })
  const client = await clientOf(t, server.url)
  const idle = await clientOf(t, server.url)
  await idle.ask('/whoami')
  const running = client.trySign({ path: putPackage(server.root) })
  await started(server)
  server.process.kill('SIGTERM')
  await server.logged(({ msg }) => msg === 'draining')
  await t.rejects((await clientOf(t, server.url)).ask('/whoami'), { code: /ECONNREFUSED|ECONNRESET|UND_ERR_SOCKET/ }, 'nobody new gets in')
  await t.rejects((await clientOf(t, server.browserUrl)).ask('/whoami'), { code: /ECONNREFUSED|ECONNRESET|UND_ERR_SOCKET/ })
  t.match(await askAt(`${server.adminUrl}/health/ready`), { status: 503, text: /"draining"/ }, 'a load balancer is told')
  t.equal((await askAt(`${server.adminUrl}/health/live`)).status, 200)
  writeFileSync(join(server.folder, 'go'), '')
  t.equal(problemIn(await running).code, 'SIGNER_FAILED', 'the running request has its answer')
  t.strictSame(await server.exited, { code: 0, signal: null })
  t.equal(server.logs().at(-1)?.msg, 'stopped')
})

void t.test('when the deadline is over, what still runs is ended and answered SHUTTING_DOWN', async (t) => {
  const server = await startServer(t, { config: ({ folder }) => ({ ...waitingSigner(folder), shutdown: { deadlineMs: 300 } }) })
  const client = await clientOf(t, server.url)
  const running = client.trySign({ path: putPackage(server.root) })
  await started(server)
  const stopped = server.stop()
  t.match(problemIn(await running), { code: 'SHUTTING_DOWN', status: 503, retryable: true })
  t.strictSame(await stopped, { code: 0, signal: null })
})

void t.test('a second signal ends the process at once, whatever still runs', async (t) => {
  for (const [signal, code] of [['SIGTERM', 143], ['SIGINT', 130]] as const) {
    const server = await startServer(t, { config: ({ folder }) => waitingSigner(folder) })
    const lost = t.rejects((await clientOf(t, server.url)).trySign({ path: putPackage(server.root) }))
    await started(server)
    server.process.kill(signal)
    await server.logged(({ msg }) => msg === 'draining')
    server.process.kill(signal)
    t.strictSame(await server.exited, { code, signal: null })
    await lost
  }
})

void t.test('connections that only stand about, with half a request or none, hold up a stop no longer than the deadline', async (t) => {
  const server = await startServer(t, { config: { shutdown: { deadlineMs: 500 } } })
  const { ca, cert, key } = (await testPki()).clients['release-bot']
  const sockets = await Promise.all(['', 'POST /sign HTTP/1.1\r\nhost: x\r\n', 'POST /sign HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{'].map(async (text) => {
    const socket = connect({ host: '127.0.0.1', port: server.port, servername: 'localhost', ca, cert, key })
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    await once(socket, 'secureConnect')
    if (text !== '') socket.write(text)
    return socket
  }))
  await server.logged(({ msg }) => msg === 'client connected', { count: sockets.length })
  const asked = performance.now()
  server.process.kill('SIGINT')
  t.strictSame(await server.exited, { code: 0, signal: null })
  t.ok(performance.now() - asked < 10_000, `${Math.round(performance.now() - asked)} ms`)
})

void t.test('a client that goes away in the middle harms nobody', async (t) => {
  const server = await startServer(t)
  const names = putPackages(server.root, 60)
  const steady = await clientOf(t, server.url)
  for (let round = 0; round < 20; round += 1) {
    const client = await clientOf(t, server.url)
    const gone = new AbortController()
    const lost = client.trySign({ path: server.root }, { signal: gone.signal, ...(round % 2 === 0 ? {} : { headers: { accept: 'application/x-ndjson' } }) })
    const before = server.logs().length
    const connected = server.logged((line) => server.logs().indexOf(line) >= before && line.msg === 'client connected')
    await connected
    // At another moment each time: while it connects, while files are read, while the answer is written.
    if (round % 4 === 0) await client.dispatcher.destroy()
    else if (round % 4 === 1) await server.logged((line) => server.logs().indexOf(line) >= before && line.msg === 'signed package').then(() => gone.abort())
    else gone.abort()
    await lost.catch(() => {})
  }
  const answer = await steady.sign({ path: server.root })
  t.strictSame(Object.keys(answer.signatures), names, 'the next client is served in full')
  t.match(await askAt(`${server.adminUrl}/health/ready`), { status: 200 })
  await eventually(() => disconnected(server) >= 20)
  t.strictSame(await server.stop(), { code: 0, signal: null })
  t.equal(server.complaints(), '', 'nothing but log lines on standard error')
  t.strictSame(server.logs().filter(({ level }) => level === 'error' || level === 'fatal').map(({ msg, code }) => `${msg} ${String(code)}`), [], 'no error of ours')
})

const disconnected = ({ logs }: TestServer): number => logs().filter(({ msg }) => msg === 'client disconnected').length

void t.test('the log has one line when a client connects, one per file and one per request, and never a path of the server', async (t) => {
  const server = await startServer(t)
  const client = await clientOf(t, server.url, 'release-bot', { connections: 1 })
  putPackage(server.root)
  writeFileSync(join(server.root, 'README'), 'hello')
  await client.sign({ path: server.root })
  await client.trySign({ path: '/etc/passwd' })
  await client.ask('/keys')
  await client.dispatcher.close()
  await server.logged(({ msg }) => msg === 'client disconnected')
  const lines = server.logs().filter(({ msg }) => msg !== 'listening')
  t.strictSame(lines.map(({ msg }) => msg).sort(), ['client connected', 'client disconnected', 'request done', 'request done', 'request refused', 'signed package', 'skipped file'])
  const line = (msg: string) => lines.find((each) => each.msg === msg) as LogLine
  t.match(line('client connected'), { level: 'info', listener: 'service', address: '127.0.0.1', port: Number, client: 'release-bot', spki: /^[0-9a-f]{16}$/ })
  t.match(line('signed package'), { level: 'info', operation: 'sign', client: 'release-bot', root: 'nim', relativePath: 'PkgA.1.0.0.0.bff', keyid: '1001', package: 'PkgA', fileset: ['PkgA.rte'], vrmf: '1.0.0.0', durationMs: Number })
  t.match(line('skipped file'), { name: 'README', reason: 'NOT_A_PACKAGE' })
  t.match(line('request refused'), { level: 'warn', operation: 'sign', client: 'release-bot', code: 'PATH_OUTSIDE_ROOTS', status: 403 })
  t.ok(lines.every(({ time }) => /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(String(time))))
})

void t.test('what a person reads at the start: where it listens, who may connect, and how to call it', async (t) => {
  const server = await startServer(t)
  await eventually(() => server.printed().includes('stop with'))
  const text = server.printed()
  for (const part of [`https://127.0.0.1:${server.port}`, `https://127.0.0.1:${server.browserPort}`, server.adminUrl, 'URI:urn:example:release-bot', 'URI:urn:example:auditor', 'curl --cert', 'sign --host', 'Ctrl-C']) {
    t.ok(text.includes(part), part)
  }
})

void t.test('a configuration with several faults is refused with all of them, each with its line', async (t) => {
  const place = await makePlace(t)
  const file = join(place.folder, 'faulty.yaml')
  writeFileSync(file, [
    'listen: { host: 127.0.0.1, port: 70000 }', // 1
    'tls:', // 2
    '  cert: server.pem', // 3
    '  key: ca.crl', // 4: readable by others
    '  clientCa: no-such-file.pem', // 5
    'roots:', // 6
    '  - { name: nim, path: packages }', // 7
    '  - { name: nim, path: packages }', // 8: twice
    'keys:', // 9
    '  - { keyid: 1001, kind: file, path: 1001.pem }', // 10: a number
    'clients:', // 11
    '  - { name: bot, match: { san: "URI:x" }, allow: [sing], keys: ["7"], roots: [] }', // 12: no such operation, no such key
    'colour: blue', // 13
    '',
  ].join('\n'))
  chmodSync(join(place.folder, 'ca.crl'), 0o644)
  for (const words of [['start'], ['check-config']]) {
    const server = runServer(t, [...words, '--config', file])
    t.strictSame(await server.exited, { code: 1, signal: null })
    const faults = server.complaints().split('\n').flatMap((text) => /:(\d+): (\S+):/.exec(text)?.slice(1).join(' ') ?? [])
    t.strictSame(faults, ['1 listen.port', '4 tls.key', '5 tls.clientCa', '8 roots[1].name', '10 keys[0].keyid', '12 clients[0].allow[0]', '12 clients[0].keys[0]', '13 colour'])
    t.equal(server.printed(), '')
    t.notMatch(server.complaints(), /\n\s+at /)
  }
})

void t.test('what cannot be started is said in one sentence, with exit status 1', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const rows: readonly (readonly [string, (folder: string) => ConfigMembers, RegExp])[] = [
    ['a port that is taken', () => ({ listen: { host: '127.0.0.1', port, browserPort: 0 } }), new RegExp(`port ${port} on 127\\.0\\.0\\.1 is taken`)],
    ['an administration port that is taken', () => ({ admin: { host: '127.0.0.1', port } }), new RegExp(`port ${port} on 127\\.0\\.0\\.1 is taken`)],
    ['a key that is none', (folder) => (writeFileSync(join(folder, 'bad.pem'), 'no key', { mode: 0o600 }), { keys: [{ keyid: '1001', kind: 'file', path: 'bad.pem' }] }), /a key cannot be opened:\n.*1001/],
    ['a store that cannot be written', (folder) => (writeFileSync(join(folder, 'not-a-folder'), ''), { store: { url: 'sqlite:not-a-folder/signing.db' } }), /STORE_FAILED/],
  ]
  // The others are asked of the command itself, in its own test.
  for (const [name, members, want] of FULL ? rows : rows.slice(0, 1)) {
    const place = await makePlace(t)
    const server = runServer(t, ['start', '--config', place.configure(members(place.folder))])
    t.strictSame(await server.exited, { code: 1, signal: null }, name)
    t.match(server.complaints(), want)
    t.notMatch(server.complaints(), /\n\s+at /, 'no stack trace')
  }
  const missing = runServer(t, ['start', '--config', '/no/such/file.yaml'])
  t.strictSame(await missing.exited, { code: 1, signal: null })
  t.match(missing.complaints(), /cannot be read \(ENOENT\)/)
  t.strictSame(await runServer(t, ['start', '--no-such-option']).exited, { code: 2, signal: null })
})

/** The high-water mark of the resident memory of a process, in bytes, where the system tells. */
function peakBytes(pid: number): number | undefined {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024
  } catch {
    return undefined
  }
}

void t.test(`while a package of ${count(256, 2048)} MiB is signed, memory stays under 200 MB and GET /files stays quick`, { timeout: 120_000 }, async (t) => {
  const server = await startServer(t)
  const pid = server.process.pid as number
  const client = await clientOf(t, server.url)
  const [small, large] = [putPackage(server.root), putLargePackage(server.root, count(256, 2048) * MIB)]
  const signedIt = new AbortController()
  const signing = client.sign({ path: large }).finally(() => signedIt.abort())
  const times: number[] = []
  while (!signedIt.signal.aborted || times.length < 100) {
    const from = performance.now()
    await client.ask(`/files?path=${encodeURIComponent(small)}`)
    times.push(performance.now() - from)
  }
  const { signatures } = await signing
  t.ok(signatures[basename(large)])
  const p99 = times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)] as number
  t.ok(p99 < 500, `p99 of GET /files is ${Math.round(p99)} ms of ${times.length}`)
  const peak = peakBytes(pid)
  if (peak === undefined) t.comment('skipped: this system does not tell the memory of a process')
  else t.ok(peak < 200_000_000, `${Math.round(peak / 1e6)} MB`)
})

async function readiness(server: TestServer): Promise<Readonly<{ http: number; status: string; checks: Readonly<Record<string, string>> }>> {
  const { status, text } = await askAt(`${server.adminUrl}/health/ready`)
  return { http: status, ...(JSON.parse(text) as { status: string; checks: Record<string, string> }) }
}

void t.test('GET /health/ready is 200 when store, key and signer work, and 503 naming the check that does not', async (t) => {
  await t.test('the store cannot be written', async (t) => {
    const server = await startServer(t)
    t.strictSame(await readiness(server), { http: 200, status: 'ready', checks: { store: 'ok', signer: 'ok', 'key 1001': 'ok' } })
    await breakStore(server)
    t.match(await readiness(server), { http: 503, status: 'not ready', checks: { store: 'STORE_FAILED', signer: 'ok', 'key 1001': 'ok' } })
    const path = putPackage(server.root)
    t.match(problemIn(await (await clientOf(t, server.url)).trySign({ path })), { code: 'STORE_FAILED' }, 'what cannot be recorded is not signed')
  })

  await t.test('the signature file was deleted', async (t) => {
    const server = await startServer(t, { config: { signatureFile: 'records' } })
    rmSync(join(server.folder, 'records'))
    t.match(await readiness(server), { http: 503, checks: { store: 'STORE_FAILED' } })
  })

  await t.test('the command is missing, and found again when it is back', async (t) => {
    const server = await startServer(t, { config: ({ folder }) => waitingSigner(folder) })
    const program = join(server.folder, 'wait-for-go')
    t.match(await readiness(server), { http: 200, checks: { signer: 'ok' } })
    renameSync(program, `${program}.away`)
    t.match(await readiness(server), { http: 503, status: 'not ready', checks: { store: 'ok', signer: 'SIGNER_NOT_AVAILABLE' } })
    const path = putPackage(server.root)
    t.match(problemIn(await (await clientOf(t, server.url)).trySign({ path })), { code: 'SIGNER_NOT_AVAILABLE', status: 503 })
    renameSync(`${program}.away`, program)
    t.match(await readiness(server), { http: 200 })
  })
})

/** Takes the table of signatures away, as a hand in the database would. */
async function breakStore({ folder }: TestServer): Promise<void> {
  const { DatabaseSync } = await import('node:sqlite')
  const other = new DatabaseSync(join(folder, 'signing.db'))
  other.exec('ALTER TABLE signatures RENAME TO elsewhere')
  other.close()
}

void t.test('too many connections are turned away, and the log says why', async (t) => {
  const server = await startServer(t, { config: { limits: { connections: 2 } } })
  const crowd = await Promise.all(Array.from({ length: 2 }, async () => await clientOf(t, server.url)))
  for (const client of crowd) await client.ask('/whoami')
  await t.rejects((await clientOf(t, server.url)).ask('/whoami'))
  await server.logged(({ reason }) => reason === 'limits.connections')
  t.equal((await (crowd[0] as Awaited<ReturnType<typeof clientOf>>).ask('/whoami')).status, 200)
})

void t.test('what is no HTTP request, too large or too slow is answered with a problem, and the server serves on', async (t) => {
  const server = await startServer(t, { config: { limits: { requestMs: 1_000, bodyBytes: 1_000 } } })
  const client = await clientOf(t, server.url)
  const { ca, cert, key } = (await testPki()).clients['release-bot']
  const raw = async (text: string): Promise<string> => {
    const socket = connect({ host: '127.0.0.1', port: server.port, servername: 'localhost', ca, cert, key }, () => void socket.write(text))
    let answer = ''
    socket.on('error', () => {}).setEncoding('latin1').on('data', (data: string) => (answer += data))
    await once(socket, 'close')
    return answer
  }
  t.match(await raw('HELLO\r\n\r\n'), /^HTTP\/1\.1 400 [^]*"code":"REQUEST_MALFORMED"/)
  t.match(await raw(`GET /whoami HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1\.1 431 [^]*"code":"HEADERS_TOO_LARGE"/)
  t.match(await raw('POST /sign HTTP/1.1\r\nhost: x\r\n'), /^HTTP\/1\.1 408 [^]*"code":"REQUEST_TIMEOUT"/)
  t.match(problemIn(await client.ask('/sign', { method: 'POST', body: { path: '/'.padEnd(2000, 'x') } })), { code: 'BODY_TOO_LARGE' })
  t.match(problemIn(await client.ask('/sign', { method: 'POST', body: '{' })), { code: 'BODY_MALFORMED' })
  t.match(problemIn(await client.ask('/sign', { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } })), { code: 'CONTENT_TYPE_UNSUPPORTED' })
  t.match(problemIn(await client.ask('/sign', { method: 'POST', body: { path: '/x', forced: true, keyid: 1001 } })), { code: 'REQUEST_INVALID', errors: [{ pointer: '/forced' }, { pointer: '/keyid' }] })
  t.match(problemIn(await client.ask('/nothing')), { code: 'ROUTE_NOT_FOUND' })
  t.equal((await client.ask('/whoami')).status, 200)
  t.notOk(server.logs().some(({ level }) => level === 'error'))
})
