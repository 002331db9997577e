import { verify } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import type { InjectOptions, LightMyRequestResponse as Response } from 'fastify'
import t from 'tap'
import { SigningError } from '../../server/errors.ts'
import type { OpenedKey } from '../../server/keys/key.ts'
import type { Made, Signer } from '../../server/signers/signer.ts'
import { createTurns } from '../../server/threads/turns.ts'
import type { InstallpInfo } from '../../server/packages/package-info.ts'
import { clientNamed, makeApp, NOW, type TestApp, type TestDeps } from '../helpers/app.ts'
import { spoiledStore } from '../helpers/store.ts'
import { putPackage } from '../helpers/packages.ts'
import { eventually } from '../helpers/processes.ts'
import { asNobody, nobodyCannotReach } from '../helpers/refusals.ts'
import { openedKey, rsaKeyPair } from '../helpers/signables.ts'

const PAIR = rsaKeyPair()
const UNVERIFIED = { ...openedKey('command', PAIR), covers: 'unverified', installedPath: '/etc/security/certificates/x.pem' } as OpenedKey
const JSON_BODY = { 'content-type': 'application/json' }
const post = (payload: object | string | Buffer, headers: Record<string, string> = JSON_BODY): InjectOptions => ({ method: 'POST', url: '/sign', payload, headers })
const sign = async ({ app }: TestApp, payload: object | string | Buffer, headers: Record<string, string> = {}) => await app.inject(post(payload, { ...JSON_BODY, ...headers }))
const bodyOf = (response: Response) => response.json<Record<string, any>>() // oxlint-disable-line typescript/no-explicit-any

void t.test('a file is signed, verified, recorded, listed as signed and found again', async (t) => {
  const test = await makeApp(t)
  const path = putPackage(test.root, 'PkgA', { filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }, { fileset: 'PkgA.adt', vrmf: '1.0.0.0' }] })
  const response = await sign(test, { path, keyid: '1001' })
  t.equal(response.statusCode, 200)
  t.match(response.headers, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', 'request-id': /^[0-9a-f-]{36}$/ })
  const { signatures, files, failures, skipped, warnings } = bodyOf(response)
  t.strictSame([files, failures, skipped, warnings], [['PkgA.1.0.0.0.bff'], {}, {}, []])
  const signature = signatures['PkgA.1.0.0.0.bff']
  t.match(signature, { filename: 'PkgA.1.0.0.0.bff', keyid: '1001', algorithm: 'rsa-2048-sha256', covers: 'file', signedAt: NOW.toISOString(), replayed: false, records: [{ fileset: 'PkgA.rte' }, { fileset: 'PkgA.adt' }] })
  for (const { signature: base64 } of signature.records) t.ok(verify('sha256', readFileSync(path), test.pair.publicKey, Buffer.from(base64, 'base64')))
  for (const id of [signature.id, signature.id.toUpperCase()]) t.strictSame(bodyOf(await test.app.inject(`/signatures/${id}`)), signature)
  t.match(bodyOf(await test.app.inject({ url: '/files', query: { path } })), { files: [{ name: 'PkgA.1.0.0.0.bff', kind: 'file', format: 'installp', signed: true }], nextCursor: null })
  t.match(test.requests, [{ operation: 'sign', code: 'OK', durationMs: Number }, { operation: 'getSignature' }, { operation: 'getSignature' }, { operation: 'listFiles', code: 'OK' }])
  t.strictSame(test.files, [{ outcome: 'signed' }])
  t.match(test.lines.slice(0, 2), [
    { level: 'info', msg: 'signed package', operation: 'sign', client: 'bot', root: 'nim', relativePath: 'PkgA.1.0.0.0.bff', keyid: '1001', package: 'PkgA', fileset: ['PkgA.rte', 'PkgA.adt'], vrmf: '1.0.0.0', reqId: response.headers['request-id'] },
    { level: 'info', msg: 'request done', operation: 'sign', client: 'bot', spki: 'abababababababab', method: 'POST', status: 200, durationMs: Number },
  ])
})

void t.test('a directory is signed in one answer: each name has one outcome', async (t) => {
  const test = await makeApp(t)
  const { root, folder } = test
  for (const name of ['PkgA', 'PkgB']) putPackage(root, name)
  mkdirSync(join(root, 'sub'))
  putPackage(join(root, 'sub'), 'PkgC')
  putPackage(join(folder, 'other'), 'Secret')
  writeFileSync(join(root, '.toc'), '0 010203042026 2\n')
  writeFileSync(join(root, '__proto__'), 'no package')
  writeFileSync(join(root, 'damaged'), readFileSync(join(root, 'PkgA.1.0.0.0.bff')).subarray(0, 300))
  writeFileSync(join(root, 'large'), Buffer.alloc(1_000_001))
  writeFileSync(join(root, 'new\nline'), '')
  execFileSync('mkfifo', [join(root, 'fifo')])
  for (const [name, target] of [['link', 'PkgA.1.0.0.0.bff'], ['link-to-sub', 'sub'], ['link-to-fifo', 'fifo'], ['leaves', '../other/Secret.1.0.0.0.bff'], ['dangling', 'nowhere']] as const) symlinkSync(target, join(root, name))
  const answer = bodyOf(await sign(test, { path: root }))
  const outcomes = {
    signed: Object.keys(answer['signatures']),
    failed: Object.fromEntries(Object.entries(answer['failures'] as Record<string, { code: string }>).map(([name, { code }]) => [name, code])),
    skipped: { ...answer['skipped'] },
  }
  t.strictSame(outcomes, {
    signed: ['PkgA.1.0.0.0.bff', 'PkgB.1.0.0.0.bff', 'link'],
    failed: { damaged: 'PACKAGE_MALFORMED', dangling: 'PATH_OUTSIDE_ROOTS', large: 'FILE_TOO_LARGE', leaves: 'PATH_OUTSIDE_ROOTS', 'new\nline': 'FILE_NAME_REFUSED' },
    skipped: { '.toc': 'TOC', ['__proto__']: 'NOT_A_PACKAGE', fifo: 'SPECIAL_FILE', 'link-to-fifo': 'SPECIAL_FILE', 'link-to-sub': 'DIRECTORY', sub: 'DIRECTORY' },
  })
  t.equal(answer['files'].length, 14)
  t.equal(test.files.length, 14)
  t.match(test.lines.filter(({ msg }) => msg === 'file refused'), [{ level: 'warn', code: String, detail: String }])
  t.strictSame(test.lines.filter(({ level }) => level === 'error'), [])

  const events = (await sign(test, { path: root, recursive: true }, { accept: 'application/x-ndjson' })).body.trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  t.match(events[0], { event: 'listing', path: root })
  t.ok(JSON.stringify(events[0]).includes('"sub/PkgC.1.0.0.0.bff"'))
  t.match(events.at(-1), { event: 'end', signed: 4, failed: 5, skipped: 5 })
  mkdirSync(join(root, 'empty'))
  t.match(bodyOf(await sign(test, { path: join(root, 'empty') })), { files: [], warnings: [{ code: 'NO_PACKAGES' }] })
})

void t.test('what a client may not see or use looks as if it were not there', async (t) => {
  const test = await makeApp(t, ({ policy }) => ({ policy: [...policy, clientNamed('many', { keys: ['1001', '1002'] })] }))
  const path = putPackage(test.root, 'PkgA')
  putPackage(join(test.folder, 'other'), 'Secret')
  const answers = async (requests: readonly InjectOptions[]) => new Set(await Promise.all(requests.map(async (request) => {
    const { status, code, detail } = bodyOf(await test.app.inject(request))
    return `${status} ${code} ${detail}`
  })))
  t.strictSame(await answers([{ url: '/keys/1002' }, { url: '/keys/9' }, post({ path, keyid: '1002' }), post({ path, keyid: '7' })]), new Set(['403 KEY_NOT_AVAILABLE there is no such key that this client may use']))
  t.equal((await answers([post({ path: join(test.folder, 'other') }), post({ path: join(test.folder, 'other/Secret.1.0.0.0.bff') }), post({ path: `${test.root}/absent` }), { url: `/files?path=${test.folder}` }])).size, 1)
  const { signatures } = bodyOf(await sign(test, { path }))
  const id = signatures['PkgA.1.0.0.0.bff'].id as string
  test.become('many')
  t.strictSame(await answers([{ url: `/signatures/${id}` }, { url: '/signatures/0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21' }]), new Set(['404 SIGNATURE_NOT_FOUND there is no such signature that this client may see']))
  t.match(bodyOf(await sign(test, { path })), { status: 400, code: 'KEYID_REQUIRED' })
  t.match(bodyOf(await test.app.inject('/keys')), { keys: [{ keyid: '1001', kind: 'file', publicKeyPem: /^-----BEGIN PUBLIC KEY-----/, spkiSha256: /^[0-9a-f]{64}$/ }, { keyid: '1002' }] })
  t.notMatch((await test.app.inject('/keys')).body, /PRIVATE/)
  test.become('nobody')
  t.strictSame(bodyOf(await test.app.inject('/whoami')), { name: 'nobody', sans: ['URI:urn:example:nobody'], spkiSha256: 'ab'.repeat(32), notAfter: '2028-02-27T09:00:00.000Z', allow: [], keys: [], roots: [], digestOnly: false, resign: false, sees: 'own', limits: {}, left: {} })
  test.become('bot')
  t.match(bodyOf(await test.app.inject('/whoami')), { name: 'bot', keys: ['1001'], roots: ['nim'] })
})

void t.test('strangers and clients without leave are refused before anything else is looked at', async (t) => {
  const test = await makeApp(t)
  for (const [who, code] of [[undefined, 'CLIENT_UNKNOWN'], ['stranger', 'CLIENT_UNKNOWN'], ['nobody', 'OPERATION_DENIED'], ['auditor', 'OPERATION_DENIED']] as const) {
    test.become(who)
    for (const request of [post('{', { 'content-type': 'x' }), post({ path: '/' }), { url: '/keys' }, { url: '/signatures/x' }]) t.match(bodyOf(await test.app.inject(request)), { status: 403, code }, `${who} ${JSON.stringify(request)}`)
  }
  test.become('stranger')
  for (const url of ['/nowhere', '/docs/', '/openapi.yaml', '/%zz', `/keys/${'1'.repeat(300)}`]) t.match(bodyOf(await test.app.inject(url)), { status: 403, code: 'CLIENT_UNKNOWN' }, url)
  const strangers = () => test.lines.filter((line) => line['code'] === 'CLIENT_UNKNOWN' && line['facts'] !== undefined)
  t.match(strangers().at(-1), { level: 'warn', msg: 'request refused', detail: 'no client of the configuration has this certificate', facts: { sans: ['URI:urn:example:stranger'] } }, 'the log says who it was')
  test.become('nobody')
  t.equal((await test.app.inject('/openapi.yaml')).statusCode, 200)
  t.equal((await test.app.inject('/docs/')).statusCode, 200)
  t.equal(strangers().length, 2, 'one line for each stranger')
  await test.app.close()
  t.match(strangers().slice(2).map(({ msg, count }) => [msg, count]), [['request refused, more of the same', 3], ['request refused, more of the same', 8]], 'and the number of the others')
})

void t.test('every fault of a request has a problem document with a documented code', async (t) => {
  const test = await makeApp(t)
  const table: readonly [string, InjectOptions, Readonly<Record<string, unknown>>][] = [
    ['no route', { url: '/nowhere' }, { status: 404, code: 'ROUTE_NOT_FOUND' }], ['another method', { url: '/sign' }, { status: 404, code: 'ROUTE_NOT_FOUND' }],
    ['an odd method', { url: '/sign', method: 'PROPFIND' }, { status: 404, code: 'ROUTE_NOT_FOUND' }], ['a file of the page that is not there', { url: '/docs/static/nope.js' }, { status: 404, code: 'ROUTE_NOT_FOUND' }],
    ['a broken escape', { url: '/keys/%zz' }, { status: 400, code: 'REQUEST_MALFORMED' }], ['a long parameter', { url: `/keys/${'1'.repeat(300)}` }, { status: 404, code: 'ROUTE_NOT_FOUND' }],
    ['no content type', post('{}', {}), { status: 415, code: 'CONTENT_TYPE_UNSUPPORTED' }], ['another content type', post('x', { 'content-type': 'text/plain' }), { status: 415, code: 'CONTENT_TYPE_UNSUPPORTED' }],
    ['a content type that is none', post('x', { 'content-type': ';;' }), { status: 415, code: 'CONTENT_TYPE_UNSUPPORTED' }], ['no body', post('', JSON_BODY), { status: 400, code: 'BODY_MALFORMED' }],
    ['no body and no type', { method: 'POST', url: '/sign' }, { status: 415, code: 'CONTENT_TYPE_UNSUPPORTED' }],
    ['broken JSON', post('{"path":'), { status: 400, code: 'BODY_MALFORMED' }], ['a polluting member', post('{"__proto__":{}}'), { status: 400, code: 'BODY_MALFORMED' }],
    ['a polluting constructor', post('{"constructor":{"prototype":{}}}'), { status: 400, code: 'BODY_MALFORMED' }], ['JSON that is not UTF-8', post(Buffer.from('{"path":"/\xff"}', 'latin1')), { status: 400, code: 'BODY_MALFORMED', detail: 'the body is not UTF-8' }],
    ['a large body', post(`"${'x'.repeat(65_536)}"`), { status: 413, code: 'BODY_TOO_LARGE' }], ['a wrong length', post('{}', { ...JSON_BODY, 'content-length': '3' }), { status: 400, code: 'BODY_MALFORMED' }],
    ['JSON that is no object', post('[]'), { status: 400, code: 'REQUEST_INVALID', errors: [{ pointer: '', detail: 'must be object' }] }], ['null', post('null'), { status: 400, code: 'REQUEST_INVALID' }],
    ['no path', post('{}'), { status: 400, code: 'REQUEST_INVALID', errors: [{ pointer: '/path', detail: 'is missing' }] }],
    ['three faults', post({ path: 1, recursive: 'true', 'a/~b': 1 }), { code: 'REQUEST_INVALID', detail: 'the request has 3 faults', errors: [{ pointer: '/a~1~0b', detail: 'is not a known member' }, { pointer: '/path' }, { pointer: '/recursive' }] }],
    ['a keyid that is a number', post({ path: '/a', keyid: 1001 }), { code: 'REQUEST_INVALID', errors: [{ pointer: '/keyid', detail: 'must be string' }] }], ['recursive as a number', post({ path: '/a', recursive: 1 }), { code: 'REQUEST_INVALID' }],
    ['a list for a path', post({ path: ['/a'] }), { code: 'REQUEST_INVALID' }], ['an id that is none', { url: '/signatures/x' }, { code: 'REQUEST_INVALID', errors: [{ pointer: '/params/id' }] }],
    ['a limit that is none', { url: '/files?limit=x' }, { code: 'REQUEST_INVALID', errors: [{ pointer: '/querystring/limit' }] }], ['two paths', { url: '/files?path=/a&path=/b' }, { code: 'REQUEST_INVALID' }],
    ['a relative path', post({ path: 'a' }), { status: 400, code: 'PATH_MALFORMED' }], ['a path with ..', post({ path: `${test.root}/../other` }), { status: 400, code: 'PATH_MALFORMED' }],
  ]
  for (const [name, request, want] of table) {
    const response = await test.app.inject(request)
    const problem = bodyOf(response)
    t.match(problem, { ...want, title: String, hint: String, retryable: Boolean, type: `urn:signing-server:problem:${String(problem['code'])}`, status: response.statusCode, instance: `urn:uuid:${String(response.headers['request-id'])}` }, name)
    t.equal(String(response.headers['content-type']).split(';')[0], 'application/problem+json', name)
  }
  t.equal(test.lines.filter(({ msg }) => msg === 'request refused').length, table.length)
  t.equal(test.requests.length, table.length)
  const many = bodyOf(await sign(test, Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`x${index}`, 1]))))
  t.equal(many['errors'].length, 100, 'a short request does not make a long answer')
  t.match(bodyOf(await test.app.inject('/files?limit=2')), { files: [{ name: 'nim', kind: 'root' }] }, 'a number in a URL is text')
})

void t.test('listing goes page by page, looks into files, and survives what is odd', async (t) => {
  const test = await makeApp(t)
  const { root } = test
  putPackage(root, 'PkgA')
  mkdirSync(join(root, 'sub'))
  for (const name of ['a', 'b', 'ä', 'bad\nname']) writeFileSync(join(root, name), name)
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff])]), '')
  writeFileSync(join(root, '.toc'), '0 010203042026 2\n')
  execFileSync('mkfifo', [join(root, 'fifo')])
  for (const [name, target] of [['link', 'PkgA.1.0.0.0.bff'], ['leaves', '/etc/passwd']] as const) symlinkSync(target, join(root, name))
  for (const [name, seconds] of [['a', 1e12], ['b', -1e12]] as const) utimesSync(join(root, name), seconds, seconds)
  const list = async (query: Record<string, string>) => bodyOf(await test.app.inject({ url: '/files', query }))
  const whole = await list({ path: root })
  t.match(whole['files'].map(({ name, kind, format }: Record<string, unknown>) => [name, kind, format]), [
    ['.toc', 'file', 'toc'], ['PkgA.1.0.0.0.bff', 'file', 'installp'], ['\\xff', 'file', null], ['a', 'file', 'other'], ['b', 'file', 'other'], ['bad\nname', 'file', null], ['fifo', 'special', null],
    ['leaves', 'symlink', null], ['link', 'symlink', 'installp'], ['sub', 'directory', null], ['ä', 'file', 'other'],
  ])
  for (const { modifiedAt } of whole['files']) t.match(modifiedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  const paged: unknown[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const page = await list({ path: root, limit: '3', ...(cursor === '' ? {} : { cursor }) })
    paged.push(...page['files'])
    cursor = page['nextCursor'] as string | null
  }
  t.strictSame(paged, whole['files'])
  t.match(await list({ path: join(root, 'fifo') }), { files: [{ name: 'fifo', kind: 'special' }] })
  t.match(await list({}), { path: null, files: [{ name: 'nim', kind: 'root', sizeBytes: Number, format: null, signed: false }], nextCursor: null })
  t.match(await list({ path: join(root, 'bad\nname') }), { code: 'PATH_MALFORMED' })
  mkdirSync(join(root, 'locked'))
  chmodSync(join(root, 'locked'), 0)
  const unreachable = nobodyCannotReach(root)
  if (unreachable !== false) t.comment(unreachable)
  else t.match(await asNobody(async () => await list({ path: join(root, 'locked') })), { code: 'PATH_UNREADABLE', status: 403 })
  for (let index = 0; index < 100; index += 1) writeFileSync(join(root, `x${index}`), '')
  t.match(await list({ path: root }), { code: 'DIRECTORY_TOO_LARGE', status: 413, detail: /100 entries, the limit limits\.directoryEntries/ })
  rmSync(root, { recursive: true })
  t.match(await list({}), { files: [{ name: 'nim', sizeBytes: 0, modifiedAt: '1970-01-01T00:00:00.000Z' }] })
})

void t.test('a fault of the server says nothing to the client and everything to the log', async (t) => {
  const secret = () => Object.assign(new Error('open /srv/secret/key.pem'), { code: 'EIO' })
  const test = await makeApp(t, ({ store }) => ({ store: spoiledStore(store, { get: async () => await Promise.reject(secret()), signedAmong: async () => await Promise.reject(new SigningError('STORE_FAILED', 'the catalogue does not answer', { cause: secret() })), record: async () => await Promise.reject(secret()) }) }))
  const path = putPackage(test.root, 'PkgA')
  const responses = [await test.app.inject('/signatures/0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21'), await test.app.inject({ url: '/files', query: { path } }), await sign(test, { path }), await sign(test, { path: test.root })]
  t.strictSame(responses.map(({ statusCode }) => statusCode), [500, 503, 500, 200])
  for (const { body } of responses) t.notMatch(body, /secret|EIO|node_modules|\.ts:\d/)
  t.match(bodyOf(responses[0] as Response), { code: 'INTERNAL', detail: 'something went wrong inside the server', retryable: false })
  t.equal(responses[1]?.headers['retry-after'], '1')
  t.match(bodyOf(responses[3] as Response), { failures: { 'PkgA.1.0.0.0.bff': { code: 'INTERNAL' } } })
  t.match(test.lines.filter(({ level }) => level === 'error').map(({ msg, err }) => [msg, (err as { message: string }).message]), [
    ['request failed', 'open /srv/secret/key.pem'], ['request failed', /the catalogue does not answer/], ['file not signed', 'open /srv/secret/key.pem'], ['request failed', 'open /srv/secret/key.pem'], ['file not signed', 'open /srv/secret/key.pem'],
  ])
})

void t.test('a signature that is not of this file, or of a file that changed, never leaves', async (t) => {
  let change: (path: string) => void = () => undefined
  let spoil = (text: string) => text
  const test = await makeApp(t, ({ signer }) => ({ signer: { sign: async (...args: Parameters<Signer['sign']>) => {
    const { signature, records } = await signer.sign(...args)
    change(join(test.root, args[0].filename))
    return { signature: spoil(signature), records: records.map((record) => ({ ...record, signature: spoil(record.signature) })) }
  } } }))
  const path = putPackage(test.root, 'PkgA')
  change = (file) => writeFileSync(file, 'changed')
  t.match(bodyOf(await sign(test, { path })), { code: 'FILE_CHANGED', status: 409, retryable: true })
  change = () => undefined
  putPackage(test.root, 'PkgA')
  spoil = (text) => Buffer.from(Buffer.from(text, 'base64').map((byte, at) => (at === 0 ? byte ^ 1 : byte))).toString('base64')
  t.match(bodyOf(await sign(test, { path })), { code: 'SIGNATURE_INVALID', status: 502 })
  t.match(test.lines.filter(({ level }) => level === 'error'), [{ msg: 'file not signed', code: 'SIGNATURE_INVALID' }, { msg: 'request failed' }])
  spoil = (text) => text
  t.equal((await sign(test, { path })).statusCode, 200)
})

function unverifiable({ package: name, ftype, filesets }: InstallpInfo): Made {
  const signature = Buffer.alloc(256, 1).toString('base64')
  return { signature, records: filesets.map(({ fileset, vrmf }) => ({ keyid: '1001', package: name, timestamp: '1', fileset, ftype, vrmf, signature })) }
}

void t.test('a key whose signatures cannot be verified is named in every answer', async (t) => {
  const test = await makeApp(t, () => ({ keyring: new Map([['1001', UNVERIFIED]]), signer: { sign: async ({ info }) => unverifiable(info as InstallpInfo) } }))
  const path = putPackage(test.root, 'PkgA')
  t.match(bodyOf(await sign(test, { path })), { signatures: { 'PkgA.1.0.0.0.bff': { covers: 'unverified' } }, warnings: [{ code: 'SIGNATURE_UNVERIFIED', detail: /key 1001/ }] })
  t.match(bodyOf(await test.app.inject('/keys/1001')), { kind: 'command', covers: 'unverified', installedPath: '/etc/security/certificates/x.pem' })
})

void t.test('while the server drains, requests are told to come again and connections end', async (t) => {
  const stop = new AbortController()
  let draining = false
  const test = await makeApp(t, () => ({ draining: () => draining, stop: stop.signal }))
  putPackage(test.root, 'PkgA')
  stop.abort(new SigningError('SHUTTING_DOWN', 'the server is shutting down'))
  t.match(bodyOf(await sign(test, { path: join(test.root, 'PkgA.1.0.0.0.bff') })), { code: 'SHUTTING_DOWN' }, 'running work is ended at the deadline')
  t.match(bodyOf(await sign(test, { path: test.root })), { code: 'SHUTTING_DOWN' })
  draining = true
  const response = await test.app.inject('/whoami')
  t.match(response, { statusCode: 503, headers: { connection: 'close', 'retry-after': '1' } })
  t.match(test.lines.at(-1), { level: 'warn', msg: 'request refused', code: 'SHUTTING_DOWN' })
})

async function listen(test: TestApp): Promise<Socket> {
  const server = createServer({ requireHostHeader: false }, (request, response) => test.app.routing(request, response)).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  return connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined)
}

void t.test('a request without a Host header is refused, as HTTP/1.1 demands', async (t) => {
  const test = await makeApp(t)
  for (const [version, want] of [['1.1', /^HTTP\/1\.1 400 [^]*REQUEST_MALFORMED/], ['1.0', /^HTTP\/1\.1 200 /]] as const) {
    const socket = await listen(test)
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk) => (text += chunk))
    socket.write(`GET /whoami HTTP/${version}\r\nConnection: close\r\n\r\n`)
    await once(socket, 'close')
    t.match(text, want)
  }
})

void t.test('a client that goes away in the middle of its body, or of the answer, is no fault of ours', async (t) => {
  const test = await makeApp(t)
  const socket = await listen(test)
  socket.write('POST /sign HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{')
  await eventually(() => socket.bytesWritten > 0)
  setTimeout(() => socket.destroy(), 20)
  await eventually(() => test.lines.length === 1)
  t.match(test.lines, [{ level: 'warn', msg: 'client went away', code: 'REQUEST_ABORTED', operation: 'sign' }])
  t.match(test.requests, [{ operation: 'sign', code: 'REQUEST_ABORTED' }])

  for (let index = 0; index < 50; index += 1) putPackage(test.root, `Pkg${index}`)
  const second = await listen(test)
  const body = JSON.stringify({ path: test.root })
  second.write(`POST /sign HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  await once(second, 'data')
  second.destroy()
  await eventually(() => test.requests.length === 2)
  t.match(test.requests[1], { operation: 'sign', code: 'REQUEST_ABORTED' })
  t.strictSame(test.lines.filter(({ level }) => level === 'error'), [])
})

void t.test('an answer that breaks in the middle is cut off, and the log shows why', async (t) => {
  const test = await makeApp(t, () => ({ metrics: { requestFinished: (outcome) => finished.push(outcome), fileFinished: () => {
    throw new Error('broken metrics')
  } } }))
  const finished: unknown[] = []
  for (const name of ['PkgA', 'PkgB']) putPackage(test.root, name)
  const socket = await listen(test)
  const body = JSON.stringify({ path: test.root })
  socket.write(`POST /sign HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  socket.resume()
  await once(socket, 'close')
  await eventually(() => finished.length === 1)
  t.match(finished, [{ code: 'INTERNAL' }])
  t.match(test.lines.filter(({ msg }) => msg === 'request failed'), [{ level: 'error', err: { message: 'broken metrics' } }])
})

void t.test('whoever finds no room is told to come again when the line will have passed', async (t) => {
  const busy = new SigningError('SERVER_BUSY', 'too many files wait for their turn', { waiting: 9, retryAfterMs: 4_200 })
  const refuse = () => {
    throw busy
  }
  const turns: TestDeps['turns'] = { checkRoom: refuse, take: refuse }
  const test = await makeApp(t, () => ({ turns }))
  const path = putPackage(test.root, 'PkgA')
  const sent = await test.app.inject({ ...post(readFileSync(path), { 'content-type': 'application/octet-stream' }), query: { filename: 'sent.bff' } })
  for (const refused of [await sign(test, { path }), sent]) t.match([refused.statusCode, refused.headers['retry-after'], bodyOf(refused)], [503, '5', { code: 'SERVER_BUSY' }])
})

void t.test('what could not even wait for its turn is refused before its body is looked at, in one line of the log; what is sent is let in', async (t) => {
  const turns = createTurns({ concurrency: 1, waiting: 0, busy: { code: 'SERVER_BUSY', message: 'too many files wait for their turn' } })
  const test = await makeApp(t, () => ({ turns }))
  const path = putPackage(test.root, 'PkgA')
  const sent = async () => await test.app.inject({ ...post(readFileSync(path), { 'content-type': 'application/octet-stream' }), query: { filename: 'sent.bff' } })
  const release = await turns.take()
  for (const body of [{ path }, { path: test.root }, { path: '/nowhere' }, { items: [] }, 'not JSON']) {
    const refused = await sign(test, body, { 'idempotency-key': 'again' })
    t.match([refused.statusCode, refused.headers['retry-after'], bodyOf(refused)], [503, '1', { code: 'SERVER_BUSY', retryable: true, instance: `urn:uuid:${String(refused.headers['request-id'])}` }], JSON.stringify(body))
  }
  t.match(test.lines, Array.from({ length: 5 }, () => ({ level: 'warn', msg: 'request refused', operation: 'sign', client: 'bot', code: 'SERVER_BUSY', facts: { waiting: 0 } })))
  t.strictSame([test.lines.length, test.files], [5, []])
  t.match(test.requests, Array.from({ length: 5 }, () => ({ operation: 'sign', code: 'SERVER_BUSY' })))
  t.equal((await test.app.inject('/whoami')).statusCode, 200, 'only what needs a turn')
  test.become('stranger')
  t.equal(bodyOf(await sign(test, { path })).code, 'CLIENT_UNKNOWN')
  test.become('bot')
  const upload = sent()
  await eventually(() => turns.waiting() === 1)
  release()
  t.equal((await upload).statusCode, 200)
  t.equal((await sign(test, { path }, { 'idempotency-key': 'again' })).statusCode, 200, 'there is room again, and the key was never used')
})
