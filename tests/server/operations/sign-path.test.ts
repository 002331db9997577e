import { spawnSync } from 'node:child_process'
import fs, { chmodSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { createIncidents } from '../../../server/operations/incidents.ts'
import { signDigest } from '../../../server/operations/sign-digest.ts'
import { sign, type SignDeps } from '../../../server/operations/sign.ts'
import type { SignRun } from '../../../server/operations/outcome.ts'
import { openPackage, settlePackage } from '../../../server/packages/open-package.ts'
import { inspectFile } from '../../../server/packages/read-file.ts'
import type { Inspector } from '../../../server/packages/inspect.ts'
import { createEmbeddedSigner } from '../../../server/signers/embedded.ts'
import type { Signer } from '../../../server/signers/signer.ts'
import type { Store, Subject, Unrecorded } from '../../../server/store/store.ts'
import { findPath } from '../../../server/roots/find.ts'
import type * as findModule from '../../../server/roots/find.ts'
import { openRoots } from '../../../server/roots/open-roots.ts'
import type { Root } from '../../../server/roots/resolve.ts'
import type * as systemCallsModule from '../../../server/roots/system-calls.ts'
import { createTurns } from '../../../server/threads/turns.ts'
import { putPackage } from '../../helpers/packages.ts'
import { openTestStore } from '../../helpers/store.ts'
import { asNobody, nobodyCannotReach } from '../../helpers/refusals.ts'
import { openedKey, rsaKeyPair } from '../../helpers/signables.ts'

const pair = rsaKeyPair()
const identity = { sans: ['URI:urn:example:bot'], spkiSha256: 'ab'.repeat(32), serial: '01', notAfter: new Date(0) }
const client = { name: 'bot', match: { san: 'URI:urn:example:bot' }, allow: ['sign'], keys: ['1001'], roots: ['nim'], digestOnly: true, resign: false, sees: 'own' } as const
const caller = { identity, client, policy: [client] }
const never = new AbortController().signal
const clock = () => new Date('2026-11-24T00:00:00.000Z')

type Recorded = Readonly<{ subject: Subject; signature: Unrecorded }>

type Bench = Readonly<{ root: string; deps: SignDeps; recorded: Recorded[] }>

/** The operations over a directory, without HTTP and threads. */
async function bench(t: Test, changes: Partial<SignDeps> = {}): Promise<Bench> {
  const recorded: Recorded[] = []
  const accept = ['installp', 'compress'] as const
  const inspector: Pick<Inspector, 'find' | 'open' | 'settle' | 'inspect'> = {
    find: async (path, roots) => findPath({ kind: 'find', path, roots }),
    open: async ({ root: at, absolutePath }) => {
      const opened = openPackage({ kind: 'open', place: { root: at, absolutePath }, accept, maxBytes: 1_000_000 })
      return { ...opened, fileBytes: opened.state.size }
    },
    settle: async (file, signed) => settlePackage({ kind: 'settle', file, ...signed }),
    inspect: async ({ fd, fileBytes }) => inspectFile({ fd, fileBytes, sizeBytes: fileBytes }, { accept }),
  }
  const real = await openTestStore(join(t.testdir({ nim: {} }), 'signing.db'))
  t.teardown(async () => await real.close())
  const store: Pick<Store, 'lookUp' | 'record' | 'append'> = {
    lookUp: async (subject) => await real.lookUp(subject),
    append: async (entry) => await real.append(entry),
    record: async (subject, signature) => {
      recorded.push({ subject, signature })
      return await real.record(subject, signature)
    },
  }
  const root = join(t.testdirName, 'nim')
  const deps = {
    roots: await openRoots([{ name: 'nim', path: root }]), keyring: new Map([['1001', openedKey('file', pair)]]), maxEntries: 100, concurrency: 2, turns: createTurns({ concurrency: 2, waiting: 2, busy: { code: 'SERVER_BUSY', message: 'too many wait' } }), clock,
    signer: createEmbeddedSigner({ timestamp: { syntax: 'epoch', source: 'build' }, clock }), inspector, store, incidents: createIncidents({ log: real, clock, fault: (error) => t.fail(String(error)) }), receiver: { receive: async () => await Promise.reject(new Error('no uploads here')) },
    ...changes,
  } as unknown as SignDeps
  return { root, deps, recorded }
}

async function outcomesOf(run: SignRun): Promise<Readonly<Record<string, string>>> {
  const outcomes: Record<string, string> = {}
  for await (const outcome of run.outcomes) {
    outcomes[outcome.name] = outcome.kind === 'failed' ? String((outcome.error as { code?: string }).code ?? outcome.error) : outcome.kind === 'skipped' ? outcome.reason : outcome.kind
  }
  return outcomes
}

void test('each entry of a directory has one outcome, and what is signed is recorded with its place', async (t) => {
  const { root, deps, recorded } = await bench(t)
  const path = putPackage(root)
  writeFileSync(join(root, 'fix.epkg.Z'), Buffer.from([0x1f, 0x9d, 1]))
  writeFileSync(join(root, 'notes.txt'), 'text')
  writeFileSync(join(root, 'p.rpm'), Buffer.from('edabeedb', 'hex'))
  writeFileSync(join(root, '.toc'), 'no table at all, but called like one')
  writeFileSync(join(root, 'toc.txt'), '0 010203042026 2\nPkgA.bff 4 R I PkgA {\n}\n')
  writeFileSync(join(root, 'bad\nname'), readFileSync(path))
  writeFileSync(join(root, 'broken.bff'), readFileSync(path).subarray(0, 200))
  mkdirSync(join(root, 'sub'))
  symlinkSync('sub', join(root, 'link'))
  symlinkSync('/etc/passwd', join(root, 'out'))
  const hasFifo = spawnSync('mkfifo', [join(root, 'fifo')]).status === 0
  if (hasFifo) symlinkSync('fifo', join(root, 'to-fifo'))
  const run = (await sign(deps, caller, { path: root }, never)) as SignRun
  t.strictSame([run.kind, run.path, run.warnings], ['directory', root, []])
  t.strictSame(await outcomesOf(run), {
    'PkgA.1.0.0.0.bff': 'signed', 'fix.epkg.Z': 'signed', 'notes.txt': 'NOT_A_PACKAGE', 'p.rpm': 'FORMAT_NOT_ACCEPTED', '.toc': 'TOC', 'toc.txt': 'TOC', 'bad\nname': 'FILE_NAME_REFUSED',
    'broken.bff': 'PACKAGE_MALFORMED', sub: 'DIRECTORY', link: 'DIRECTORY', out: 'PATH_OUTSIDE_ROOTS', ...(hasFifo ? { fifo: 'SPECIAL_FILE', 'to-fifo': 'SPECIAL_FILE' } : {}),
  })
  t.match(recorded.map(({ subject: { recipient: { file, client: name } }, signature }) => [file?.root, file?.relativePath, name, signature.source]).sort(), [['nim', 'PkgA.1.0.0.0.bff', 'bot', 'path'], ['nim', 'fix.epkg.Z', 'bot', 'path']])
})

void test('a single file has its place in its outcome once that is known, signed or not', async (t) => {
  const { root, deps } = await bench(t)
  writeFileSync(join(root, 'notes.txt'), 'text')
  for (const [path, name, kind] of [[putPackage(root), 'PkgA.1.0.0.0.bff', 'signed'], [join(root, 'notes.txt'), 'notes.txt', 'failed']] as const) {
    const run = (await sign(deps, caller, { path }, never)) as SignRun
    t.match([run.kind, run.path, run.files], ['file', path, [name]])
    for await (const outcome of run.outcomes) t.match(outcome, { name, kind, durationMs: Number, place: { root: 'nim', relativePath: name } })
  }
})

void test('a fault of ours, and a path that is gone in the moment between two looks, are told as such', async (t) => {
  const faulty = { find: async (path: string, roots: readonly Root[]) => findPath({ kind: 'find', path, roots }), open: async () => await Promise.reject(new TypeError('a fault of ours')) } as unknown as Inspector
  const { root, deps } = await bench(t, { inspector: faulty })
  const path = putPackage(root)
  t.match(await outcomesOf((await sign(deps, caller, { path: root }, never)) as SignRun), { 'PkgA.1.0.0.0.bff': /a fault of ours/ })
  const lstatSync = (): never => { throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' }) }
  const systemCalls = await t.mockImport<typeof systemCallsModule>('../../../server/roots/system-calls.ts', { 'node:fs': { ...fs, lstatSync } })
  const { findPath: findMoved } = await t.mockImport<typeof findModule>('../../../server/roots/find.ts', { '../../../server/roots/system-calls.ts': systemCalls })
  t.throws(() => findMoved({ kind: 'find', path, roots: deps.roots }), { code: 'FILE_CHANGED' })
})

void test('a subdirectory that may not be read is a failure of its own name, and the rest is signed', { skip: nobodyCannotReach('server/main.ts') }, async (t) => {
  const { root, deps } = await bench(t)
  putPackage(root)
  mkdirSync(join(root, 'closed'))
  chmodSync(join(root, 'closed'), 0)
  const outcomes = await asNobody(async () => await outcomesOf((await sign(deps, caller, { path: root, recursive: true }, never)) as SignRun))
  chmodSync(join(root, 'closed'), 0o755)
  t.strictSame(outcomes, { closed: 'PATH_UNREADABLE', 'PkgA.1.0.0.0.bff': 'signed' })
})

void test('after an abort no further file is begun', async (t) => {
  const { root, deps, recorded } = await bench(t)
  putPackage(root)
  const controller = new AbortController()
  const run = (await sign(deps, caller, { path: root }, controller.signal)) as SignRun
  controller.abort(new Error('the client went away'))
  t.match(await outcomesOf(run), { 'PkgA.1.0.0.0.bff': /the client went away/ })
  t.strictSame(recorded, [])
})

void test('nothing is recorded, and nothing leaves, that changed meanwhile or does not verify', async (t) => {
  const good = createEmbeddedSigner({ timestamp: { syntax: 'epoch', source: 'build' }, clock })
  const other = openedKey('file', rsaKeyPair())
  const foreign: Signer = { sign: async (signable) => await good.sign(signable, { ...other, keyid: '1001' }) }
  const mixed: Signer = {
    sign: async (signable, key) => {
      const { signature, records } = await good.sign(signable, key)
      return { signature, records: records.map((record, index) => (index === 1 ? { ...record, signature: Buffer.alloc(256).toString('base64') } : record)) }
    },
  }
  const filesets = [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }, { fileset: 'PkgA.adt', vrmf: '1.0.0.0' }]
  for (const [signer, want] of [[foreign, 'SIGNATURE_INVALID'], [mixed, 'SIGNATURE_INVALID']] as const) {
    const { root, deps, recorded } = await bench(t, { signer })
    t.strictSame(await outcomesOf((await sign(deps, caller, { path: putPackage(root, 'PkgA', { filesets }) }, never)) as SignRun), { 'PkgA.1.0.0.0.bff': want })
    t.strictSame(recorded, [])
  }
  const touching: Signer = {
    sign: async (signable, key) => {
      utimesSync(join(touched.root, signable.filename), 1, 1)
      return await good.sign(signable, key)
    },
  }
  const touched = await bench(t, { signer: touching })
  t.strictSame(await outcomesOf((await sign(touched.deps, caller, { path: putPackage(touched.root) }, never)) as SignRun), { 'PkgA.1.0.0.0.bff': 'FILE_CHANGED' })
  t.strictSame(touched.recorded, [])
})

void test('a command whose signed bytes are not known is believed without that check, and every answer says so', async (t) => {
  const keyring = new Map([['1001', { ...openedKey('command', pair), covers: 'unverified' as const }]])
  const signer: Signer = { sign: async () => ({ signature: Buffer.alloc(256).toString('base64'), records: [{ keyid: '1001', package: 'PkgA', timestamp: '1', fileset: 'PkgA.rte', ftype: 'I', vrmf: '1.0.0.0', signature: Buffer.alloc(256).toString('base64') }] }) }
  const { root, deps, recorded } = await bench(t, { signer, keyring } as Partial<SignDeps>)
  const run = (await sign(deps, caller, { path: putPackage(root) }, never)) as SignRun
  t.match(run.warnings, [{ code: 'SIGNATURE_UNVERIFIED' }])
  t.strictSame(await outcomesOf(run), { 'PkgA.1.0.0.0.bff': 'signed' })
  t.match(recorded, [{ signature: { covers: 'unverified' } }])
})

void test('a client with no key, or several, is told so before anything is looked at', async (t) => {
  const { deps } = await bench(t)
  const holding = (keys: readonly string[]) => ({ ...caller, client: { ...client, keys }, policy: [{ ...client, keys }] })
  const two = { ...deps, keyring: new Map([['1001', openedKey('file', pair)], ['1002', { ...openedKey('file', pair), keyid: '1002' }]]) }
  await t.rejects(sign(two, holding(['1001', '1002']), { path: '/nowhere' }, never), { code: 'KEYID_REQUIRED' })
  await t.rejects(sign(two, holding([]), { path: '/nowhere' }, never), { code: 'KEY_NOT_AVAILABLE' })
  await t.rejects(sign(two, holding(['1001']), { path: '/nowhere', keyid: '1002' }, never), { code: 'KEY_NOT_AVAILABLE' })
})

void test('a fault of ours in a description is not taken for one of the client', async (t) => {
  const { deps } = await bench(t)
  const filesets = { [Symbol.iterator]: () => { throw new TypeError('a fault of ours') } } as never
  const key = openedKey('file', pair)
  const item = { digest: { sha256: 'ab'.repeat(32) }, sizeBytes: 1, filename: 'x', package: 'PkgA', filesets }
  await t.rejects(signDigest(deps, item, { caller, key, along: [], anew: { force: false, resign: false }, signal: never }), { message: 'a fault of ours' })
})
