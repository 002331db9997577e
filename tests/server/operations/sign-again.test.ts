import { randomUUID } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { writePackage } from '../../../formats/index.ts'
import type { SignAnswer } from '../../../server/schemas/sign.ts'
import type { Signature } from '../../../server/schemas/signature.ts'
import { clientNamed, makeApp, type TestApp } from '../../helpers/app.ts'
import { packageSource, putPackage } from '../../helpers/packages.ts'

type Scene = TestApp & Readonly<{ faults: Error[]; post: (body: object, query?: Readonly<Record<string, string>>) => Promise<Record<string, unknown>>; sign: (body: object) => Promise<Signature> }>

async function scene(t: Test): Promise<Scene> {
  const both = { keys: ['1001', '1002'], digestOnly: true, resign: true }
  const faults: Error[] = []
  const made = await makeApp(t, ({ inspector }) => ({ inspector: { ...inspector, open: async (...given) => await (faults.length > 0 ? Promise.reject(faults.pop()) : inspector.open(...given)) }, policy: [clientNamed('bot', both), clientNamed('officer', { ...both, sees: 'all' }), clientNamed('small', { ...both, sees: 'all', maxFileBytes: 10 }), clientNamed('elsewhere', { ...both, sees: 'all', roots: ['other'] })] }))
  const post = async (body: object) => JSON.parse((await made.app.inject({ method: 'POST', url: '/sign', payload: body })).body) as Record<string, unknown>
  return { ...made, faults, post, sign: async (body) => Object.values(((await post(body)) as SignAnswer).signatures)[0] as Signature }
}

void t.test('POST /sign of an earlier signature signs the same bytes with another key, once', async (t) => {
  const { post, sign, root, become, lines } = await scene(t)
  mkdirSync(join(root, 'sub'))
  const path = putPackage(join(root, 'sub'))
  const first = await sign({ path, keyid: '1001' })
  become('officer')
  const answer = await post({ id: first.id.toUpperCase(), keyid: '1002' })
  const second = Object.values((answer as SignAnswer).signatures)[0] as Signature
  t.match(answer, { path: 'PkgA.1.0.0.0.bff', files: ['PkgA.1.0.0.0.bff'], failures: {}, warnings: [] })
  t.match(second, { keyid: '1002', sha256: first.sha256, source: 'path', replayed: false, records: [{ keyid: '1002' }] })
  t.not(second.id, first.id)
  t.match(await sign({ id: first.id, keyid: '1002' }), { id: second.id, replayed: true })
  t.match(lines.findLast(({ msg }) => msg === 'signed package'), { root: 'nim', relativePath: 'sub/PkgA.1.0.0.0.bff' })
  t.match(await post({ id: first.id, keyid: '9' }), { code: 'KEY_NOT_AVAILABLE' })
  t.match(await post({ id: first.id }), { code: 'KEYID_REQUIRED' })
  t.match(await post({ id: randomUUID(), keyid: '1002' }), { code: 'SIGNATURE_NOT_FOUND' })
  t.match(await post({ id: 'x' }), { code: 'REQUEST_INVALID' })
  t.match(await post({ id: first.id, resign: true }), { code: 'REQUEST_INVALID' })
})

void t.test('a signature of somebody else is not found, and content that the server does not have is not available', async (t) => {
  const { post, sign, app, root, become } = await scene(t)
  const path = putPackage(root)
  const byPath = await sign({ path, keyid: '1001' })
  const byDigest = await sign({ digest: { sha256: 'ab'.repeat(32) }, sizeBytes: 1, filename: 'x', keyid: '1001' })
  const sent = await app.inject({ method: 'POST', url: '/sign', query: { filename: 'B.bff', keyid: '1001' }, payload: writePackage(packageSource('PkgB')), headers: { 'content-type': 'application/octet-stream' } })
  const byUpload = (JSON.parse(sent.body) as SignAnswer).signatures['B.bff'] as Signature
  for (const { id } of [byDigest, byUpload]) t.match(await post({ id, keyid: '1002' }), { code: 'CONTENT_UNAVAILABLE', status: 409, detail: /was sent, or signed by its digest/ })
  become('small')
  t.match(await post({ id: byPath.id, keyid: '1002' }), { code: 'FILE_TOO_LARGE' }, 'which is said of what this client may not sign')
  become('elsewhere')
  t.match(await post({ id: byPath.id, keyid: '1002' }), { code: 'CONTENT_UNAVAILABLE' }, 'in a root that is not for this client')
  become('nobody')
  t.match(await post({ id: byPath.id, keyid: '1002' }), { code: 'CLIENT_UNKNOWN' })
})

void t.test('a file that is gone, or another one by now, is never signed in the place of what was', async (t) => {
  const { post, sign, root, faults } = await scene(t)
  const path = putPackage(root)
  const bytes = readFileSync(path)
  const { id } = await sign({ path, keyid: '1001' })
  const changes: readonly (readonly [string, () => void])[] = [
    ['gone', () => undefined],
    ['a package with another level', () => void putPackage(root, 'PkgA', { filesets: [{ fileset: 'PkgA.rte', vrmf: '2.0.0.0' }] })],
    ['a large package', () => void putPackage(root, 'PkgA', { payload: [{ path: '/usr/PkgA/data', size: 1_100_000 }] })],
    ['longer', () => { writeFileSync(path, bytes); appendFileSync(path, Buffer.alloc(512)) }],
    ['cut off', () => { writeFileSync(path, bytes); truncateSync(path, 100) }],
    ['no package', () => writeFileSync(path, 'text')],
    ['too large', () => writeFileSync(path, Buffer.alloc(2_000_001))],
    ['a directory', () => mkdirSync(path)],
    ['a link to nowhere', () => symlinkSync('/nowhere', path)],
  ]
  for (const [name, change] of changes) {
    rmSync(path, { recursive: true, force: true })
    change()
    t.match(await post({ id, keyid: '1002' }), { code: 'CONTENT_UNAVAILABLE', status: 409 }, name)
  }
  rmSync(path, { recursive: true, force: true })
  writeFileSync(path, bytes)
  faults.push(new Error('a fault of ours'))
  t.match(await post({ id, keyid: '1002' }), { code: 'INTERNAL' }, 'nothing else is taken for it')
  t.match(await sign({ id, keyid: '1002' }), { keyid: '1002' }, 'and when it is there again it is signed')
})
