import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { parseSignatureFile } from '../../formats/index.ts'
import type { ErrorCode } from '../../server/errors.ts'
import type { Signature } from '../../server/schemas/signature.ts'
import { fakeCommand, fakeRuns, setFaults } from '../helpers/fake-command.ts'
import type { FakeRun } from '../helpers/fake-command.ts'
import { askAt, clientOf, problemIn } from '../helpers/client.ts'
import { count, needsFull } from '../helpers/full-size.ts'
import { isSignatureOf, putPackage, putPackages } from '../helpers/packages.ts'
import { makePlace } from '../helpers/place.ts'
import { eventually, isRunning } from '../helpers/processes.ts'
import { startServer } from '../helpers/server.ts'
import type { TestServer } from '../helpers/server.ts'

/** What the fake prints when it fails; it must never reach a client. */
const PRINTED = 'secret detail'

/** After a run nothing of it may be left: no folder, no process. */
async function assertNothingLeft(t: Test, server: TestServer): Promise<void> {
  t.strictSame(readdirSync(join(server.folder, 'runs')), [], 'no folder of a run is left')
  const pids = fakeRuns(server).flatMap(({ pid, child }) => (child === undefined ? [pid] : [child]))
  await eventually(() => !pids.some(isRunning))
}

const path = (server: TestServer, name = 'PkgA.1.0.0.0.bff') => join(server.root, name)

void t.test('the wrapped command signs: its records are verified, kept and answered as they are', async (t) => {
  const server = await startServer(t, { config: fakeCommand() })
  const client = await clientOf(t, server.url)
  const filesets = [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }, { fileset: 'PkgA.adt', vrmf: '7.3.2.10' }]
  putPackage(server.root, 'PkgA', { filesets })

  await t.test('by file, called as create_pkgsign is called: without a shell, in a private folder, with a private copy', async (t) => {
    const answer = await client.sign({ path: path(server) })
    const signature = answer.signatures['PkgA.1.0.0.0.bff'] as Signature
    t.ok(isSignatureOf(signature, path(server), server.publicKey))
    t.match(signature, { covers: 'file', records: filesets })
    t.strictSame(answer.warnings, [])
    const [run] = fakeRuns(server) as readonly [FakeRun]
    const folder = run.cwd
    t.match(folder, new RegExp(`^${server.folder}/runs/`))
    t.strictSame(run.argv, ['-a', `infile=${folder}/PkgA.1.0.0.0.bff`, '-a', `passin=${server.folder}/pswd.file`, `${folder}/output.signature-file`])
    t.notOk(JSON.stringify(run.env).includes('SIGN_'), 'nothing of the environment of the server but what is configured')
    t.strictSame(parseSignatureFile(readFileSync(join(server.folder, 'records'))), signature.records)
  })

  await t.test('a directory, several at once, all of them', async (t) => {
    const total = count(12, 200)
    mkdirSync(join(server.root, 'many'))
    const names = putPackages(join(server.root, 'many'), total)
    const answer = await client.sign({ path: join(server.root, 'many') })
    t.strictSame(answer.failures, {})
    t.strictSame(Object.keys(answer.signatures), names)
    t.ok(names.every((name) => isSignatureOf(answer.signatures[name] as Signature, join(server.root, 'many', name), server.publicKey)))
    t.equal(new Set(fakeRuns(server).map(({ cwd }) => cwd)).size, total + 1, 'each run had a folder of its own')
  })

  await t.test('records in another order than lpp_name are the same records', async (t) => {
    setFaults(server, 'reversed')
    t.ok((await client.sign({ path: path(server) })).signatures['PkgA.1.0.0.0.bff'])
  })

  await t.test('GET /keys shows a key of kind command, and readiness finds the command', async (t) => {
    t.match(JSON.parse((await client.ask('/keys')).text), { keys: [{ keyid: '1001', kind: 'command', covers: 'file' }] })
    t.match(JSON.parse((await askAt(`${server.adminUrl}/health/ready`)).text), { status: 'ready', checks: { signer: 'ok' } })
  })
  await assertNothingLeft(t, server)
})

/** The switches of the fake and what the client is told. */
const FAULTS: readonly (readonly [string, ErrorCode | 'OK'])[] = [
  ['exit=1', 'SIGNER_FAILED'], ['exit=77', 'SIGNER_FAILED'], ['signal=SIGSEGV', 'SIGNER_FAILED'], ['exit-after=3', 'SIGNER_FAILED'],
  ['silent', 'SIGNER_NO_RECORD'], ['empty', 'SIGNER_NO_RECORD'], ['header-only', 'SIGNER_NO_RECORD'], ['elsewhere', 'SIGNER_NO_RECORD'],
  ['directory', 'SIGNER_NO_RECORD'], ['symlink', 'SIGNER_NO_RECORD'], ['fifo', 'SIGNER_NO_RECORD'],
  ['wrong-package', 'SIGNER_RECORD_MISMATCH'], ['wrong-fileset', 'SIGNER_RECORD_MISMATCH'], ['wrong-vrmf', 'SIGNER_RECORD_MISMATCH'], ['wrong-ftype', 'SIGNER_RECORD_MISMATCH'],
  ['wrong-keyid', 'SIGNER_RECORD_MISMATCH'], ['missing-fileset', 'SIGNER_RECORD_MISMATCH'], ['extra-fileset', 'SIGNER_RECORD_MISMATCH'], ['many=1000', 'SIGNER_RECORD_MISMATCH'],
  ['same-fileset-twice', 'SIGNER_RECORD_MALFORMED'], ['six-fields', 'SIGNER_RECORD_MALFORMED'], ['eight-fields', 'SIGNER_RECORD_MALFORMED'], ['empty-fields', 'SIGNER_RECORD_MALFORMED'],
  ['swapped-fields', 'SIGNER_RECORD_MALFORMED'], ['garbage', 'SIGNER_RECORD_MALFORMED'], ['leading-zeros', 'SIGNER_RECORD_MALFORMED'], ['colon-timestamp', 'SIGNER_RECORD_MALFORMED'],
  ['truncated', 'SIGNER_SIGNATURE_TRUNCATED'], ['truncated=341', 'SIGNER_SIGNATURE_TRUNCATED'], ['unpadded', 'SIGNER_SIGNATURE_TRUNCATED'],
  ['other-bytes', 'SIGNATURE_INVALID'],
  ['modify-infile', 'SIGNER_FAILED'], ['overwrite-infile', 'SIGNER_FAILED'], ['replace-infile', 'SIGNER_FAILED'], ['remove-infile', 'SIGNER_FAILED'],
  ['stdout=50', 'SIGNER_OUTPUT_TOO_LARGE'], ['stderr=50', 'SIGNER_OUTPUT_TOO_LARGE'], ['file=50', 'SIGNER_OUTPUT_TOO_LARGE'],
  ['no-header', 'OK'], ['crlf', 'OK'], ['no-last-line-end', 'OK'], ['fork-hang', 'OK'], ['slow=200', 'OK'],
]

void t.test('each way in which the command can fail has its code, and the server serves on', async (t) => {
  const server = await startServer(t, { config: fakeCommand() })
  const client = await clientOf(t, server.url)
  putPackage(server.root, 'PkgA', { filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }, { fileset: 'PkgA.adt', vrmf: '7.3.2.10' }] })
  for (const [fault, want] of FAULTS) {
    setFaults(server, fault)
    const answer = await client.trySign({ path: path(server), force: true })
    t.equal(answer.status === 200 ? 'OK' : problemIn(answer).code, want, fault)
    if (answer.status === 200) t.ok(isSignatureOf((JSON.parse(answer.text) as Awaited<ReturnType<typeof client.sign>>).signatures['PkgA.1.0.0.0.bff'] as Signature, path(server), server.publicKey))
    for (const leak of [PRINTED, server.folder, 'xxxx', 'Segmentation']) t.notOk(answer.text.replaceAll(path(server), '').includes(leak), `${fault} shows no ${leak}`)
  }
  const failed = server.logs().filter(({ msg }) => msg === 'file not signed')
  t.ok(JSON.stringify(failed).includes(PRINTED), 'the log has what the command printed')
  const kept = parseSignatureFile(readFileSync(join(server.folder, 'records')))
  t.equal(kept.length, 2 * FAULTS.filter(([, want]) => want === 'OK').length, 'no failure left a record')
  setFaults(server)
  t.ok((await client.sign({ path: path(server) })).signatures['PkgA.1.0.0.0.bff'], 'after all that it signs')
  await assertNothingLeft(t, server)
})

void t.test('a command that hangs is stopped at its time limit, with everything it started', async (t) => {
  const server = await startServer(t, { config: fakeCommand({ signer: { timeoutMs: 700 } }) })
  const client = await clientOf(t, server.url)
  putPackage(server.root)
  for (const faults of [['hang'], ['ignore-term', 'fork-hang', 'hang'], ['hang-after']]) {
    setFaults(server, ...faults)
    t.match(problemIn(await client.trySign({ path: path(server) })), { code: 'SIGNER_TIMEOUT', status: 504, detail: /700 ms/ }, faults.join(' '))
  }
  await assertNothingLeft(t, server)
})

void t.test('in a directory a failing command fails each package by itself, and the answer is 200', async (t) => {
  const server = await startServer(t, { config: fakeCommand() })
  putPackages(server.root, 3)
  setFaults(server, 'exit=1')
  const answer = await (await clientOf(t, server.url)).sign({ path: server.root })
  t.strictSame([Object.keys(answer.failures).length, answer.signatures], [3, {}])
  t.ok(Object.values(answer.failures).every(({ code }) => code === 'SIGNER_FAILED'))
})

void t.test('of many at once no more than the configured number run and wait; the rest is answered 503 SIGNER_BUSY with Retry-After', { skip: needsFull }, async (t) => {
  const server = await startServer(t, { config: fakeCommand({ signer: { concurrency: 2, waiting: 3 } }) })
  const client = await clientOf(t, server.url)
  putPackage(server.root)
  setFaults(server, 'slow=800')
  const answers = await Promise.all(Array.from({ length: 12 }, async () => await client.trySign({ path: path(server) })))
  t.strictSame([200, 503].map((wanted) => answers.filter(({ status }) => status === wanted).length), [5, 7])
  for (const answer of answers.filter(({ status }) => status === 503)) {
    t.match(problemIn(answer), { code: 'SIGNER_BUSY', retryable: true })
    t.match(answer.headers['retry-after'], /^[1-9]\d*$/)
  }
  t.equal(fakeRuns(server).length, 5, 'nobody who was refused ran')
  setFaults(server)
  t.equal((await client.trySign({ path: path(server) })).status, 200)
})

void t.test('covers: unverified signs what cannot be verified, and says so in each answer, in GET /keys and in the log', async (t) => {
  const server = await startServer(t, { config: fakeCommand({ covers: 'unverified' }) })
  const client = await clientOf(t, server.url)
  putPackage(server.root)
  setFaults(server, 'other-bytes')
  const answer = await client.sign({ path: path(server) })
  t.match(answer, { signatures: { 'PkgA.1.0.0.0.bff': { covers: 'unverified' } }, warnings: [{ code: 'SIGNATURE_UNVERIFIED', detail: /1001/ }] })
  t.notOk(isSignatureOf(answer.signatures['PkgA.1.0.0.0.bff'] as Signature, path(server), server.publicKey))
  t.match(await client.signEvents({ path: path(server), force: true }), [{}, {}, { event: 'warning', warning: { code: 'SIGNATURE_UNVERIFIED' } }, { event: 'end' }])
  for (const ask of ['/keys', '/keys/1001']) t.match((await client.ask(ask)).text, '"covers":"unverified"')
  const [line] = await server.logged(({ msg }) => msg === 'signed package')
  t.equal(line?.['covers'], 'unverified')
  setFaults(server, 'wrong-package')
  t.match(problemIn(await client.trySign({ path: path(server), force: true })), { code: 'SIGNER_RECORD_MISMATCH' }, 'everything but the signature is still checked')
})

void t.test('covers must be chosen by name: without it the server does not start', async (t) => {
  const place = await makePlace(t)
  const members = fakeCommand()(place)
  const file = place.configure({ ...members, keys: [{ keyid: '1001', kind: 'command', publicKey: '1001.pub.pem' }] })
  const { status, stderr } = spawnSync(process.execPath, ['server/main.ts', 'check-config', '--config', file], { cwd: fileURLToPath(new URL('../..', import.meta.url)), env: { PATH: '/usr/bin' }, encoding: 'utf8' })
  t.equal(status, 1)
  t.match(stderr, /covers is missing/)
})

void t.test('a server that is killed with a command at work leaves no process behind, and the next one removes its folders', async (t) => {
  const place = await makePlace(t)
  const first = await startServer(t, { place, config: fakeCommand() })
  putPackage(first.root)
  setFaults(first, 'fork-hang', 'hang')
  const lost = (await clientOf(t, first.url)).trySign({ path: path(first) })
  await eventually(() => fakeRuns(first).length === 2, 10_000)
  first.process.kill('SIGKILL')
  await t.rejects(lost)
  const pids = fakeRuns(first).map(({ pid, child }) => child ?? pid)
  await eventually(() => !pids.some(isRunning))
  t.equal(readdirSync(join(place.folder, 'runs')).length, 1)
  const second = await startServer(t, { place, config: fakeCommand() })
  t.strictSame(readdirSync(join(place.folder, 'runs')), [])
  t.ok((await (await clientOf(t, second.url)).sign({ path: path(second) })).signatures['PkgA.1.0.0.0.bff'])
})

void t.test('a client that goes away while the command works ends the command', async (t) => {
  const server = await startServer(t, { config: fakeCommand() })
  putPackage(server.root)
  setFaults(server, 'hang')
  const client = await clientOf(t, server.url)
  const gone = new AbortController()
  const lost = client.trySign({ path: path(server) }, { signal: gone.signal })
  await eventually(() => fakeRuns(server).length === 1, 10_000)
  gone.abort()
  await t.rejects(lost)
  await eventually(() => !fakeRuns(server).some(({ pid }) => isRunning(pid)))
  await server.logged(({ code }) => code === 'REQUEST_ABORTED')
  setFaults(server)
  t.ok((await client.sign({ path: path(server) })).signatures['PkgA.1.0.0.0.bff'])
})
