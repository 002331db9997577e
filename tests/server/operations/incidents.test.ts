import { hash } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { InjectOptions } from 'fastify'
import t from 'tap'
import { parseBundle, parseCheckpoint, parseEntry, parseNote, writePackage, type LogEntry, type RefusalEntry } from '../../../formats/index.ts'
import { ERROR_CODES, SigningError } from '../../../server/errors.ts'
import { createIncidents } from '../../../server/operations/incidents.ts'
import { createRefusalCount } from '../../../server/operations/refusal-count.ts'
import type { SignContext } from '../../../server/operations/sign-content.ts'
import type { Signer } from '../../../server/signers/signer.ts'
import type { Store } from '../../../server/store/store.ts'
import { clientNamed, identityNamed, makeApp, NOW } from '../../helpers/app.ts'
import { packageSource, putPackage } from '../../helpers/packages.ts'
import { eventually } from '../../helpers/processes.ts'

const at = NOW.toISOString()
const spki = 'ab'.repeat(32)
const post = (json: object, headers: object = {}): InjectOptions => ({ method: 'POST', url: '/sign', payload: json, headers: { 'content-type': 'application/json', ...headers } })

/** What the log has beside signatures, in its order. */
async function incidentsIn(store: Store): Promise<readonly LogEntry[]> {
  const { size } = parseCheckpoint(parseNote(await store.checkpoint()).text)
  const all: LogEntry[] = []
  for (let index = 0; index * 256 < size; index += 1) {
    const width = Math.min(256, size - index * 256)
    all.push(...parseBundle(await store.entries({ index, width }) as Buffer, width).map(parseEntry))
  }
  return all.filter(({ kind }) => kind !== 'signature')
}

void t.test('whatever is refused by policy stands in the log when the answer is there, once, with client, operation and code', async (t) => {
  const { app, root, deps, become } = await makeApp(t, () => ({ policy: [clientNamed('bot'), clientNamed('auditor', { allow: ['listFiles'] })] }))
  const path = putPackage(root)
  const refusal = (operation: string, code: string, client: string | undefined = 'bot') => ({ kind: 'refusal', at, ...(client === '' ? {} : { client }), spki, operation, code })
  const rows: readonly (readonly [string, InjectOptions | string, object])[] = [
    ['bot', post({ path: '/etc/passwd' }), refusal('sign', 'PATH_OUTSIDE_ROOTS')],
    ['bot', post({ path, keyid: '1002' }), refusal('sign', 'KEY_NOT_AVAILABLE')],
    ['bot', post({ digest: { sha256: spki }, sizeBytes: 1, filename: 'a' }), refusal('sign', 'DIGEST_NOT_ALLOWED')],
    ['bot', post({ path, resign: true }), refusal('sign', 'RESIGN_NOT_ALLOWED')],
    ['bot', '/signatures/0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21', refusal('getSignature', 'SIGNATURE_NOT_FOUND')],
    ['bot', '/signatures/0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21/sig', refusal('exportSignature', 'SIGNATURE_NOT_FOUND')],
    ['bot', '/files?path=/etc', refusal('listFiles', 'PATH_OUTSIDE_ROOTS')],
    ['bot', { method: 'POST', url: '/verify', payload: { path: '/etc/passwd' } }, refusal('verify', 'PATH_OUTSIDE_ROOTS')],
    ['auditor', post({ path }), refusal('sign', 'OPERATION_DENIED', 'auditor')],
    ['stranger', post({ path }), refusal('sign', 'CLIENT_UNKNOWN', '')],
    ['stranger', '/openapi.yaml', refusal('other', 'CLIENT_UNKNOWN', '')],
    ['stranger', '/no-such-route', refusal('other', 'CLIENT_UNKNOWN', '')],
    ['stranger', '/%', refusal('other', 'CLIENT_UNKNOWN', '')],
  ]
  for (const [index, [client, asked, entry]] of rows.entries()) {
    become(client)
    const { statusCode } = await app.inject(asked)
    t.ok([403, 404].includes(statusCode), JSON.stringify(entry))
    const log = await incidentsIn(deps.store)
    t.strictSame([log.length, log.at(-1)], [index + 1, entry])
  }
  become(undefined)
  t.equal((await app.inject('/whoami')).statusCode, 403)
  become('bot')
  for (const asked of [post({}), '/no-such-route', '/%', post({ path: 'relative' }), post({ path, keyid: 'x' })]) t.ok((await app.inject(asked)).statusCode < 500)
  t.equal((await incidentsIn(deps.store)).length, rows.length, 'not a connection without a certificate, nor what was malformed')
})

/** Files are signed at once, so nothing is promised of their order. */
const byCode = (entries: readonly unknown[]) => (entries as Readonly<{ code: string }>[]).toSorted((one, other) => (one.code < other.code ? -1 : 1))

void t.test('each file that is refused or fails stands in the log with what is known of it, and nothing of where it lies', async (t) => {
  const { app, root, deps } = await makeApp(t, () => ({ policy: [clientNamed('bot', { digestOnly: true })] }))
  putPackage(root)
  await app.inject(post({ path: root }))
  const other = writePackage(packageSource('PkgA', { payload: [{ path: '/usr/x', bytes: Buffer.from('other content') }] }))
  mkdirSync(join(root, 'sub'))
  for (const [name, bytes] of [['again.bff', other], ['broken.bff', other.subarray(0, 300)], ['note.txt', Buffer.from('text')], ['line\nbreak', other]] as const) writeFileSync(join(root, 'sub', name), bytes)
  symlinkSync('/etc/hostname', join(root, 'sub', 'out'))
  const answer = await app.inject(post({ path: root, recursive: true }))
  t.strictSame(Object.keys(answer.json<{ failures: object }>().failures).toSorted(), ['sub/again.bff', 'sub/broken.bff', 'sub/line\nbreak', 'sub/out'])
  const about = { at, client: 'bot', spki, keyid: '1001' }
  const taken = { ...about, filename: 'again.bff', sha256: hash('sha256', other), code: 'FILESET_LEVEL_ALREADY_SIGNED' }
  const found = await incidentsIn(deps.store)
  t.strictSame(byCode(found), byCode([
    { kind: 'refusal', operation: 'sign', ...taken },
    { kind: 'failure', ...about, filename: 'broken.bff', code: 'PACKAGE_MALFORMED' },
    { kind: 'failure', ...about, code: 'FILE_NAME_REFUSED' },
    { kind: 'refusal', operation: 'sign', ...about, filename: 'out', code: 'PATH_OUTSIDE_ROOTS' },
  ]))

  const lastOf = async (asked: InjectOptions): Promise<readonly LogEntry[]> => {
    const before = (await incidentsIn(deps.store)).length
    await app.inject(asked)
    return (await incidentsIn(deps.store)).slice(before)
  }
  t.strictSame(await lastOf(post({ path: join(root, 'sub', 'again.bff') })), [{ kind: 'refusal', operation: 'sign', ...taken }], 'a file by itself is one entry')
  t.strictSame(await lastOf(post({ path: join(root, 'sub', 'again.bff') }, { 'idempotency-key': 'one' })), [{ kind: 'refusal', operation: 'sign', ...taken }])
  t.strictSame(await lastOf(post({ path: join(root, 'sub', 'again.bff') }, { 'idempotency-key': 'one' })), [], 'a repeated answer is no new refusal')
  t.strictSame(await lastOf(post({ path: join(root, 'sub', 'note.txt') })), [{ kind: 'failure', ...about, filename: 'note.txt', code: 'NOT_A_PACKAGE' }])
  const upload = (bytes: Uint8Array, headers: object = {}): InjectOptions => ({ method: 'POST', url: '/sign?filename=again.bff', payload: Buffer.from(bytes), headers: { 'content-type': 'application/octet-stream', ...headers } })
  t.strictSame(await lastOf(upload(other)), [{ kind: 'refusal', operation: 'sign', ...taken }])
  t.strictSame(await lastOf(upload(other, { 'idempotency-key': 'two' })), [{ kind: 'refusal', operation: 'sign', ...taken }])
  t.strictSame(await lastOf(upload(Buffer.from('text'))), [{ kind: 'failure', ...about, filename: 'again.bff', sha256: hash('sha256', 'text'), code: 'NOT_A_PACKAGE' }])
  t.strictSame(await lastOf(upload(Buffer.from('text'), { 'content-digest': `sha-256=:${hash('sha256', 'other', 'base64')}:`, 'idempotency-key': 'three' })), [{ kind: 'failure', ...about, filename: 'again.bff', code: 'DIGEST_MISMATCH' }])
  const described = { package: 'PkgA', filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }], digest: { sha256: spki }, sizeBytes: 1, filename: 'again.bff' }
  t.strictSame(await lastOf(post(described)), [{ kind: 'refusal', operation: 'sign', ...taken, sha256: spki }])
  t.strictSame(byCode(await lastOf(post({ items: [described, { ...described, filesets: undefined }, { ...described, filename: 'a/b' }] }))), byCode([{ kind: 'refusal', operation: 'sign', ...taken, sha256: spki }, { kind: 'failure', ...about, filename: 'b', code: 'FILE_NAME_REFUSED' }]))
})

void t.test('when the log cannot be written a refusal is answered and the fault logged, and nothing is signed', async (t) => {
  const failing: Pick<Store, 'append'> = { append: async () => { throw new SigningError('STORAGE_FULL', 'no room') } }
  const { app, root, lines } = await makeApp(t, ({ store }) => ({ store: new Proxy(store, { get: (target, name) => name === 'append' ? failing.append : (Reflect.get(target, name, target) as () => unknown).bind(target) }) }))
  writeFileSync(join(root, 'a'), 'text')
  t.equal((await app.inject(post({ path: '/etc/passwd' }))).statusCode, 403)
  t.equal((await app.inject(post({ path: join(root, 'a') }))).statusCode, 422)
  t.match(lines.filter(({ level }) => level === 'error'), [{ msg: 'refusal or failure not written to the log', err: { code: 'STORAGE_FULL' } }, { msg: 'refusal or failure not written to the log' }])
})

void t.test('every code is a refusal, a failure, or says nothing of the file', async (t) => {
  const context = { caller: { identity: identityNamed('bot'), client: clientNamed('bot'), policy: [] }, key: { keyid: '1001' } } as unknown as SignContext
  const kinds: Record<string, string[]> = {}
  for (const code of ERROR_CODES) {
    const written: LogEntry[] = []
    const incidents = createIncidents({ log: { append: async (entry) => void written.push(entry) }, clock: () => NOW, fault: (error) => t.fail(String(error)) })
    const outcome = { name: 'a', durationMs: 0, kind: 'failed' as const, error: new SigningError(code, 'for a test') }
    t.equal(await incidents.file(context, outcome), outcome)
    await incidents.request({ spkiSha256: spki }, 'sign', outcome.error)
    t.ok(written.length <= 1, `${code} is written once`)
    ;(kinds[written[0]?.kind ?? 'nothing'] ??= []).push(code)
    await incidents.close()
  }
  t.strictSame(kinds['refusal'], ['CLIENT_UNKNOWN', 'CLIENT_NOT_YET_VALID', 'CLIENT_EXPIRED', 'OPERATION_DENIED', 'FORMAT_NOT_ALLOWED', 'FILESET_NOT_ALLOWED', 'SIGNATURE_COUNT_REACHED', 'PATH_OUTSIDE_ROOTS', 'PATH_UNREADABLE', 'DIGEST_NOT_ALLOWED', 'FILESET_LEVEL_ALREADY_SIGNED', 'RESIGN_NOT_ALLOWED', 'KEY_NOT_AVAILABLE', 'KEY_NOT_SUITABLE', 'KEY_NOT_YET_VALID', 'KEY_EXPIRED', 'KEY_RETIRED', 'KEY_REVOKED', 'SIGNATURE_NOT_FOUND'])
  t.strictSame(kinds['nothing'], ['REQUEST_INVALID', 'REQUEST_TIMEOUT', 'REQUEST_ABORTED', 'IDEMPOTENCY_KEY_REUSED', 'REQUEST_IN_PROGRESS', 'RATE_LIMITED', 'CLIENT_BUSY', 'PATH_MALFORMED', 'SIGNER_BUSY', 'SERVER_BUSY', 'SHUTTING_DOWN'])
  t.ok(kinds['failure']?.includes('INTERNAL'))
})

void t.test('a fault of the server is a failure too, and a signature that was made is none', async (t) => {
  const signer: Signer = { sign: async () => { throw new TypeError('a fault') } }
  const { app, root, deps } = await makeApp(t, () => ({ signer }))
  const path = putPackage(root)
  t.equal((await app.inject(post({ path }))).statusCode, 500)
  t.match(await incidentsIn(deps.store), [{ kind: 'failure', code: 'INTERNAL', filename: 'PkgA.1.0.0.0.bff', sha256: hash('sha256', readFileSync(path)), keyid: '1001' }])
})

const kindOf = ({ spki: who, operation, code }: RefusalEntry) => `${who} ${operation} ${code}`
const entryOf = (code: string, who = spki): RefusalEntry => ({ kind: 'refusal', at, spki: who, operation: 'sign', code })

void t.test('who repeats a refused request is written so many times, then counted, and the number is written when the window is over', async (t) => {
  const more: RefusalEntry[] = []
  const counting = createRefusalCount<RefusalEntry>({ most: 2, windowMs: 30, kinds: 10, kindOf, more: (entry, count) => void more.push({ ...entry, count }) })
  t.strictSame(Array.from({ length: 5 }, () => counting.admits(entryOf('CLIENT_UNKNOWN'))), [true, true, false, false, false])
  t.ok(counting.admits(entryOf('OPERATION_DENIED')) && counting.admits(entryOf('CLIENT_UNKNOWN', 'cd'.repeat(32))) && counting.admits({ ...entryOf('CLIENT_UNKNOWN'), operation: 'verify' }), 'what is not alike is counted by itself')
  await eventually(() => more.length === 1)
  t.strictSame(more, [{ ...entryOf('CLIENT_UNKNOWN'), count: 3 }])
  t.ok(counting.admits(entryOf('CLIENT_UNKNOWN')), 'a new window')
  await counting.close()
  t.equal(more.length, 1, 'nothing was left to count')
})

void t.test('a count that is open is written when the server stops, and the oldest when there are too many', async (t) => {
  const more: RefusalEntry[] = []
  const counting = createRefusalCount<RefusalEntry>({ most: 1, kinds: 2, kindOf, more: async (entry, count) => void more.push({ ...entry, count }) })
  for (const code of ['A', 'A', 'B', 'B', 'B', 'C', 'C', 'C', 'C']) counting.admits(entryOf(code))
  t.strictSame(more, [{ ...entryOf('A'), count: 1 }])
  await counting.close()
  t.strictSame(more.slice(1), [{ ...entryOf('B'), count: 2 }, { ...entryOf('C'), count: 3 }])

  const { app, deps } = await makeApp(t)
  for (let index = 0; index < 70; index += 1) await app.inject('/files?path=/etc')
  t.equal((await incidentsIn(deps.store)).length, 60)
  await app.close()
  t.match((await incidentsIn(deps.store)).slice(60), [{ ...entryOf('PATH_OUTSIDE_ROOTS'), operation: 'listFiles', client: 'bot', count: 10 }])
})
