import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { InjectOptions } from 'fastify'
import { test, type Test } from 'tap'
import { parse, stringify } from 'yaml'
import { writePackage } from '../../formats/index.ts'
import { Client } from '../../server/config/client-schema.ts'
import type { ClientConfig } from '../../server/config/schema.ts'
import { takeValue } from '../../server/config/take.ts'
import { createMeters } from '../../server/policy/meters.ts'
import { OPERATIONS, type Operation } from '../../server/schemas/whoami.ts'
import { clientNamed, makeApp, NOW } from '../helpers/app.ts'
import { packageSource, putPackage } from '../helpers/packages.ts'
import { openedKey, rsaKeyPair } from '../helpers/signables.ts'

const PAGE = 'docs/roles.md'
const KEYS = ['1001', '1002'] as const
const day = 86_400_000
const at = (ms: number) => new Date(NOW.getTime() + ms).toISOString().replace('.000Z', 'Z')
const READS: readonly Operation[] = ['listFiles', 'verify', 'findSignatures', 'getSignature', 'exportSignature', 'listKeys', 'getKey', 'exportKey', 'getLogKey']

/** The credential for one job, as the page about the policy shows it. */
function boxed(): ClientConfig {
  const [, yaml = ''] = /^```yaml\n([\s\S]*?)^```/m.exec(readFileSync('docs/policy.md', 'utf8')) ?? []
  const { clients } = parse(yaml) as { clients: unknown[] }
  const fault = (place: readonly unknown[], message: string): never => {
    throw new Error(`docs/policy.md: ${place.join('.')} ${message}`)
  }
  return takeValue(Client, clients[0], { fault, path: (_place, _role, path) => path }) as ClientConfig
}

type Role = Readonly<{ name: string; what: string; client?: ClientConfig }>

/** An example of each kind of client; `stranger` has a certificate of the authority, and no entry. */
const ROLES: readonly Role[] = [
  { name: 'release-bot', what: 'signs what lies in its root', client: clientNamed('release-bot', { allow: ['sign', ...READS], keys: ['1001'] }) },
  { name: 'builder', what: 'sends its files', client: clientNamed('builder', { allow: ['sign', 'verify'], keys: ['1001'], roots: [] }) },
  { name: 'digester', what: 'sends digests, and may sign anew', client: clientNamed('digester', { allow: ['sign'], keys: ['1002'], roots: [], digestOnly: true, resign: true }) },
  { name: 'auditor', what: 'sees everything and signs nothing', client: clientNamed('auditor', { allow: [...READS, 'getCheckpoint', 'getTile', 'auditLog'], keys: ['1001', '1002'], sees: 'all' }) },
  { name: 'job-4711', what: 'has one job: the box of policy.md', client: boxed() },
  { name: 'next-year', what: 'is not valid yet', client: clientNamed('next-year', { notBefore: at(day) }) },
  { name: 'last-year', what: 'is not valid any more', client: clientNamed('last-year', { notAfter: at(-day) }) },
  { name: 'nobody', what: 'is listed and may do nothing', client: clientNamed('nobody', { allow: [], keys: [], roots: [] }) },
  { name: 'stranger', what: 'is not listed' },
]

/** What the requests of a table are about: paths, files, and a signature by each key that was made for another client. */
type World = Readonly<{ path: string; foreignPath: string; files: Readonly<Record<'PkgA' | 'PkgB', Buffer>>; made: Readonly<Record<string, Readonly<{ id: string; signature: string; sha256: string }>>> }>

type Row = Readonly<{ operation: Operation | 'none'; what: string; key?: string; request: (world: World) => InjectOptions | string }>

const json = (url: string, payload: object): InjectOptions => ({ method: 'POST', url, payload, headers: { 'content-type': 'application/json' } })
const upload = (payload: Buffer, keyid: string, more = ''): InjectOptions => ({ method: 'POST', url: `/sign?filename=a&keyid=${keyid}${more}`, payload, headers: { 'content-type': 'application/octet-stream' } })
const forEachKey = (rows: (key: string) => readonly Row[]): readonly Row[] => KEYS.flatMap(rows)

const ROWS: readonly Row[] = [
  ...forEachKey((key) => [
    { operation: 'sign', what: 'a path of its root', key, request: ({ path }) => json('/sign', { path, keyid: key }) },
    { operation: 'sign', what: 'a path of another root', key, request: ({ foreignPath }) => json('/sign', { path: foreignPath, keyid: key }) },
    { operation: 'sign', what: 'an upload, fileset PkgA.rte', key, request: ({ files }) => upload(files.PkgA, key) },
    { operation: 'sign', what: 'an upload, fileset PkgB.rte', key, request: ({ files }) => upload(files.PkgB, key) },
    { operation: 'sign', what: 'an upload of another format', key, request: () => upload(Buffer.from('1f9d90', 'hex'), key) },
    { operation: 'sign', what: 'a digest', key, request: () => json('/sign', { digest: { sha256: '1'.repeat(64) }, sizeBytes: 1, filename: 'a', keyid: key }) },
    { operation: 'sign', what: 'an upload, with `resign`', key, request: ({ files }) => upload(files.PkgA, key, '&resign=true') },
    { operation: 'sign', what: 'again, what was signed for another client', key, request: ({ made }) => json('/sign', { id: made[key]?.id, keyid: key }) },
    { operation: 'verify', what: 'a signature by this key', key, request: ({ made }) => json('/verify', { digest: { sha256: made[key]?.sha256 }, signature: { form: 'sig', value: made[key]?.signature } }) },
    { operation: 'getSignature', what: 'made for another client', key, request: ({ made }) => `/signatures/${made[key]?.id}` },
    { operation: 'exportSignature', what: 'made for another client', key, request: ({ made }) => `/signatures/${made[key]?.id}/sig` },
    { operation: 'getKey', what: 'the key', key, request: () => `/keys/${key}` },
    { operation: 'exportKey', what: 'the key', key, request: () => `/keys/${key}/public.pem` },
  ]),
  { operation: 'verify', what: 'a path of its root', request: ({ path }) => json('/verify', { path }) },
  { operation: 'listFiles', what: 'the roots', request: () => '/files' },
  { operation: 'listFiles', what: 'a path of its root', request: ({ path }) => ({ url: '/files', query: { path } }) },
  { operation: 'findSignatures', what: 'all', request: () => '/signatures' },
  { operation: 'getCheckpoint', what: 'the newest', request: () => '/log/checkpoint' },
  { operation: 'getTile', what: 'a tile', request: () => '/log/tile/0/000.p/1' },
  { operation: 'getLogKey', what: 'the key of the log', request: () => '/log/key' },
  { operation: 'auditLog', what: 'the database', request: () => '/log/audit' },
  { operation: 'listKeys', what: 'the keys', request: () => '/keys' },
  { operation: 'whoami', what: 'itself', request: () => '/whoami' },
  { operation: 'none', what: 'GET /openapi.yaml', request: () => '/openapi.yaml' },
  { operation: 'none', what: 'GET /docs', request: () => '/docs/' },
]

const pairs = { 1001: rsaKeyPair(), 1002: rsaKeyPair() }

/** Asks for every row as a client of each role; returns the columns. All are clients of one server. */
async function columnsOf(t: Test): Promise<readonly (readonly string[])[]> {
  let nowMs = 0
  const policy = [clientNamed('maker', { keys: KEYS, digestOnly: true }), ...ROLES.flatMap(({ client }) => client ?? [])]
  const keyring = new Map(KEYS.map((keyid) => [keyid, { ...openedKey('file', pairs[keyid]), keyid }]))
  // Each cell has a window of its own: what a rate does is no matter of roles.
  const { app, root, folder, become } = await makeApp(t, () => ({ policy, keyring, meters: createMeters({ nowMs: () => (nowMs += day) }) }))
  become('maker')
  const signatures = await Promise.all(KEYS.map(async (keyid, index) => {
    const sha256 = String(index + 2).repeat(64)
    const { id, signature } = (await app.inject(json('/sign', { digest: { sha256 }, sizeBytes: 1, filename: 'made', keyid }))).json<{ signatures: { made: { id: string; signature: string } } }>().signatures.made
    return [keyid, { id, signature, sha256 }] as const
  }))
  const world: World = {
    path: putPackage(root, 'PkgA'),
    foreignPath: putPackage(join(folder, 'other'), 'PkgA'),
    files: { PkgA: writePackage(packageSource('PkgA')), PkgB: writePackage(packageSource('PkgB')) },
    made: Object.fromEntries(signatures),
  }
  const columns: string[][] = []
  for (const { name } of ROLES) {
    become(name)
    const cells: string[] = []
    for (const row of ROWS) {
      const response = await app.inject(row.request(world))
      cells.push(response.statusCode === 200 && row.operation !== 'verify' ? YES : verdict(response.json()))
    }
    columns.push(cells)
  }
  return columns
}

const YES = '✓'

function verdict({ code, valid, reason }: Readonly<{ code?: string; valid?: boolean; reason?: string }>): string {
  return valid === true ? YES : String(code ?? reason)
}

function pageOf(columns: readonly (readonly string[])[]): string {
  const listed = ROLES.flatMap(({ client }) => (client === undefined ? [] : [client]))
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rows = ROWS.map(({ operation, what, key }, index) => line([operation === 'none' ? '' : `\`${operation}\``, what, key ?? '', ...columns.map((cells) => (cells[index] === YES ? YES : `\`${cells[index]}\``))]))
  return `<!-- Generated by tests/contract/roles.test.ts, which tries every cell; \`npx tap --snapshot tests/contract/roles.test.ts\` renews it. -->
# Roles, operations, keys

What a client of each kind may do, with which key: every cell below was tried against the server, and is tried again by the tests. ${YES} is
done; everything else is the [code](errors.md) of the refusal, or, of a verification, the reason why it says no. The keys are 1001 and 1002;
the client's root is \`nim\`. How the policy is written is in [policy.md](policy.md).

${ROLES.map(({ name, what }) => `- **${name}** ${what}.`).join('\n')}

${line(['operation', 'what', 'key', ...ROLES.map(({ name }) => name)])}
${line(Array<string>(3 + ROLES.length).fill('---'))}
${rows.join('\n')}

The clients, at ${NOW.toISOString()}:

\`\`\`yaml
clients:
${listed.map((client) => `  - ${stringify(client, { lineWidth: 0, collectionStyle: 'flow' })}`).join('')}\`\`\`
`
}

/** What must hold of a cell whatever else is decided, read off the lists of the client alone. */
function mustBe({ client }: Role, { operation, key }: Row): readonly string[] | undefined {
  if (client === undefined) return ['CLIENT_UNKNOWN']
  if (client.notBefore !== undefined && client.notBefore > at(0)) return ['CLIENT_NOT_YET_VALID']
  if (client.notAfter !== undefined && client.notAfter <= at(0)) return ['CLIENT_EXPIRED']
  if (operation === 'none' || operation === 'whoami') return [YES]
  if (!client.allow.includes(operation)) return ['OPERATION_DENIED']
  if (key === undefined || client.keys.includes(key)) return undefined
  if (operation === 'verify') return ['SIGNATURE_WRONG']
  return operation.endsWith('Signature') ? undefined : ['KEY_NOT_AVAILABLE', 'DIGEST_NOT_ALLOWED', 'SIGNATURE_NOT_FOUND']
}

void test('docs/roles.md says of every role, operation and key what the server does', async (t) => {
  t.strictSame(new Set(ROWS.map(({ operation }) => operation)), new Set([...OPERATIONS, 'none']), 'every operation is tried')
  const columns = await columnsOf(t)
  for (const [column, role] of ROLES.entries()) {
    for (const [index, row] of ROWS.entries()) {
      const cell = String(columns[column]?.[index])
      const wanted = mustBe(role, row)
      if (wanted !== undefined) t.ok(wanted.includes(cell), `${role.name}: ${row.operation} ${row.what} ${row.key ?? ''} is ${cell}`)
      else t.match(cell, /^(?:✓|[A-Z][A-Z_]+)$/)
    }
  }
  const page = pageOf(columns)
  if (process.env['TAP_SNAPSHOT'] === '1') writeFileSync(PAGE, page)
  t.equal(readFileSync(PAGE, 'utf8'), page, 'the page is as the server is; tap --snapshot renews it')
})
