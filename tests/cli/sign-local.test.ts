import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { failureOf } from '../../cli/failure.ts'
import { inFlight } from '../../cli/in-flight.ts'
import { invocationOf } from '../../cli/invocation.ts'
import { expandFiles, totalBytes } from '../../cli/local-files.ts'
import { renderProgress, startProgress } from '../../cli/progress.ts'
import { createTerminal } from '../../cli/terminal.ts'
import { UsageError } from '../../cli/usage-error.ts'
import { answerJson, answerProblem, problem, type scriptedServer } from '../sdk/scripted-server.ts'
import { capture, sign, signature } from './harness.ts'
import { against, BLOCK, packageFolder, RAW, SIGNED, signAnswer } from './package-folder.ts'

type Script = Parameters<typeof scriptedServer>[1]

void t.test('flags that do not go together are 2, all of them at once, and nothing is read', async (t) => {
  for (const [args, want] of [
    [['--upload', '--digest', 'a'], ['--upload and --digest exclude each other']],
    [['--upload'], ['--upload and --digest want files']],
    [['--upload', '--recursive', '--in-place', '--replace', '--output-dir', 'x', '--concurrency', '0', 'a'], ['--recursive goes with a path on the server', '--concurrency: expected 1 or more', '--in-place goes with --attach', '--replace goes with --attach', '--output-dir goes with --attach or --detach', '--in-place and --output-dir exclude each other']],
    [['--concurrency', '2', 'a'], ['--concurrency goes with --upload or --digest']],
    [['verify', '--upload', '--offline', 'a'], ['--upload, --digest and --offline exclude each other', '--offline wants the public key: --key FILE']],
    [['verify', 'a', 'b'], ['too many arguments: one path on the server; --upload, --digest and --offline take several files']],
    [['verify', '--digest', '--signature', 's', 'a', 'b'], ['--signature goes with one file']],
    [['verify', '--form', 'sig', 'a'], ['--form goes with --signature']],
    [['detach-dsb', 'a'], ['say where: --output FILE or --in-place']],
    [['detach-dsb', '--in-place', '--output', 'b', 'a'], ['say where: --output FILE or --in-place']],
    [['export', 'x'], ['--form is missing: record, sig, dsb, dsc, proof']],
    [['keys', '--form', 'public.pem'], ['--form does not go with `sign keys`']],
    [['--attach', 'whoami'], ['--attach does not go with `sign whoami`']],
    [['--output', 'json', 'export', 'x', '--form', 'sig'], ['--output of `sign export` names a file and stands behind the word']],
    [['keys', '1001', '--form', 'public.pem', '--output', 'json'], ['--output does not go with --form: what comes is a file, as it is']],
    [['verify', '--form', 'xml', '--signature', 's', 'a'], ["--form: expected one of record, sig, dsb, dsc, got 'xml'"]],
    [['--output-dir', '', '--detach', '--upload', 'a'], ['--output-dir: is empty']],
    [['inspect', '--output', 'signature-file', 'a'], ['the answer of `sign inspect` is no signature file; --output takes text, json or ndjson here']],
  ] as const) t.strictSame(await sign(args), { status: 2, stdout: '', stderr: want.map((line) => `sign: ${line}\n`).join('') }, args.join(' '))
  t.match(await sign(['verify', '--dsblkchk', 'a', 'b']), { status: 64, stderr: 'sign: too many arguments: one path on the server' })
  t.match(await sign(['verify', '--dsblkchk', '--upload', '--signature', 'x', 'a']), { status: 64, stderr: '--dsblkchk looks at the block in the file alone' })
  t.match(await sign(['verify', '--dsblkchk', '--nonsense']), { status: 64, stderr: "sign: unknown option '--nonsense'\n" })
  t.match(await sign(['verify', '--dsblkchk', '--help']), { status: 0 })
})

void t.test('an upload that is refused as a whole ends the run, one that is not does not', async (t) => {
  const here = packageFolder(t)
  let code = 'KEYID_REQUIRED'
  const { server, flags } = await against(t, (response, { url }) => (url.includes('broken') ? answerProblem(response, problem(code, 400, false)) : answerJson(response, signAnswer({ warnings: [{ code: 'SIGNATURE_UNVERIFIED', detail: 'not known' }] }))))
  const upload = async (...args: string[]) => await sign([...flags, '--upload', ...args], { cwd: here, env: { SIGN_KEYID: '1001' } })
  t.match(await upload('broken.bff'), { status: 4, stdout: '', stderr: 'sign: KEYID_REQUIRED ' })
  t.equal(server.seen.at(-1)?.url, '/sign?filename=broken.bff&keyid=1001')
  const live = await sign([...flags, '--upload', 'broken.bff'], { cwd: here, columns: 80 })
  t.notMatch(live.stderr.slice(live.stderr.indexOf('sign: KEYID_REQUIRED')), '\r', 'the bar is gone')
  code = 'SERVER_BUSY'
  const some = await upload('--concurrency', '1', 'PkgA.bff', 'signed.bff', 'broken.bff')
  t.match(some, { status: 1, stderr: 'broken.bff: SERVER_BUSY ' })
  t.equal(some.stderr.split('warning: SIGNATURE_UNVERIFIED not known').length, 2, 'a warning that files share is said once')
  t.strictSame(some.stdout.split('\n').map((line) => line.split(': ')[0]), ['PkgA.bff', 'signed.bff', ''])
  code = 'INTERNAL'
  t.match(await upload('--concurrency', '1', 'PkgA.bff', 'broken.bff', 'signed.bff'), { status: 4, stdout: /^PkgA\.bff: /, stderr: 'cut off: signed 1 of 3 files, failed 0, skipped 0\nsign: INTERNAL ' })
})

void t.test('an answer that is none is 3', async (t) => {
  const here = packageFolder(t)
  let answer: object = signAnswer({ signatures: {} })
  const { flags } = await against(t, (response) => answerJson(response, answer))
  const run = async (...args: string[]) => await sign([...flags, ...args], { cwd: here })
  t.match(await run('--upload', 'PkgA.bff'), { status: 3, stderr: 'the answer to an upload has no signature' })
  answer = { items: [], warnings: [] }
  t.match(await run('--digest', 'PkgA.bff'), { status: 3, stderr: 'the server answered to 0 of 1 digests' })
  answer = { items: [{ filename: 'PkgA.bff' }], warnings: [] }
  t.match(await run('--digest', 'PkgA.bff'), { status: 3, stderr: 'the server answered an item with neither a signature nor a problem' })
})

void t.test('digests go in requests of 250, the next files read meanwhile, and in smaller ones where the server wants that', async (t) => {
  const here = t.testdir()
  const names = Array.from({ length: 1003 }, (_, index) => `f${String(index).padStart(4, '0')}`)
  for (const name of names) writeFileSync(join(here, name), name)
  let most = 250
  let refused = false
  const { server, flags } = await against(t, (response, { body }) => {
    const { items } = JSON.parse(body) as { items: { filename: string }[] }
    if (refused) return answerProblem(response, problem('INTERNAL', 500, false))
    if (items.length > most) return answerProblem(response, problem('BODY_TOO_LARGE', 413, false))
    const outcomes = items.map(({ filename }) => (filename === 'f0001' ? { filename, problem: problem('DIGEST_NOT_SIGNABLE', 422, false) } : { filename, signature: signature({ filename, records: [] }) }))
    return answerJson(response, { items: outcomes, warnings: [{ code: 'KEY_EXPIRES', detail: 'the key expires in 7 days' }] })
  })
  const run = async (...args: string[]) => await sign([...flags, '--digest', '--output', 'ndjson', '--concurrency', '16', ...args], { cwd: here })
  const { status, stdout, stderr } = await run('*')
  t.equal(status, 1)
  t.equal(stderr.split('warning: KEY_EXPIRES the key expires in 7 days\n').length - 1, 1, 'what every request is warned of is said once')
  t.equal(stdout.split('"event":"signature"').length - 1, 1002)
  t.strictSame(server.seen.map(({ body }) => (JSON.parse(body) as { items: object[] }).items.length), [250, 250, 250, 250, 3])
  server.seen.length = 0
  refused = true
  t.match(await run('*'), { status: 4, stdout: '', stderr: 'sign: INTERNAL ' }, 'a refusal ends the run, whatever was read meanwhile')
  t.ok(server.seen.length <= 2, 'and is not asked for again')
  refused = false
  server.seen.length = 0
  most = 2
  t.match(await run('f0002', 'f0003', 'f0004', 'f0005', 'f0006'), { status: 0, stdout: '{"event":"end","signed":5,"failed":0,"skipped":0}\n' })
  most = 0
  await run('--keyid', '7', 'f0002')
  t.match(JSON.parse(server.seen.at(-1)!.body), { keyid: '7' })
  t.match(await run('f0002'), { status: 1, stderr: 'f0002: BODY_TOO_LARGE ' })
  writeFileSync(join(here, '.toc'), '0 11242026160000 2\nPkgA.1.0.0.0.bff 4 R I PkgA {\nPkgA.rte 1.0.0.0 1 N U en_US x\n[\n%\n]\n}\n')
  t.match(await run('.toc', 'none'), { status: 1, stderr: /\.toc: NOT_A_PACKAGE the file is a table of contents\n[^]*none: FILE_UNREADABLE|none: FILE_UNREADABLE[^]*\.toc: NOT_A_PACKAGE the file is a table of contents\n/ })
})

void t.test('what cannot be kept is a failure of its file; what no file could change ends the run', async (t) => {
  const here = packageFolder(t)
  let exported: Script = (response) => response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-disposition': 'attachment; filename="x.dsb"' }).end(BLOCK)
  const { server, flags } = await against(t, (response, request, raw) => (request.method === 'POST' ? answerJson(response, signAnswer()) : exported(response, request, raw)))
  const attach = async (...args: string[]) => await sign([...flags, '--upload', '--attach', ...args], { cwd: here })
  t.match(await attach('PkgA.bff'), { status: 0, stderr: `attached: ${here}/PkgA.bff.signed\n` })
  t.equal(server.seen[1]?.url, `/signatures/${SIGNED.id}/dsb`)
  mkdirSync(join(here, 'out'))
  t.match(await attach('--detach', '--output-dir', 'out', 'PkgA.bff'), { status: 0, stderr: `detached: ${here}/out/PkgA.bff.sig\nattached: ${here}/out/PkgA.bff\n` })
  t.ok(readFileSync(join(here, 'out/PkgA.bff.sig')).equals(RAW))
  t.match(await attach('broken.bff'), { status: 1, stderr: 'broken.bff: PACKAGE_MALFORMED ' }, 'the server signed something else than what is here')
  exported = (response) => answerProblem(response, problem('FORM_NOT_AVAILABLE', 422, false))
  t.match(await attach('PkgA.bff'), { status: 1, stderr: 'PkgA.bff: FORM_NOT_AVAILABLE ' })
  exported = (response) => answerProblem(response, problem('OPERATION_DENIED', 403, false))
  t.match(await attach('PkgA.bff'), { status: 4, stderr: 'sign: OPERATION_DENIED ' })
})

void t.test('an exported signature goes to a pipe as it is, to a file under a new name, and binary to no terminal', async (t) => {
  const here = packageFolder(t)
  let [bytes, type] = [RAW, 'application/octet-stream']
  const { flags } = await against(t, (response) => response.writeHead(200, { 'content-type': type, 'content-disposition': 'attachment; filename="x"' }).end(bytes))
  const collected: Buffer[] = []
  const stdout = new Writable({ write: (chunk: Buffer, _encoding, done) => {
    collected.push(chunk)
    done()
  } })
  t.match(await sign(['export', ...flags, 'id', '--form', 'sig'], { stdout }), { status: 0 })
  t.ok(Buffer.concat(collected).equals(RAW))
  t.strictSame(await sign(['export', ...flags, 'id', '--form', 'sig'], { stdout: capture(80) }), { status: 2, stdout: '', stderr: 'sign: the form sig is binary and no text for a terminal\nhint: write it to a file with --output, or into a pipe\n' })
  t.match(await sign(['export', ...flags, 'id', '--form', 'sig', '--output', 'new.sig'], { cwd: here, stdout: capture(80) }), { status: 0, stderr: `written: ${here}/new.sig\n` })
  t.ok(readFileSync(join(here, 'new.sig')).equals(RAW))
  t.match(await sign(['export', ...flags, 'id', '--form', 'sig', '--output', 'record'], { cwd: here }), { status: 1, stderr: 'sign: FILE_EXISTS ' })
  ;[bytes, type] = [Buffer.from('a\u001b[2J\nb\n'), 'text/plain']
  const terminal = capture(80)
  await sign(['export', ...flags, 'id', '--form', 'record'], { stdout: terminal })
  t.equal(terminal.said(), 'a\\u001b[2J\nb\n')
  ;[bytes, type] = [Buffer.from('-----BEGIN PUBLIC KEY-----\n'), 'application/x-pem-file']
  t.strictSame((await sign(['keys', ...flags, '1001', '--form', 'public.pem'], { env: { SIGN_OUTPUT: 'json' } })).stdout, '-----BEGIN PUBLIC KEY-----\n')
})

void t.test('a name is a file before it is a pattern, and each file comes once', async (t) => {
  const here = t.testdir({ 'a.bff': 'a', 'b.bff': 'bb', '[a].bff': 'ccc', 'd.bff': {} })
  const names = async (...given: string[]) => (await expandFiles(given, here)).map(({ name }) => name)
  t.strictSame(await names('*.bff'), ['[a].bff', 'a.bff', 'b.bff'], 'directories are left out')
  t.strictSame(await names('[a].bff'), ['[a].bff'])
  t.strictSame(await names('[b].bff', 'b.bff', './b.bff', 'none'), ['b.bff', 'none'])
  await t.rejects(names('*.rpm', 'a.bff', '?'), new UsageError(["no file matches '*.rpm'", "no file matches '?'"]))
  t.equal(await totalBytes(await expandFiles(['a.bff', 'b.bff', 'none'], here)), 3)
})

void t.test('work in flight is bounded, and stopped when one fails or nobody wants more', async (t) => {
  const signal = new AbortController().signal
  let [running, most] = [0, 0]
  const done = await Array.fromAsync(inFlight([30, 10, 20, 5], { limit: 2, signal }, async (ms) => {
    running += 1
    most = Math.max(most, running)
    await sleep(ms)
    running -= 1
    return ms
  }))
  t.strictSame([most, done.toSorted((a, b) => a - b)], [2, [5, 10, 20, 30]])
  const stopped: number[] = []
  const failing = inFlight([1, 2, 3], { limit: 2, signal }, async (item, stop) => {
    if (item === 1) throw new Error('one failed')
    await sleep(10_000, undefined, { signal: stop }).catch(() => stopped.push(item))
  })
  await t.rejects(Array.fromAsync(failing), new Error('one failed'))
  t.strictSame(stopped, [2])
})

void t.test('a progress bar of files that are sent goes by their bytes', async (t) => {
  t.equal(renderProgress({ done: 0, total: 2, bytes: 512, totalBytes: 1024, elapsedMs: 1000 }, 80), '[=============>               ] 0/2 files  512 B of 1.0 KiB  512 B/s  0:01 left')
  t.equal(renderProgress({ done: 1, total: 2, bytes: 0, totalBytes: 0, elapsedMs: 1000 }, 80).startsWith('[====='), true, 'empty files count by their number')
  t.match(renderProgress({ done: 0, total: 1, bytes: 2000, totalBytes: 1000, elapsedMs: 1000 }, 80), '0:00 left', 'a file that grew')
  const stderr = capture(80)
  let now = 0
  const bar = startProgress(createTerminal({ stdout: capture(), stderr, signal: new AbortController().signal }, false), { total: 1, totalBytes: 100, now: () => now })
  now = 1000
  bar.sent(60)
  now = 2000
  bar.sent(-60)
  now = 3000
  bar.sent(100)
  now = 4000
  bar.add(100)
  bar.stop()
  t.match(stderr.said(), /60 B of 100 B[^]* 0 B of 100 B[^]* 100 B of 100 B[^]* 1\/1 files {2}100 B of 100 B/)
})

void t.test('arguments and flags mean the operation that takes them', async (t) => {
  const value = (name: string, required = true, choices?: readonly string[]) => ({ name, type: 'string', required, description: '', ...(choices === undefined ? {} : { choices }) }) as const
  const operation = (name: string, args: readonly string[], flags: readonly ReturnType<typeof value>[] = []) => ({ operation: name, word: 'sign', summary: '', description: '', arguments: args.map((arg) => value(arg)), flags })
  const table = [operation('list', []), operation('get', ['id'], [value('sort', false)]), operation('export', ['id'], [value('form', true, ['a']), value('sort', false)])]
  t.equal(invocationOf(table, [], {}).operation.operation, 'list')
  t.match(invocationOf(table, ['7'], { sort: 'x' }), { operation: { operation: 'get' }, members: { id: '7', sort: 'x' }, files: ['7'] })
  t.match(invocationOf(table, ['7'], { form: 'a' }), { operation: { operation: 'export' }, members: { id: '7', form: 'a' } })
  t.equal(invocationOf(table, ['7', '8'], {}).operation.operation, 'list', 'too many are for the rules to refuse')
  t.throws(() => invocationOf([operation('export', ['id'], [value('key')])], ['7'], {}), new UsageError(['--key is missing']))
  t.throws(() => invocationOf(table, ['7'], { nonsense: 'x' }), new UsageError(['--nonsense does not go with `sign`']))
})

void t.test('a failure is what says nothing about the next file', async (t) => {
  t.equal(failureOf(new Error('x')), undefined)
  t.equal(failureOf('x'), undefined)
})
