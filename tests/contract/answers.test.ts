import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { parse } from 'yaml'
import { writePackage } from '../../formats/index.ts'
import { OPERATIONS } from '../../server/schemas/whoami.ts'
import { clientOf, type Answer, type Client } from '../helpers/client.ts'
import { count } from '../helpers/full-size.ts'
import { startInProcess, type InProcessServer } from '../helpers/in-process.ts'
import { packageSource, putPackage } from '../helpers/packages.ts'

type Media = Readonly<{ schema: object }>
type Operation = Readonly<{ operationId: string; responses: Readonly<Record<string, Readonly<{ content: Readonly<Record<string, Media>> }>>> }>

const document = parse(readFileSync('openapi.yaml', 'utf8')) as Readonly<{ paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>; components: object }>
const operations = Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })))

const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: true })
// ajv-formats is CommonJS, whose default export Node shows as the module itself.
;(addFormats as unknown as (target: Ajv2020) => void)(ajv)
ajv.addSchema({ $id: 'openapi', components: document.components })

const validators = new Map<string, ReturnType<Ajv2020['compile']>>()

/** Returns what is wrong with an answer by the document, or undefined. */
function undocumented({ responses, operationId }: Operation, { status, headers, text }: Answer): string | undefined {
  const response = responses[status]
  if (response === undefined) return `${operationId} answered ${status}: ${text.slice(0, 300)}`
  const mediaType = String(headers['content-type']).split(';')[0] as string
  const media = response.content[mediaType]
  if (media === undefined) return `${operationId} answered ${status} with ${mediaType}`
  // A file to keep is bytes, and a text has lines of its own: no schema describes them.
  if (!mediaType.endsWith('json')) return undefined
  const validate = validatorOf(`${operationId} ${status} ${mediaType}`, media)
  const bodies = mediaType === 'application/x-ndjson' ? text.split('\n').slice(0, -1) : [text]
  const wrong = bodies.find((body) => !validate(JSON.parse(body)))
  return wrong === undefined ? undefined : `${operationId} ${status}: ${ajv.errorsText(validate.errors)} in ${wrong.slice(0, 300)}`
}

function validatorOf(name: string, { schema }: Media): ReturnType<Ajv2020['compile']> {
  const known = validators.get(name)
  if (known !== undefined) return known
  const text = JSON.stringify(schema).replaceAll('"#/components', '"openapi#/components')
  const validate = ajv.compile(JSON.parse(text) as object)
  validators.set(name, validate)
  return validate
}

const runs = count(600, 6000)
const readyPackage = writePackage(packageSource('PkgU'))

function furnish({ place }: InProcessServer): string {
  const { root, folder } = place
  putPackage(root, 'PkgA')
  putPackage(root, 'PkgB', { filesets: [{ fileset: 'PkgB.rte', vrmf: '1.2.3.4' }, { fileset: 'PkgB.adt', vrmf: '1.2.3.4' }] })
  writeFileSync(join(root, '.toc'), '0 010203042026 2\n')
  writeFileSync(join(root, 'notes.txt'), 'no package\n')
  writeFileSync(join(root, 'damaged.bff'), Buffer.from('09006bea00000100', 'hex'))
  writeFileSync(join(root, 'bad\nname'), 'x')
  mkdirSync(join(root, 'sub'))
  putPackage(join(root, 'sub'), 'PkgC')
  symlinkSync(folder, join(root, 'out'))
  symlinkSync('nowhere', join(root, 'dangling'))
  return root
}

const pathIn = (root: string) => fc.oneof(
  fc.constantFrom(root, `${root}/PkgB.1.0.0.0.bff`, `${root}/sub/PkgC.1.0.0.0.bff`),
  fc.constantFrom(root, `${root}/`, `${root}/PkgA.1.0.0.0.bff`, `${root}/sub`, `${root}/.toc`, `${root}/damaged.bff`, `${root}/notes.txt`, `${root}/out`, `${root}/out/1001.pem`, `${root}/dangling`, `${root}/missing`, '/etc/passwd', '/', '/dev/null', `${root}/../1001.pem`),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }).map((name) => `${root}/${name}`),
)

const wild = fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue().map((value) => JSON.stringify(value)), fc.constantFrom('', '{', '[]', '{"path":1}', '{"__proto__":{}}', '{"constructor":{"prototype":{}}}'))

const hex = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('0'.repeat(64), 'ab'.repeat(32)) }, { weight: 1, arbitrary: fc.string({ maxLength: 70 }) })
const filename = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('PkgA.bff', '包.bff', 'fix.epkg.Z') }, { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }).filter((text) => text.isWellFormed()) })
const described = fc.record({
  digest: fc.record({ sha256: hex }), sizeBytes: fc.oneof(fc.nat(), fc.integer()), filename, package: fc.constantFrom('PkgA', 'a:b', ''), ftype: fc.constantFrom('I', 'S', 'XXXX'),
  filesets: fc.array(fc.record({ fileset: fc.constantFrom('PkgA.rte', 'x y'), vrmf: fc.constantFrom('1.0.0.0', '01.0.0.0', '1.0') }), { maxLength: 3 }), builtAt: fc.nat(), keyid: fc.constantFrom('1001', '7'),
}, { requiredKeys: ['digest', 'sizeBytes', 'filename'] })
const goodItem = fc.record({ digest: fc.record({ sha256: fc.constant('ab'.repeat(32)) }), sizeBytes: fc.nat(), filename: fc.constantFrom('a', 'b') })
const given = fc.record({ form: fc.constantFrom('record', 'sig', 'dsb', 'dsc', 'pgp'), value: fc.oneof(fc.base64String({ maxLength: 400 }), fc.constantFrom('PkgA:PkgA.rte:1.0.0.0:I:1001:1:AAAA\n', 'INUTUEYE', ' '), fc.string({ unit: 'binary' })) })

/** Bodies of POST /sign that name no path. */
const digestBodies = fc.oneof(described, fc.record({ items: fc.array(goodItem, { minLength: 1, maxLength: 5 }) }), fc.record({ items: fc.array(described, { maxLength: 3 }), keyid: fc.constant('1001') }))

/** Bodies of POST /verify. */
function verifyBodies(root: string): fc.Arbitrary<unknown> {
  const file = fc.oneof(fc.record({ path: pathIn(root) }), fc.record({ digest: fc.record({ sha256: hex }) }))
  return fc.oneof(file, fc.tuple(file, given).map(([subject, signature]) => ({ ...subject, signature })))
}

/** What is uploaded, and under which declarations. */
const upload = fc.record({
  bytes: fc.oneof(fc.constantFrom<Uint8Array>(readyPackage, readyPackage.subarray(0, 200), Buffer.from([0x1f, 0x9d, 1]), Buffer.concat([readyPackage, Buffer.from('INUTUEYE')])), fc.uint8Array({ maxLength: 300 })),
  query: fc.record({ filename, keyid: fc.constantFrom('1001', '7', 'x'), form: fc.constantFrom('sig', 'record', 'x'), value: fc.constantFrom('AAAA', '') }, { requiredKeys: [] }),
  digest: fc.constantFrom(undefined, undefined, undefined, 'sha-256=:AAAA:', `sha-256=:${Buffer.alloc(32).toString('base64')}:`, 'nonsense'),
  isUpload: fc.boolean(),
})

function requestTo(root: string, signed: string) {
  const signBody = fc.record({ path: pathIn(root), keyid: fc.constantFrom('1001', '1002', '', 'x', '00000000001'), recursive: fc.oneof(fc.boolean(), fc.constantFrom('true', 1, null)), extra: fc.anything() }, { requiredKeys: [] })
  const valid = fc.record({ path: pathIn(root), recursive: fc.boolean() }, { requiredKeys: ['path'] })
  const body = fc.oneof({ weight: 4, arbitrary: fc.oneof(valid, signBody, digestBodies, verifyBodies(root)).map((value) => JSON.stringify(value)) }, { weight: 1, arbitrary: wild })
  const listing = fc.record({ path: pathIn(root), limit: fc.integer({ min: 1, max: 5 }) }, { requiredKeys: ['path'] })
  const wildQuery = fc.record({ path: pathIn(root), limit: fc.oneof(fc.integer(), fc.string()), cursor: fc.string({ unit: 'binary' }), other: fc.string() }, { requiredKeys: [] })
  const query: fc.Arbitrary<Record<string, unknown>> = fc.oneof(listing, wildQuery)
  const word = fc.oneof(fc.constantFrom('PkgA', 'PkgA.rte', '1.0.0.0', 'release-bot', '1001', 'installp', 'record'), fc.string({ unit: 'binary', maxLength: 20 }))
  const times = fc.oneof(fc.date({ noInvalidDate: true }).map((date) => date.toISOString()), fc.constantFrom('2026-11-24T10:15:00+01:00', '2016-12-31T23:59:60Z', 'now', ''))
  const search = fc.record({ package: word, fileset: word, vrmf: word, keyid: word, client: word, format: word, form: word, sha256: hex, since: times, until: times, limit: fc.integer({ min: 0, max: 3 }), cursor: fc.constantFrom('1', '3', '0', 'x', '9'.repeat(16)) }, { requiredKeys: [] })
  return fc.record({
    operation: fc.constantFrom(...operations),
    body,
    upload,
    forms: fc.record({ signature: fc.constantFrom('record', 'sig', 'dsb', 'dsc', 'proof', 'x'), key: fc.constantFrom('public.pem', 'certificate.pem', 'x') }),
    query,
    search,
    tile: fc.oneof(fc.constantFrom('0/000.p/1', '0/000.p/2', 'entries/000.p/1', '0/000', '1/000', '0/x001/000.p/1', '63/000'), fc.string({ unit: 'binary', maxLength: 30 }).filter((text) => text.isWellFormed())),
    parameter: fc.oneof({ weight: 3, arbitrary: fc.constantFrom('1001', '1002', '0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21', signed, signed) }, { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }).filter((text) => text !== '.' && text !== '..' && text.isWellFormed()) }),
    contentType: fc.oneof({ weight: 3, arbitrary: fc.constant('application/json') }, { weight: 1, arbitrary: fc.constantFrom('application/json; charset=utf-8', 'text/plain', 'application/octet-stream', 'application/json;;', 'x') }),
    accept: fc.constantFrom('application/json', 'application/x-ndjson', '*/*', 'text/html'),
    key: fc.oneof({ weight: 5, arbitrary: fc.constant({}) }, { weight: 2, arbitrary: fc.constantFrom('one', '"two"', 'no key').map((key) => ({ 'idempotency-key': key })) }),
  })
}

type Sent = ReturnType<typeof requestTo> extends fc.Arbitrary<infer T> ? T : never

async function send(client: Client, { operation, body, query, search: asked, tile, parameter, contentType, accept, key, upload: sent, forms }: Sent): Promise<Answer> {
  const { path, method } = operation
  const parameters = path === '/files' ? query : path === '/signatures' ? asked : {}
  const search = `?${new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, String(value)])).toString()}`
  const url = path.replace('{tile}', tile.split('/').map(encodeURIComponent).join('/')).replace('{form}', path.startsWith('/keys') ? forms.key : forms.signature).replace(/\{[a-z]+\}/, encodeURIComponent(parameter)) + search
  if (method === 'POST' && sent.isUpload) {
    return await client.upload(sent.query, sent.bytes, { path, headers: { accept, ...key, ...(sent.digest === undefined ? {} : { 'content-digest': sent.digest }) } })
  }
  return await client.ask(url, { method, ...(method === 'POST' ? { body, headers: { 'content-type': contentType, accept, ...key } } : { headers: { accept } }) })
}

void test('every answer to a valid or wild request is documented: its status, its media type and its body', async (t) => {
  const everything = { name: 'release-bot', match: { san: 'URI:urn:example:release-bot' }, allow: [...OPERATIONS], keys: ['1001'], roots: ['nim'], digestOnly: true }
  const running = await startInProcess(t, { clients: [everything], keys: [{ keyid: '1001', kind: 'file', path: '1001.pem', installedPath: '/etc/security/certificates/example.pem' }] })
  const root = furnish(running)
  const client = await clientOf(t, running.url)
  const signed = Object.values((await client.sign({ path: `${root}/PkgA.1.0.0.0.bff` })).signatures)[0]?.id as string
  const statuses = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(requestTo(root, signed), async (sent) => {
      const answer = await send(client, sent)
      const key = `${sent.operation.operation.operationId} ${answer.status}`
      statuses.set(key, (statuses.get(key) ?? 0) + 1)
      const fault = undocumented(sent.operation.operation, answer)
      if (fault !== undefined) throw new Error(fault)
      if (answer.status >= 500) throw new Error(`${answer.status} ${answer.text}`)
      if (answer.text.includes('node_modules') || answer.text.includes('    at ')) throw new Error(`leaks: ${answer.text}`)
    }),
    { numRuns: runs },
  )
  // Chance may miss what is good, so that is asked for once more.
  for (const [operationId, asked] of [['sign', client.trySign({ path: root })], ['listFiles', client.ask(`/files?path=${encodeURIComponent(root)}`)], ['listKeys', client.ask('/keys')], ['whoami', client.ask('/whoami')], ['findSignatures', client.ask('/signatures')], ['getCheckpoint', client.ask('/log/checkpoint')], ['getTile', client.ask('/log/tile/entries/000.p/1')], ['getLogKey', client.ask('/log/key')], ['auditLog', client.ask('/log/audit')], ['getSignature', client.ask(`/signatures/${signed}`)]] as const) {
    const answer = await asked
    t.equal(answer.status, 200, operationId)
    t.equal(undocumented(operations.find(({ operation }) => operation.operationId === operationId)?.operation as Operation, answer), undefined)
  }
  t.ok(statuses.size > 10, 'many answers were reached')
})

void test('every operation refuses a stranger, and a client that may not call it, before it reads a body', async (t) => {
  const running = await startInProcess(t)
  const root = furnish(running)
  const stranger = await clientOf(t, running.url, 'stranger')
  const auditor = await clientOf(t, running.url, 'auditor')
  t.ok(operations.length >= 6)
  for (const { path, method, operation } of operations) {
    const url = path.replace('{form}', 'sig').replace(/\{[a-z]+\}/, '1001')
    const ask = method === 'POST' ? { method, body: 'not json at all', headers: { 'content-type': 'nonsense/type' } } : { method }
    const refused = await stranger.ask(url, ask)
    t.match(JSON.parse(refused.text), { code: 'CLIENT_UNKNOWN', status: 403 }, `${operation.operationId} refuses a stranger`)
    t.equal(undocumented(operation, refused), undefined)
    if (['sign', 'verify', 'findSignatures', 'getSignature', 'exportSignature', 'getCheckpoint', 'getTile', 'getLogKey', 'auditLog', 'exportKey'].includes(operation.operationId)) {
      const denied = await auditor.ask(url, ask)
      t.match(JSON.parse(denied.text), { code: 'OPERATION_DENIED', status: 403 }, `${operation.operationId} refuses whom its list does not name`)
    }
  }
  t.match(JSON.parse((await stranger.ask('/openapi.yaml')).text), { code: 'CLIENT_UNKNOWN' })
  t.match(JSON.parse((await stranger.ask('/docs/')).text), { code: 'CLIENT_UNKNOWN' })
  t.match(JSON.parse((await stranger.ask('/no-such-route')).text), { code: 'CLIENT_UNKNOWN' })
  t.match(JSON.parse((await stranger.trySign({ path: root })).text), { code: 'CLIENT_UNKNOWN' })
})

void test('every operation refuses a query parameter that it does not know, and names it', async (t) => {
  const running = await startInProcess(t)
  const client = await clientOf(t, running.url)
  for (const { path, method, operation } of operations) {
    const form = path.startsWith('/keys') ? 'public.pem' : 'sig'
    const url = `${path.replace('{id}', '0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21').replace('{form}', form).replace('{keyid}', '1001')}?colour=red`
    const refused = await client.ask(url, method === 'POST' ? { method, body: { path: '/' } } : { method })
    t.match(JSON.parse(refused.text), { code: 'REQUEST_INVALID', errors: [{ pointer: '/querystring/colour' }] }, operation.operationId)
  }
})

void test('GET /openapi.yaml is the committed document, and GET /docs shows it in Swagger UI', async (t) => {
  const running = await startInProcess(t)
  const client = await clientOf(t, running.browserUrl, 'auditor')
  const served = await client.ask('/openapi.yaml')
  t.equal(served.headers['content-type'], 'application/yaml')
  t.equal(served.text, readFileSync('openapi.yaml', 'utf8'))
  const page = await client.ask('/docs/')
  t.equal(page.status, 200)
  t.match(page.text, /swagger-ui/)
  t.equal((await client.ask('/docs/static/swagger-ui-bundle.js')).status, 200)
})

void test('the administration listener answers GET alone and knows nothing of the service', async (t) => {
  const running = await startInProcess(t)
  const client = await clientOf(t, running.adminUrl)
  t.strictSame(JSON.parse((await client.ask('/health/live')).text), { status: 'live' })
  const ready = await client.ask('/health/ready')
  t.equal(ready.status, 200)
  t.match(JSON.parse(ready.text), { status: 'ready', checks: { store: 'ok', signer: 'ok', 'key 1001': 'ok' } })
  t.match((await client.ask('/metrics')).text, /^signing_requests_total\{/m)
  t.equal((await client.ask('/files')).status, 404)
  t.equal((await client.ask('/health/live', { method: 'POST', body: {} })).status, 404)
})
