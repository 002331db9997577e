import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { readReport } from '../../cli/report-file.ts'
import { describeFile } from '../../sdk/index.ts'
import { OPERATIONS } from '../../server/schemas/whoami.ts'
import { count } from '../helpers/full-size.ts'
import { startInProcess } from '../helpers/in-process.ts'
import { putPackage } from '../helpers/packages.ts'
import { TRUSTED_BOT } from '../helpers/place.ts'
import { rsaKeyPair } from '../helpers/signables.ts'
import { answerJson, answerProblem, problem, scriptedServer } from '../sdk/scripted-server.ts'
import { abort, flagsFor, sign, signature, type Said } from './harness.ts'
import { signAnswer } from './package-folder.ts'

const end = (signatures: number) => ({ report: { signatures, server: 'localhost:6000', keyid: '1001' } })
const lines = (values: readonly unknown[]) => values.map((value) => `${JSON.stringify(value)}\n`).join('')
const found = (members: Parameters<typeof signature>[0] = {}) => ({ client: 'bot', signature: signature(members) })

async function reportFault(t: Test, text: string): Promise<string> {
  const path = join(t.testdirName, 'report.ndjson')
  writeFileSync(path, text)
  const error = await Array.fromAsync(readReport(path)).then(() => undefined, (reason: unknown) => reason as { name: string; message: string })
  t.equal(error?.name ?? 'UsageError', 'UsageError')
  return error?.message.replace(path, 'REPORT') ?? ''
}

void t.test('a report is read whole or refused with its line', async (t) => {
  const path = join(t.testdir({ 'report.ndjson': lines([found(), found({ keyid: '7', records: [] }), end(2)]) }), 'report.ndjson')
  const { id, filename, sha256, sizeBytes, source } = signature()
  t.strictSame(await Array.fromAsync(readReport(path)), [{ id, filename, sha256, sizeBytes, keyid: '1001', source }, { id, filename, sha256, sizeBytes, keyid: '7', source }])
  const table: readonly (readonly [string, string])[] = [
    ['', 'REPORT:0: the report is cut off: its last line is missing'],
    [lines([found()]), 'REPORT:1: the report is cut off: its last line is missing'],
    [lines([found()]) + JSON.stringify(found()).slice(0, 50), 'REPORT:2: is no line of a report'],
    [lines([found(), end(2)]), 'REPORT:2: the report says that it has 2 signatures, and it has 1'],
    [lines([found(), end(1), found()]), 'REPORT:3: there is something behind the last line of the report'],
    [`${lines([found()])}\n${lines([end(1)])}`, 'REPORT:2: is no line of a report'],
    ['hello\n', 'REPORT:1: is no line of a report'],
    ...[null, 7, [], {}, { client: 'bot' }, { signature: signature() }, { client: 'bot', signature: null }, found({ id: 'x' }), found({ sha256: 'AB'.repeat(32) }), found({ keyid: '' }), found({ filename: '../x' }), found({ filename: '' }), found({ sizeBytes: 0.5 }), { report: 1 }, { report: { signatures: 'x' } }]
      .map((value) => [lines([value, end(1)]), 'REPORT:1: is no line of a report'] as const),
  ]
  for (const [text, want] of table) t.equal(await reportFault(t, text), want, text.slice(0, 60))
  await t.rejects(Array.fromAsync(readReport('/nonexistent/report')), { name: 'UsageError', message: '/nonexistent/report: cannot be read (ENOENT)' })
  const good = lines([found(), found(), end(2)])
  await fc.assert(fc.asyncProperty(fc.nat(good.length - 2), fc.string({ unit: 'binary', maxLength: 3 }), async (place, text) => {
    await reportFault(t, good.slice(0, place) + text + good.slice(place + 1))
    return true
  }), { numRuns: count(15, 500) })
})

const SECOND = rsaKeyPair()

/** A server with packages that 1001 signed, and a report of them. */
async function scene(t: Test) {
  const bot = { ...TRUSTED_BOT, allow: [...OPERATIONS], keys: ['1001', '1002'] }
  const { place, server } = await startInProcess(t, {}, ({ folder }) => {
    writeFileSync(join(folder, '1002.pem'), SECOND.pem, { mode: 0o600 })
    return { keys: ['1001', '1002'].map((keyid) => ({ keyid, kind: 'file', path: `${keyid}.pem` })), clients: [bot] }
  })
  const flags = await flagsFor(server.listening.service)
  const run = async (...args: readonly string[]): Promise<Said> => await sign([...args, ...flags], { cwd: place.folder })
  const names = ['PkgA', 'PkgB', 'PkgC']
  for (const name of names) putPackage(place.root, name)
  mkdirSync(join(place.folder, 'local', 'deep'), { recursive: true })
  putPackage(join(place.folder, 'local', 'deep'), 'PkgD', { filename: 'D.bff' })
  t.equal((await run('--keyid', '1001', place.root)).status, 0)
  t.equal((await run('--keyid', '1001', '--upload', 'local/deep/D.bff')).status, 0)
  t.equal((await run('report', '--keyid', '1001', '--out', 'report.ndjson')).status, 0)
  return { place, run, resign: async (...args: readonly string[]) => await run('resign', '--from', 'report.ndjson', '--keyid', '1002', '--rate', '60000', ...args) }
}

void t.test('sign resign signs what a report names again, says what is not available, and goes on where it was', async (t) => {
  const { place, run, resign } = await scene(t)
  const path = join(place.root, 'PkgB.1.0.0.0.bff')
  const bytes = readFileSync(path)
  rmSync(path)
  const first = await resign()
  t.equal(first.status, 1)
  t.strictSame(first.stdout.trimEnd().split('\n').map((line) => line.slice(0, 39)).sort(), ['PkgA', 'PkgC'].map((name) => `${name}.1.0.0.0.bff: {"keyid": "1002", "pa`))
  t.match(first.stderr, /^PkgB\.1\.0\.0\.0\.bff: CONTENT_UNAVAILABLE the file is gone, or it is another one by now$/m)
  t.match(first.stderr, /^D\.bff: CONTENT_UNAVAILABLE [^]*hint: send the file itself[^]*signed 2 of 4 files, failed 2, skipped 0$/m)

  const second = await resign('--upload', 'local', '--output', 'ndjson')
  const events = second.stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as { event: string; name?: string; signature?: { keyid: string; replayed: boolean; source: string } })
  t.equal(second.status, 1)
  t.match(second.stderr, /1 files in .*local/)
  t.strictSame(events.slice(1, -1).map(({ event, name, signature: made }) => [name, event, made?.replayed, made?.source].join()).sort(), [
    'D.bff,signature,false,upload', 'PkgA.1.0.0.0.bff,signature,true,path', 'PkgB.1.0.0.0.bff,failure,,', 'PkgC.1.0.0.0.bff,signature,true,path',
  ])
  t.match([events[0], events.at(-1)], [{ event: 'listing', files: { length: 4 } }, { event: 'end', signed: 3, failed: 1, skipped: 0 }])
  writeFileSync(join(place.folder, 'local', 'B.bff'), bytes)
  t.match(await resign('--upload', 'local', '--quiet'), { status: 0, stderr: '' }, 'the file of this machine where the server has none')
  t.match(await resign('--output', 'signature-file'), { status: 0, stdout: /^#package:.*\nPkgD:/ })
  t.match(await run('resign', '--from', 'report.ndjson', '--keyid', '1001'), { status: 0, stdout: '', stderr: /signed 0 of 0 files/ }, 'what the key itself signed is not signed again')
  t.match(await run('resign', '--from', 'report.ndjson', '--keyid', '7'), { status: 4, stderr: /KEY_NOT_AVAILABLE/ })
})

void t.test('wrong usage is 2 and nothing is sent', async (t) => {
  const cwd = t.testdir({ 'cut.ndjson': lines([found()]) })
  const flags = await flagsFor({ port: 1 })
  const run = async (...args: readonly string[]) => await sign(['resign', ...args, ...flags], { cwd })
  for (const [args, says] of [[['--from', 'x'], '--keyid is missing'], [['--keyid', '1'], 'say what: --from FILE'], [['--keyid', '1', '--from', 'x', '--rate', '0'], '--rate: expected 1 or more'], [['--keyid', '1', '--from', 'x'], 'x: cannot be read (ENOENT)'], [['--keyid', '1', '--from', 'cut.ndjson'], 'the report is cut off']] as const) {
    const said = await run(...args)
    t.equal(said.status, 2, says)
    t.ok(said.stderr.includes(says), said.stderr)
  }
})

void t.test('the pace is kept, faults of one do not end the run, and faults of all do', async (t) => {
  const answers: ((response: Parameters<typeof answerJson>[0]) => void)[] = []
  const server = await scriptedServer(t, (response) => {
    answers.shift()?.(response)
  })
  const cwd = t.testdir({ 'report.ndjson': lines([found(), found({ source: 'upload' }), end(2)]) })
  const none = (response: Parameters<typeof answerJson>[0]) => answerJson(response, { signatures: [], nextCursor: null })
  const flags = await flagsFor(server)
  const run = async (args: readonly string[] = [], given = {}) => await sign(['resign', '--from', 'report.ndjson', '--keyid', '1002', ...args, ...flags], { cwd, ...given })
  const done = (response: Parameters<typeof answerJson>[0]) => answerJson(response, signAnswer({ signatures: { 'PkgA.bff': signature({ keyid: '1002' }) }, warnings: [{ code: 'KEY_EXPIRES_SOON', detail: 'soon' }] }))

  answers.push(none, done, none, done)
  const started = performance.now()
  const said = await run(['--rate', '300'], { columns: 80 })
  t.ok(performance.now() - started >= 190, 'five a second')
  t.equal(said.status, 0)
  t.equal(said.stderr.match(/KEY_EXPIRES_SOON/g)?.length, 1, 'a warning that all share is said once')

  answers.push(none, (response) => answerProblem(response, problem('SIGNATURE_NOT_FOUND', 404, false)), none, (response) => answerProblem(response, problem('KEY_NOT_SUITABLE', 422, false)))
  t.match(await run(), { status: 1, stderr: /failed 2/ })
  answers.push(none, (response) => answerJson(response, { path: '', files: [], signatures: {}, failures: {}, skipped: {}, warnings: [] }))
  t.match(await run(), { status: 3, stderr: /the answer to one signature has none/ })
  answers.push((response) => answerProblem(response, problem('OPERATION_DENIED', 403, false)))
  t.match(await run(), { status: 4, stderr: /OPERATION_DENIED/ })
  t.match(await run(['--upload', 'absent']), { status: 1, stderr: /FILE_UNREADABLE .*absent cannot be read \(ENOENT\)/ })

  const stop = new AbortController()
  answers.push(none, done, (response) => {
    none(response)
    setTimeout(() => abort(stop, 'interrupted'), 50)
  })
  t.match(await run(['--rate', '1'], { stop }), { status: 130, stderr: /repeat the command to sign the rest/ })
})

void t.test('a file of this machine that changes before it is sent is not signed', async (t) => {
  const cwd = t.testdir({ local: {} })
  const folder = join(cwd, 'local')
  const path = putPackage(folder)
  const { digest: { sha256 } } = await describeFile(path)
  const server = await scriptedServer(t, (response, { method }) => {
    if (method === 'POST') return answerProblem(response, problem('OPERATION_DENIED', 403, false))
    if (change) writeFileSync(path, 'another')
    return answerJson(response, { signatures: [found({ keyRevoked: {} })], nextCursor: null })
  })
  let change = false
  const flags = await flagsFor(server)
  const run = async (source: 'path' | 'upload', given = {}) => {
    writeFileSync(join(cwd, 'report.ndjson'), lines([found({ sha256, source }), end(1)]))
    return await sign(['resign', '--from', join(cwd, 'report.ndjson'), '--keyid', '1', '--upload', folder, ...flags], given)
  }
  t.match(await run('path'), { status: 4, stderr: /OPERATION_DENIED/ }, 'nothing is sent where the server refuses for another reason')
  const stop = new AbortController()
  abort(stop, 'interrupted')
  t.match(await run('path', { stop }), { status: 130 })
  change = true
  writeFileSync(join(folder, 'broken.bff'), readFileSync(path).subarray(0, 300))
  t.match(await run('upload'), { status: 1, stderr: /CONTENT_UNAVAILABLE the file has other bytes by now/ })
})
