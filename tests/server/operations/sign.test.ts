import { createHash, createPrivateKey, createVerify } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'tap'
import type { Test } from 'tap'
import { writePackage } from '../../../formats/index.ts'
import type { BatchAnswer, SignAnswer } from '../../../server/schemas/sign.ts'
import { OPERATIONS } from '../../../server/schemas/whoami.ts'
import type { Signature } from '../../../server/schemas/signature.ts'
import { withBlock } from '../../helpers/blocks.ts'
import { clientOf, problemIn, type Answer, type Client } from '../../helpers/client.ts'
import { fakeCommand } from '../../helpers/fake-command.ts'
import { startInProcess, type InProcessServer } from '../../helpers/in-process.ts'
import { packageSource, putPackage } from '../../helpers/packages.ts'

const PACKAGE = writePackage(packageSource('PkgA'))
const FIX = Buffer.concat([Buffer.from([0x1f, 0x9d]), Buffer.from('an interim fix')])
const RPM = Buffer.concat([Buffer.from('edabeedb', 'hex'), Buffer.from('the lead of an rpm')])
const TAR = Buffer.concat([Buffer.alloc(257), Buffer.from('ustar'), Buffer.alloc(250)])
const TEXT = Buffer.from('anything else')
const bot = (changes: object = {}) => ({ name: 'release-bot', match: { san: 'URI:urn:example:release-bot' }, allow: [...OPERATIONS], keys: ['1001'], roots: ['nim'], digestOnly: true, ...changes })
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

type Scene = InProcessServer & Readonly<{ client: Client; accepts: (bytes: Uint8Array, signature: string) => boolean }>

async function scene(t: Test, members: Parameters<typeof startInProcess>[1] = {}, furnish?: Parameters<typeof startInProcess>[2]): Promise<Scene> {
  const running = await startInProcess(t, { clients: [bot()], ...members }, furnish)
  const { publicKey } = running.place
  return { ...running, client: await clientOf(t, running.url), accepts: (bytes, signature) => createVerify('RSA-SHA256').update(bytes).verify(publicKey, signature, 'base64') }
}

const post = async (client: Client, body: unknown): Promise<Answer> => await client.ask('/sign', { method: 'POST', body })
const only = ({ text }: Answer): Signature => Object.values((JSON.parse(text) as SignAnswer).signatures)[0] as Signature
const item = (bytes: Uint8Array, changes: object = {}) => ({ digest: { sha256: sha256(bytes) }, sizeBytes: bytes.length, filename: 'PkgA.bff', ...changes })
const DESCRIBED = { package: 'PkgA', filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }, { fileset: 'PkgA.adt', vrmf: '7.3.2.10' }] }

void test('a digest alone is signed: what was described stands in the records, and the answer says that the content was not seen', async (t) => {
  const { client, accepts, logs } = await scene(t)
  const answer = await post(client, { ...item(PACKAGE), ...DESCRIBED, ftype: 'S', builtAt: 1_375_425_475 })
  t.match(JSON.parse(answer.text), { path: 'PkgA.bff', files: ['PkgA.bff'], failures: {}, skipped: {}, warnings: [{ code: 'CONTENT_NOT_SEEN' }] })
  const signature = only(answer)
  t.match(signature, { source: 'digest', format: 'installp', filename: 'PkgA.bff', sizeBytes: PACKAGE.length, sha256: sha256(PACKAGE) })
  t.strictSame(signature.records.map(({ package: name, fileset, vrmf, ftype, timestamp }) => [name, fileset, vrmf, ftype, timestamp]), [['PkgA', 'PkgA.rte', '1.0.0.0', 'S', '1375425475'], ['PkgA', 'PkgA.adt', '7.3.2.10', 'S', '1375425475']])
  t.ok(accepts(PACKAGE, signature.signature) && signature.records.every((record) => accepts(PACKAGE, record.signature)))
  t.strictSame(JSON.parse((await client.ask(`/signatures/${signature.id}`)).text), signature, 'it is in the catalogue')
  t.ok(logs.some(({ msg, sha256: digest }) => msg === 'signed package' && digest === sha256(PACKAGE)))

  const before = Math.floor(Date.now() / 1000)
  const now = only(await post(client, { ...item(PACKAGE), ...DESCRIBED }))
  t.ok(Number(now.records[0]?.timestamp) >= before, 'without a build time, that of signing')
  t.equal(now.records[0]?.ftype, 'I')

  const detached = only(await post(client, item(FIX, { filename: 'fix.epkg.Z' })))
  t.match(detached, { source: 'digest', format: 'other', records: [] })
  t.ok(accepts(FIX, detached.signature))
})

void test('what is described must be a package that AIX could store', async (t) => {
  const { client } = await scene(t)
  const filesets = (fileset: string, vrmf = '1.0.0.0') => [{ fileset, vrmf }]
  const rows: readonly (readonly [string, object, number, string])[] = [
    ['a package without filesets', { package: 'PkgA' }, 400, 'REQUEST_INVALID'],
    ['filesets without a package', { filesets: filesets('PkgA.rte') }, 400, 'REQUEST_INVALID'],
    ['no fileset', { package: 'PkgA', filesets: [] }, 400, 'REQUEST_INVALID'],
    ['a colon in the package', { package: 'Pkg:A', filesets: filesets('PkgA.rte') }, 422, 'PACKAGE_MALFORMED'],
    ['a line break in a fileset', { package: 'PkgA', filesets: filesets('PkgA\nrte') }, 422, 'PACKAGE_MALFORMED'],
    ['a level with a zero in front', { package: 'PkgA', filesets: filesets('PkgA.rte', '01.0.0.0') }, 422, 'PACKAGE_MALFORMED'],
    ['a part of 32768', { package: 'PkgA', filesets: filesets('PkgA.rte', '1.0.0.32768') }, 422, 'PACKAGE_MALFORMED'],
    ['the same level twice', { package: 'PkgA', filesets: [...filesets('PkgA.rte'), ...filesets('PkgA.rte')] }, 422, 'PACKAGE_MALFORMED'],
    ['a blank type', { package: 'PkgA', ftype: ' ', filesets: filesets('PkgA.rte') }, 422, 'PACKAGE_MALFORMED'],
    ['145 characters', { package: 'P'.repeat(145), filesets: filesets('PkgA.rte') }, 400, 'REQUEST_INVALID'],
    ['a separator in the file name', { filename: 'a/b' }, 422, 'FILE_NAME_REFUSED'],
    ['a digest in capitals', { digest: { sha256: 'A'.repeat(64) } }, 400, 'REQUEST_INVALID'],
    ['a digest of another kind', { digest: { sha512: 'a'.repeat(128) } }, 400, 'REQUEST_INVALID'],
    ['a size below zero', { sizeBytes: -1 }, 400, 'REQUEST_INVALID'],
    ['a path as well', { path: '/x' }, 400, 'REQUEST_INVALID'],
    ['an unknown member', { retry: true }, 400, 'REQUEST_INVALID'],
  ]
  for (const [name, changes, status, code] of rows) t.match(problemIn(await post(client, { ...item(PACKAGE), ...changes })), { status, code }, name)
  t.match(problemIn(await post(client, { ...item(PACKAGE), path: '/x' })), { errors: [{ pointer: '/digest' }, { pointer: '/sizeBytes' }, { pointer: '/filename' }] }, 'the faults name what is too much for a path')
})

void test('a digest is signed only for clients whose policy says so, with a key that can sign one', async (t) => {
  const plain = await scene(t, { clients: [bot({ digestOnly: false })] })
  t.match(problemIn(await post(plain.client, item(PACKAGE))), { status: 403, code: 'DIGEST_NOT_ALLOWED' })
  t.match(problemIn(await post(plain.client, { items: [item(PACKAGE)] })), { status: 403, code: 'DIGEST_NOT_ALLOWED' })
  const { client } = await scene(t)
  t.match(problemIn(await post(client, { ...item(PACKAGE), keyid: '1002' })), { status: 403, code: 'KEY_NOT_AVAILABLE' })
})

void test('the wrapped command signs files alone: digests and other formats are refused, uploads are signed', async (t) => {
  const { client, accepts, place } = await scene(t, {}, fakeCommand())
  t.match(problemIn(await post(client, { ...item(PACKAGE), ...DESCRIBED })), { status: 422, code: 'DIGEST_NOT_SIGNABLE' })
  const batch = JSON.parse((await post(client, { items: [item(PACKAGE, DESCRIBED)] })).text) as BatchAnswer
  t.match(batch.items, [{ filename: 'PkgA.bff', problem: { code: 'DIGEST_NOT_SIGNABLE' } }])
  t.match(problemIn(await client.upload({ filename: 'fix.epkg.Z' }, FIX)), { status: 422, code: 'FORMAT_NOT_ACCEPTED' })
  const uploaded = await client.signUpload('PkgA.bff', PACKAGE)
  t.ok(accepts(PACKAGE, uploaded.signature))
  const block = withBlock(PACKAGE, createPrivateKey(readFileSync(place.privateKeyPath)))
  t.ok(accepts(PACKAGE, (await client.signUpload('signed.bff', block)).signature), 'over the bytes before a block')
})

void test('a thousand digests are signed in one request, in their order; what fails has its problem and spoils nothing', async (t) => {
  const { client, accepts } = await scene(t)
  const contents = Array.from({ length: 1000 }, (_, index) => Buffer.from(`package ${index}`))
  const items = contents.map((bytes, index) => item(bytes, { filename: `Pkg${index}.bff`, ...(index % 3 === 0 ? { package: 'PkgA', filesets: [{ fileset: `PkgA.part${index}`, vrmf: '1.0.0.0' }] } : {}) }))
  items[500] = item(Buffer.alloc(0), { filename: 'a/b' })
  items[501] = item(Buffer.alloc(0), { package: 'no filesets' })
  const answer = await post(client, { items })
  t.equal(answer.status, 200)
  const { items: outcomes, warnings } = JSON.parse(answer.text) as BatchAnswer
  t.match(warnings, [{ code: 'CONTENT_NOT_SEEN' }])
  t.strictSame(outcomes.map(({ filename }) => filename), items.map(({ filename }) => filename))
  t.match([outcomes[500]?.problem, outcomes[501]?.problem], [{ code: 'FILE_NAME_REFUSED' }, { code: 'REQUEST_INVALID' }])
  const wrong = outcomes.filter(({ signature }, index) => index !== 500 && index !== 501 && (signature === undefined || !accepts(contents[index] as Buffer, signature.signature)))
  t.strictSame(wrong, [], 'each of the others verifies')
  t.equal(new Set(outcomes.map(({ signature }) => signature?.id)).size, 999, 'and is in the catalogue under an id of its own')
  for (const [name, body] of [['1001 items', { items: [...items, items[0]] }], ['no item', { items: [] }], ['an item with a keyid', { items: [item(PACKAGE, { keyid: '1001' })] }], ['items and a path', { items: items.slice(0, 1), path: '/x' }]] as const) {
    t.match(problemIn(await post(client, body)), { status: 400, code: 'REQUEST_INVALID' }, name)
  }
})

void test('other formats get a detached signature where the configuration accepts them; unknown content only by name', async (t) => {
  const all = { 'fix.epkg.Z': FIX, 'p.rpm': RPM, 'b.tar': TAR, 'note.txt': TEXT, '.toc': Buffer.from('0 010203042026 2\n') }
  const put = (folder: string) => {
    for (const [name, bytes] of Object.entries(all)) writeFileSync(join(folder, name), bytes)
    return folder
  }
  const usual = await scene(t)
  const path = put(usual.place.root)
  putPackage(path)
  const answer = await usual.client.sign({ path })
  t.strictSame([Object.keys(answer.signatures), answer.skipped, answer.failures], [['PkgA.1.0.0.0.bff', 'fix.epkg.Z', 'p.rpm'], { '.toc': 'TOC', 'b.tar': 'FORMAT_NOT_ACCEPTED', 'note.txt': 'NOT_A_PACKAGE' }, {}])
  for (const [name, format] of [['fix.epkg.Z', 'compress'], ['p.rpm', 'rpm']] as const) {
    const signature = answer.signatures[name] as Signature
    t.match(signature, { format, source: 'path', records: [], sizeBytes: all[name].length })
    t.ok(usual.accepts(all[name], signature.signature))
    t.match(await usual.client.signUpload(name, all[name]), { id: signature.id, filename: name, source: 'path', replayed: true, signature: signature.signature }, 'the same content is signed once')
  }
  writeFileSync(join(path, 'broken.bff'), PACKAGE.subarray(0, 200))
  t.match((await usual.client.sign({ path })).failures, { 'broken.bff': { code: 'PACKAGE_MALFORMED' } })
  const codes = { 'b.tar': 'FORMAT_NOT_ACCEPTED', 'note.txt': 'NOT_A_PACKAGE', '.toc': 'NOT_A_PACKAGE' } as const
  for (const [name, code] of Object.entries(codes)) {
    t.match(problemIn(await usual.client.trySign({ path: join(path, name) })), { status: 422, code }, name)
    t.match(problemIn(await usual.client.upload({ filename: name }, all[name as keyof typeof all])), { status: 422, code }, `${name} uploaded`)
  }

  const open = await scene(t, { formats: { accept: ['installp', 'tar', 'other'] } })
  put(open.place.root)
  const opened = await open.client.sign({ path: open.place.root })
  t.strictSame([Object.keys(opened.signatures), opened.skipped], [['b.tar', 'note.txt'], { '.toc': 'TOC', 'fix.epkg.Z': 'FORMAT_NOT_ACCEPTED', 'p.rpm': 'FORMAT_NOT_ACCEPTED' }])
  t.match(opened.signatures, { 'b.tar': { format: 'tar' }, 'note.txt': { format: 'other' } })

  const closed = await scene(t, { formats: { accept: ['rpm'] } })
  putPackage(closed.place.root)
  t.match((await closed.client.sign({ path: closed.place.root })).skipped, { 'PkgA.1.0.0.0.bff': 'FORMAT_NOT_ACCEPTED' })
})

void test('an upload keeps any plain name, and no other', async (t) => {
  const { client } = await scene(t)
  const accepted = ['PkgA.1.0.0.0.bff', '包.bff', 'пакет.bff', 'حزمة.bff', '🗜️.bff', ' blank .bff', '-rf', '..bff', '__proto__', 'constructor', '%2e%2e%2f', 'a'.repeat(255), 'é'.repeat(127)]
  for (const filename of accepted) t.match(await client.signUpload(filename, PACKAGE), { filename, source: 'upload' }, filename.slice(0, 30))
  const refused = ['a/b', '../a', '/etc/passwd', 'a\\b', 'a\0b', 'a\nb', '\u001b[2J', '\u0085', '.', '..', 'a'.repeat(256), 'a'.repeat(300), 'é'.repeat(128)]
  for (const filename of refused) t.match(problemIn(await client.upload({ filename }, PACKAGE)), { status: 422, code: 'FILE_NAME_REFUSED' }, JSON.stringify(filename.slice(0, 30)))
  t.match(problemIn(await client.upload({ filename: '' }, PACKAGE)), { status: 400, code: 'REQUEST_INVALID' })
  t.match(problemIn(await client.upload({ filename: 'a'.repeat(2000) }, PACKAGE)), { status: 400, code: 'REQUEST_INVALID' })
  t.match(problemIn(await client.upload({}, PACKAGE)), { status: 400, code: 'REQUEST_INVALID', detail: /filename/ })
  t.match(problemIn(await client.upload({ filename: 'x', recursive: 'true' }, PACKAGE)), { status: 400, code: 'REQUEST_INVALID' })
  t.match(problemIn(await client.ask('/sign?filename=x&filename=y', { method: 'POST', body: PACKAGE, headers: { 'content-type': 'application/octet-stream' } })), { status: 400, code: 'REQUEST_INVALID' })
  for (const query of ['filename=x', 'keyid=1001']) t.match(problemIn(await client.ask(`/sign?${query}`, { method: 'POST', body: { path: '/' } })), { status: 400, code: 'REQUEST_INVALID', detail: /belongs to an upload/ })
})

void test('a declared digest is checked, in either field; what is no such field is refused', async (t) => {
  const { client } = await scene(t)
  const right = `sha-256=:${createHash('sha256').update(PACKAGE).digest('base64')}:`
  const wrong = `sha-256=:${createHash('sha256').update('x').digest('base64')}:`
  const rows: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
    ['right', { 'content-digest': right }, 'OK'], ['right in the other field', { 'repr-digest': right }, 'OK'], ['right in both', { 'content-digest': right, 'repr-digest': right }, 'OK'],
    ['right among others', { 'content-digest': `sha-512=:${Buffer.alloc(64).toString('base64')}:, ${right}` }, 'OK'], ['another algorithm alone', { 'content-digest': 'unixsum=:AAAA:' }, 'OK'],
    ['wrong', { 'content-digest': wrong }, 'DIGEST_MISMATCH'], ['wrong in the other field', { 'content-digest': right, 'repr-digest': wrong }, 'DIGEST_MISMATCH'], ['one right and one wrong', { 'content-digest': `${right},${wrong}` }, 'DIGEST_MISMATCH'],
    ['hexadecimal', { 'content-digest': `sha-256=${sha256(PACKAGE)}` }, 'DIGEST_MALFORMED'], ['too short', { 'content-digest': 'sha-256=:AAAA:' }, 'DIGEST_MALFORMED'],
    ['no padding', { 'content-digest': right.replace('=:', ':').replace(/=:$/, ':') }, 'DIGEST_MALFORMED'], ['an empty member', { 'content-digest': `${right},` }, 'DIGEST_MALFORMED'], ['a blank within', { 'content-digest': right.replace('sha-256=', 'sha-256 =') }, 'DIGEST_MALFORMED'],
    ['capitals', { 'content-digest': right.replace('sha', 'SHA') }, 'DIGEST_MALFORMED'], ['text', { 'repr-digest': 'none' }, 'DIGEST_MALFORMED'],
  ]
  for (const [name, headers, want] of rows) {
    const answer = await client.upload({ filename: 'PkgA.bff' }, PACKAGE, { headers })
    t.equal(answer.status === 200 ? 'OK' : problemIn(answer).code, want, name)
  }
})

void test('an upload of no bytes, with and without a body, is no package', async (t) => {
  const { client } = await scene(t, { formats: { accept: ['installp'] } })
  const headers = { 'content-type': 'application/octet-stream' }
  t.match(problemIn(await client.upload({ filename: 'x' }, Buffer.alloc(0))), { status: 422, code: 'NOT_A_PACKAGE' })
  t.match(problemIn(await client.upload({ filename: 'x' }, Readable.from([]))), { status: 422, code: 'NOT_A_PACKAGE' }, 'in chunks')
  t.match(problemIn(await client.ask('/sign?filename=x', { method: 'POST', headers })), { status: 422, code: 'NOT_A_PACKAGE' }, 'no body at all')
  t.match(await client.signUpload('PkgA.bff', PACKAGE, { headers: { 'content-type': 'Application/Octet-Stream; x=y' } }), { source: 'upload' })
  t.match(problemIn(await client.upload({ filename: 'x' }, Buffer.concat([PACKAGE.subarray(0, 300)]))), { status: 422, code: 'PACKAGE_MALFORMED' })
})

void test('a request without a content type, or with none of ours, is refused; the outcomes of one file may also come as events', async (t) => {
  const { client } = await scene(t)
  for (const url of ['/sign', '/sign?filename=x', '/verify', '/verify?filename=x']) t.match(problemIn(await client.ask(url, { method: 'POST' })), { status: 415, code: 'CONTENT_TYPE_UNSUPPORTED' }, url)
  t.match(problemIn(await client.ask('/sign', { method: 'POST', body: 'x', headers: { 'content-type': 'multipart/form-data' } })), { status: 415, code: 'CONTENT_TYPE_UNSUPPORTED' })
  const events = (await client.upload({ filename: 'PkgA.bff', keyid: '1001' }, PACKAGE, { headers: { accept: 'application/x-ndjson' } })).text.trimEnd().split('\n').map((line) => JSON.parse(line) as { event: string })
  t.strictSame(events.map(({ event }) => event), ['listing', 'signature', 'end'])
  t.match(problemIn(await client.upload({ filename: 'PkgA.bff', keyid: '7' }, PACKAGE)), { code: 'KEY_NOT_AVAILABLE' })
})

void test('one name twice in a batch makes no confusion', async (t) => {
  const { client } = await scene(t)
  const { items } = JSON.parse((await post(client, { items: [item(PACKAGE), item(FIX)] })).text) as BatchAnswer
  t.strictSame(items.map(({ filename, signature }) => [filename, signature?.sha256]), [['PkgA.bff', sha256(PACKAGE)], ['PkgA.bff', sha256(FIX)]])
})
