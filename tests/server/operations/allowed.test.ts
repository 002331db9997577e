import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { InjectOptions } from 'fastify'
import t from 'tap'
import { writePackage } from '../../../formats/index.ts'
import type { ClientConfig } from '../../../server/config/schema.ts'
import { SigningError } from '../../../server/errors.ts'
import { metered } from '../../../server/operations/allowed.ts'
import { clientNamed, identityNamed, makeApp, NOW, type TestApp } from '../../helpers/app.ts'
import { packageSource, putPackage } from '../../helpers/packages.ts'

type Body = Record<string, any> // oxlint-disable-line typescript/no-explicit-any

const sign = (payload: object): InjectOptions => ({ method: 'POST', url: '/sign', payload, headers: { 'content-type': 'application/json' } })
const upload = (payload: Buffer | Readable, path = '/sign'): InjectOptions => ({ method: 'POST', url: `${path}?filename=a`, payload, headers: { 'content-type': 'application/octet-stream' } })
const digestOf = (character: string, more: object = {}) => ({ digest: { sha256: character.repeat(64) }, sizeBytes: 10, filename: character, ...more })
const described = (fileset: string) => ({ package: 'PkgA', filesets: [{ fileset, vrmf: '1.0.0.0' }] })

async function makeBoxed(t: Parameters<typeof makeApp>[0], box: Partial<ClientConfig>): Promise<TestApp & Readonly<{ ask: (request: InjectOptions | string) => Promise<Body> }>> {
  const test = await makeApp(t, () => ({ policy: [clientNamed('bot', { digestOnly: true, ...box }), clientNamed('other', { digestOnly: true })] }))
  return { ...test, ask: async (request) => (await test.app.inject(request)).json() }
}

void t.test('only the filesets that a client may have signed are, by whatever way they come', async (t) => {
  const { root, ask, become, lines } = await makeBoxed(t, { filesets: ['PkgA.rte', 'PkgA.msg.*'] })
  const fileset = (name: string) => ({ fileset: name, vrmf: '1.0.0.0' })
  const good = putPackage(root, 'PkgA', { filesets: [fileset('PkgA.rte'), fileset('PkgA.msg.de_DE')] })
  const foreign = putPackage(root, 'PkgB', { filesets: [fileset('PkgA.rte'), fileset('PkgB.rte')] })
  writeFileSync(join(root, 'fix.epkg.Z'), Buffer.from('1f9d90', 'hex'))
  t.match(await ask(sign({ path: good })), { signatures: { 'PkgA.1.0.0.0.bff': {} } })
  t.match(await ask(sign({ path: foreign })), { status: 403, code: 'FILESET_NOT_ALLOWED', detail: 'this client may not have fileset PkgB.rte signed' }, 'one that is foreign is enough')
  t.match(await ask(sign({ path: join(root, 'fix.epkg.Z') })), { status: 403, code: 'FILESET_NOT_ALLOWED', detail: /this has none/ }, 'what is no package has none')
  t.match(await ask(upload(writePackage(packageSource('PkgC')))), { code: 'FILESET_NOT_ALLOWED' }, 'an upload')
  t.match(await ask(sign(digestOf('a'))), { code: 'FILESET_NOT_ALLOWED' }, 'a digest that nobody describes')
  t.match(await ask(sign(digestOf('b', described('PkgB.rte')))), { code: 'FILESET_NOT_ALLOWED' })
  t.match(await ask(sign({ items: [digestOf('c', described('PkgA.msg.x')), digestOf('d', described('PkgA.adt'))] })), { items: [{ signature: {} }, { problem: { code: 'FILESET_NOT_ALLOWED' } }] })
  t.match(await ask(sign({ path: root })), { signatures: { 'PkgA.1.0.0.0.bff': { replayed: true } }, failures: { 'PkgB.1.0.0.0.bff': { code: 'FILESET_NOT_ALLOWED' }, 'fix.epkg.Z': { code: 'FILESET_NOT_ALLOWED' } } }, 'in a directory each by itself')
  become('other')
  t.match(await ask(sign({ path: foreign })), { signatures: {} })
  become('bot')
  t.match(await ask(sign({ path: foreign })), { code: 'FILESET_NOT_ALLOWED' }, 'what somebody else had signed is not handed out')
  t.match(lines.find(({ msg, code }) => msg === 'file refused' && code === 'FILESET_NOT_ALLOWED'), { facts: { filesets: ['PkgB.rte'] } })
  const none = await makeBoxed(t, { filesets: [] })
  t.match(await none.ask(sign({ path: putPackage(none.root, 'PkgA') })), { code: 'FILESET_NOT_ALLOWED' }, 'an empty list denies')
})

void t.test('only the formats that a client may have signed are', async (t) => {
  const { root, ask } = await makeBoxed(t, { formats: ['compress', 'other'] })
  writeFileSync(join(root, 'fix.epkg.Z'), Buffer.from('1f9d90', 'hex'))
  writeFileSync(join(root, 'text'), 'text')
  t.match(await ask(sign({ path: join(root, 'fix.epkg.Z') })), { signatures: { 'fix.epkg.Z': { format: 'compress' } } })
  t.match(await ask(sign({ path: putPackage(root, 'PkgA') })), { status: 403, code: 'FORMAT_NOT_ALLOWED', detail: 'this client may not have files of format installp signed' })
  t.match(await ask(sign({ path: join(root, 'text') })), { code: 'NOT_A_PACKAGE' }, 'what the server does not accept nobody may')
  t.match(await ask(sign(digestOf('a'))), { signatures: {} }, 'a digest that nobody describes is of another format')
  t.match(await ask(sign(digestOf('b', described('PkgA.rte')))), { code: 'FORMAT_NOT_ALLOWED' })
  const none = await makeBoxed(t, { formats: [] })
  t.match(await none.ask(sign(digestOf('a'))), { code: 'FORMAT_NOT_ALLOWED' }, 'an empty list denies')
})

void t.test('a file that is larger than its client may is not read', async (t) => {
  const bytes = writePackage(packageSource('PkgA'))
  const { root, ask, files } = await makeBoxed(t, { maxFileBytes: bytes.length })
  const path = putPackage(root, 'PkgA')
  t.match(await ask(sign({ path })), { signatures: {} }, 'just as large')
  t.match(await ask(upload(bytes)), { signatures: {} })
  writeFileSync(join(root, 'large'), Buffer.alloc(bytes.length + 1))
  const code = { status: 413, code: 'FILE_TOO_LARGE', detail: new RegExp(`maxFileBytes of this client is ${bytes.length}`) }
  t.match(await ask(sign({ path: join(root, 'large') })), code)
  t.match(await ask({ ...sign({ path: join(root, 'large') }), url: '/verify' }), code)
  for (const way of ['/sign', '/verify']) {
    t.match(await ask(upload(Buffer.alloc(bytes.length + 1), way)), code, `${way}, by its length`)
    t.match(await ask(upload(Readable.from([bytes, Buffer.from('x')]), way)), code, `${way}, as it arrives`)
  }
  t.match(await ask(sign(digestOf('a', { sizeBytes: bytes.length + 1 }))), code, 'by what the client says of it')
  t.match(await ask(upload(Buffer.alloc(1_000_001))), code, 'the smaller limit is named')
  t.ok(files.length > 0)
})

void t.test('what is read of a file is counted, also where it is no use; what was left alone is not', async (t) => {
  let spent = 0
  const caller = { identity: identityNamed('bot'), client: clientNamed('bot'), policy: [] }
  const counting = { ...caller, spend: (bytes: number) => void (spent += bytes) }
  const failing = (error: Error) => async (): Promise<string> => {
    throw error
  }
  t.equal(await metered(counting, 5, async () => 'read'), 'read')
  t.equal(spent, 5)
  for (const [error, costs] of [[new SigningError('PACKAGE_MALFORMED', 'x'), 5], [new Error('x'), 5], [new SigningError('NOT_A_PACKAGE', 'x'), 0], [new SigningError('FORMAT_NOT_ACCEPTED', 'x'), 0], [new SigningError('FILE_TOO_LARGE', 'x'), 0]] as const) {
    spent = 0
    await t.rejects(metered(counting, 5, failing(error)), error)
    t.equal(spent, costs, 'code' in error ? error.code : error.message)
  }
  t.equal(await metered(caller, 5, async () => 'read'), 'read', 'for whom nothing is counted')
})

void t.test('no more signatures are made than a client may have, and those that were made are still handed out', async (t) => {
  const { root, ask, become } = await makeBoxed(t, { maxSignatures: 2 })
  const paths = ['PkgA', 'PkgB', 'PkgC'].map((name) => putPackage(root, name))
  const count = async () => (await ask('/whoami'))['left']
  t.strictSame(await count(), { signatures: 2 })
  t.match(await ask(sign({ path: paths[0] })), { signatures: { 'PkgA.1.0.0.0.bff': { replayed: false } } })
  for (let round = 0; round < 3; round += 1) t.match(await ask(sign({ path: paths[0] })), { signatures: { 'PkgA.1.0.0.0.bff': { replayed: true } } })
  t.strictSame(await count(), { signatures: 1 }, 'what is handed out again does not count')
  become('other')
  t.match(await ask(sign({ path: paths[1] })), { signatures: {} })
  become('bot')
  t.match(await ask(sign({ path: paths[1] })), { signatures: { 'PkgB.1.0.0.0.bff': { replayed: true } } })
  t.strictSame(await count(), { signatures: 1 }, 'nor does what was made for somebody else')
  t.match(await ask(sign({ path: paths[0], force: true })), { signatures: {} }, 'one that is made anew does')
  t.match(await ask(sign({ path: paths[2] })), { status: 403, code: 'SIGNATURE_COUNT_REACHED', retryable: false, detail: '2 signatures were made for this client, and its maxSignatures is 2' })
  t.match(await ask(sign({ path: paths[0], force: true })), { code: 'SIGNATURE_COUNT_REACHED' })
  t.match(await ask(sign({ path: paths[1] })), { signatures: {} })
  t.strictSame(await count(), { signatures: 0 })
})

void t.test('of many that ask at once for the last places as many get one as there are', async (t) => {
  const { root, ask, deps } = await makeBoxed(t, { maxSignatures: 5 })
  const many = join(root, 'many')
  mkdirSync(many)
  for (let index = 0; index < 9; index += 1) putPackage(many, `Pkg${index}`)
  const answers: readonly Body[] = await Promise.all([
    ask(sign({ path: many })),
    ask(sign({ items: Array.from({ length: 10 }, (_, index) => digestOf(index.toString(16), { filename: `d${index}` })) })),
    ...Array.from({ length: 6 }, async (_, index) => await ask(sign(digestOf('abcdef'[index] as string)))),
  ])
  const [directory, batch, ...single] = answers as readonly [Body, Body, ...Body[]]
  const signed = Object.keys(directory['signatures']).length + (batch['items'] as Body[]).filter(({ signature }) => signature !== undefined).length + single.filter(({ signatures }) => signatures !== undefined).length
  t.equal(signed, 5)
  const refused = [...Object.values(directory['failures'] as Body), ...(batch['items'] as Body[]).flatMap(({ problem }) => problem ?? []), ...single.filter(({ code }) => code !== undefined)]
  t.strictSame(new Set(refused.map(({ code }) => code)), new Set(['SIGNATURE_COUNT_REACHED']))
  t.equal(await deps.store.countOf('bot', 100), 5)
  t.equal(await deps.store.countOf('bot', 3), 3, 'counted no further than is asked')
  t.equal(await deps.store.countOf('nobody', 3), 0)
})

void t.test('a client may do nothing before its time, nor after it, and its answers say so', async (t) => {
  const at = (ms: number) => new Date(NOW.getTime() + ms).toISOString().replace('.000Z', 'Z')
  const cases: readonly [string, Partial<ClientConfig>, string | undefined][] = [
    ['in its time', { notBefore: at(0), notAfter: at(1_000) }, undefined],
    ['at its beginning', { notBefore: at(0) }, undefined],
    ['a second before it', { notBefore: at(1_000) }, 'CLIENT_NOT_YET_VALID'],
    ['at its end', { notAfter: at(0) }, 'CLIENT_EXPIRED'],
    ['after it', { notBefore: at(-2_000), notAfter: at(-1_000) }, 'CLIENT_EXPIRED'],
  ]
  for (const [name, box, code] of cases) {
    const { app, root } = await makeBoxed(t, box)
    const path = putPackage(root, 'PkgA')
    for (const request of ['/whoami', '/openapi.yaml', '/docs/', '/nowhere', '/keys/%zz', sign({ path })]) {
      const response = await app.inject(request)
      if (code === undefined) t.not(response.statusCode, 403, name)
      else t.match(response.json(), { status: 403, code, detail: String(box.notAfter ?? box.notBefore).slice(0, 10) }, name)
    }
  }
})
