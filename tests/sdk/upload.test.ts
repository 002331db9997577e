import { createHash } from 'node:crypto'
import { closeSync, openSync, truncateSync, utimesSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createServer } from 'node:https'
import { join } from 'node:path'
import t from 'tap'
import { createClient, type UploadSource } from '../../sdk/index.ts'
import { parseDisposition } from '../../sdk/disposition.ts'
import { buildUpload } from '../../sdk/request.ts'
import { answerJson, answerProblem, problem, scriptedServer } from './scripted-server.ts'

const digestField = (text: string) => `sha-256=:${createHash('sha256').update(text).digest('base64')}:`
const ANSWER = { path: 'a', files: ['a'], signatures: {}, failures: {}, skipped: {}, warnings: [] }

async function* stream(...parts: readonly string[]): AsyncGenerator<Buffer> {
  for (const part of parts) yield await Promise.resolve(Buffer.from(part))
}

void t.test('each kind of source is hashed, named and sent with its length and digest', async (t) => {
  const path = join(t.testdir({ 'PkgA.bff': 'the content' }), 'PkgA.bff')
  await using handle = await open(path)
  const server = await scriptedServer(t, (response) => answerJson(response, ANSWER))
  await using client = createClient(server.as('release-bot'))
  const sources: readonly (readonly [string, UploadSource])[] = [['a path', path], ['a handle', handle], ['bytes', Buffer.from('the content')], ['a stream', () => stream('the ', '', 'content')]]
  for (const [name, file] of sources) {
    const sent: number[] = []
    t.strictSame(await client.signUpload({ file, filename: 'Pkg ü.bff', keyid: '1001' }, { onProgress: (bytes) => sent.push(bytes) }), ANSWER, name)
    const request = server.seen.at(-1)!
    t.match(request, { method: 'POST', url: '/sign?filename=Pkg%20%C3%BC.bff&keyid=1001', body: 'the content' })
    t.match(request.headers, { 'content-type': 'application/octet-stream', 'content-length': '11', 'content-digest': digestField('the content'), 'repr-digest': digestField('the content'), accept: 'application/json' })
    t.equal(request.headers['transfer-encoding'], undefined)
    t.equal(sent.at(-1), 11)
  }
  await client.signUpload({ file: path })
  t.equal(server.seen.at(-1)?.url, '/sign?filename=PkgA.bff', 'a path has a name of its own')
  await client.verifyUpload({ file: Buffer.alloc(0), filename: 'x', signature: { form: 'sig', value: 'a+/=' } })
  t.match(server.seen.at(-1), { url: '/verify?filename=x&form=sig&value=a%2B%2F%3D', body: '', headers: { 'content-length': '0' } })
  t.equal((await handle.stat()).size, 11, 'a handle that was given stays open')
  await t.rejects(client.signUpload({ file: handle }), new TypeError('`filename` must be given for what is no path'))
  t.equal(server.connections(), 1)
})

void t.test('what cannot be read is a LocalFileError, and nothing is sent', async (t) => {
  const here = t.testdir({ folder: {} })
  const server = await scriptedServer(t, (response) => answerJson(response, ANSWER))
  await using client = createClient(server.as('release-bot'))
  await t.rejects(client.signUpload({ file: `${here}/none` }), { name: 'LocalFileError', code: 'FILE_UNREADABLE', detail: 'there is no such file' })
  await t.rejects(client.signUpload({ file: `${here}/folder` }), { code: 'FILE_KIND_REFUSED', message: 'it is a directory, no regular file. Name a regular file.' })
  await t.rejects(client.signUpload({ file: '/dev/null' }), { code: 'FILE_KIND_REFUSED', detail: /device/ })
  const reason = new Error('enough')
  await t.rejects(client.signUpload({ file: () => stream('a'), filename: 'a' }, { signal: AbortSignal.abort(reason) }), reason)
  await t.rejects(client.verifyUpload({ file: import.meta.filename }, { signal: AbortSignal.abort(reason) }), reason)
  t.strictSame(server.seen, [])
})

void t.test('a source that is not what it was ends the call with FILE_CHANGED, whatever the connection says of it', async (t) => {
  const here = t.testdir({ shrinks: 'x'.repeat(300_000), written: 'x'.repeat(300_000) })
  const server = await scriptedServer(t, (response) => answerJson(response, ANSWER))
  await using client = createClient(server.as('release-bot'))
  const twice = (...given: readonly string[]) => {
    let calls = 0
    return () => stream(given[calls++]!)
  }
  await t.rejects(client.signUpload({ file: twice('abc', 'abcd'), filename: 'a' }), { code: 'FILE_CHANGED' }, 'longer')
  await t.rejects(client.signUpload({ file: twice('abc', 'ab'), filename: 'a' }), { code: 'FILE_CHANGED' }, 'shorter')
  await t.rejects(client.signUpload({ file: `${here}/shrinks` }, { onProgress: () => truncateSync(`${here}/shrinks`, 10) }), { code: 'FILE_CHANGED' }, 'a file that was cut off')
  const fd = openSync(`${here}/written`, 'r+')
  await t.rejects(client.signUpload({ file: `${here}/written` }, { onProgress: () => {
    writeSync(fd, 'xyz', 0)
    utimesSync(`${here}/written`, 1, 1)
  } }), { code: 'FILE_CHANGED' }, 'a file that was written to')
  closeSync(fd)
  const broken = new RangeError('the stream broke')
  let calls = 0
  await t.rejects(client.signUpload({ filename: 'a', file: async function* () {
    yield Buffer.from('abc')
    calls += 1
    if (calls > 1) throw broken
    await Promise.resolve()
  } }), broken)
})

void t.test('an upload is repeated where the server did nothing, from its first byte, and only there', async (t) => {
  let status = 503
  const server = await scriptedServer(t, (response) => {
    if (server.seen.length < 3) return answerProblem(response, problem('SERVER_BUSY', status, true))
    return answerJson(response, ANSWER)
  })
  const client = createClient({ ...server.as('release-bot'), retry: { baseMs: 1 } })
  const path = join(t.testdir({ a: 'the content' }), 'a')
  t.strictSame(await client.signUpload({ file: path }), ANSWER)
  t.strictSame(server.seen.map(({ body }) => body), ['the content', 'the content', 'the content'])
  server.seen.length = 0
  status = 504
  await t.rejects(client.signUpload({ file: path }, { idempotencyKey: false }), { name: 'ProblemError', status: 504 })
  t.equal(server.seen.length, 1, 'without a key nobody knows whether it is done')
  await client.close()
})

void t.test('a server that refuses before the body has arrived is heard', async (t) => {
  const server = await scriptedServer(t, () => undefined)
  const { cert, key, ca } = server.pki.server
  const refusing = createServer({ cert, key, ca, requestCert: true, minVersion: 'TLSv1.3' }, (raw, response) => {
    answerProblem(response, problem('FILE_TOO_LARGE', 413, false))
    raw.resume()
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => refusing.once('listening', resolve))
  t.teardown(() => {
    refusing.close()
    refusing.closeAllConnections()
  })
  const { port } = refusing.address() as { port: number }
  await using client = createClient({ ...server.as('release-bot'), baseUrl: `https://localhost:${port}` })
  const large = Buffer.alloc(8 * 1024 * 1024)
  await t.rejects(client.signUpload({ file: large, filename: 'a' }), { name: 'ProblemError', code: 'FILE_TOO_LARGE' })
  await t.rejects(client.signUpload({ file: large, filename: 'a' }), { name: 'ProblemError', code: 'FILE_TOO_LARGE' }, 'and again')
})

void t.test('the parameters of an upload are those of the document', async (t) => {
  const body = { chunks: () => stream('a'), sizeBytes: 1, sha256: Buffer.alloc(32) }
  t.equal(buildUpload('sign', { filename: 'a', keyid: undefined }, { body, accept: '*/*' }).path, '/sign?filename=a')
  t.throws(() => buildUpload('sign', { filename: 'a', recursive: true }, { body, accept: '*/*' }), new TypeError('sign has no `recursive`'))
})

void t.test('signatures and keys come as files with their name and media type', async (t) => {
  const bytes = Buffer.from([0, 255, 10, 13])
  let head: Record<string, string> = { 'content-type': 'application/octet-stream', 'content-disposition': `attachment; filename="Pkg_.sig"; filename*=UTF-8''Pkg%C3%BC.sig` }
  const server = await scriptedServer(t, (response) => response.writeHead(200, head).end(bytes))
  await using client = createClient(server.as('release-bot'))
  t.strictSame(await client.exportSignature({ id: '0199', form: 'sig' }), { bytes, filename: 'Pkgü.sig', mediaType: 'application/octet-stream' })
  head = { 'content-type': 'application/x-pem-file', 'content-disposition': 'attachment; filename="1001.public.pem"' }
  t.strictSame(await client.exportKey({ keyid: '1001', form: 'public.pem' }), { bytes, filename: '1001.public.pem', mediaType: 'application/x-pem-file' })
  t.strictSame(server.seen.map(({ url, headers: { accept } }) => [url, accept]), [['/signatures/0199/sig', 'text/plain, application/octet-stream, text/x-shellscript'], ['/keys/1001/public.pem', 'application/x-pem-file']])
  for (const wrong of ['attachment', 'attachment; filename="../../etc/passwd"']) {
    head = { 'content-type': 'application/x-pem-file', 'content-disposition': wrong }
    await t.rejects(client.exportKey({ keyid: '1001', form: 'public.pem' }), { code: 'ANSWER_NOT_UNDERSTOOD', detail: `the answer of localhost:${server.port} is a file without a name` })
  }
  head = { 'content-type': 'text/html' }
  await t.rejects(client.exportKey({ keyid: '1001', form: 'public.pem' }), { code: 'ANSWER_NOT_UNDERSTOOD' })
})

void t.test('a name in Content-Disposition is a base name in UTF-8, or none', async (t) => {
  for (const [field, want] of [
    [`attachment; filename="a b.sig"; filename*=UTF-8''a%20%F0%9F%8E%89.sig`, 'a 🎉.sig'],
    [`attachment; filename*=utf-8'en'x.dsb`, 'x.dsb'],
    ['attachment; filename="plain"', 'plain'],
    [`attachment; filename*=UTF-8''%ff`, undefined],
    [`attachment; filename*=UTF-8''..%2Fx`, undefined],
    [`attachment; filename*=UTF-8''a%00b`, undefined],
    ['attachment; filename="a\\\\b"', undefined],
    ['attachment; filename=".."', undefined],
    ['attachment; filename=""', undefined],
    ['attachment', undefined],
    [undefined, undefined],
  ] as const) t.equal(parseDisposition(field), want, String(field))
})

void t.test('a batch answers for each item, and the type of the answer follows the request', async (t) => {
  const server = await scriptedServer(t, (response) => answerJson(response, { items: [], warnings: [] }))
  await using client = createClient(server.as('release-bot'))
  const item = { digest: { sha256: 'ab'.repeat(32) }, sizeBytes: 1, filename: 'a' }
  const { items } = await client.sign({ items: [item], keyid: '1001' })
  t.strictSame(items, [])
  t.match(server.seen[0], { url: '/sign', body: JSON.stringify({ items: [item], keyid: '1001' }) })
  await client.verify({ digest: { sha256: 'ab'.repeat(32) } })
  t.equal(server.seen[1]?.url, '/verify')
})
