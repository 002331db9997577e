import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerResponse } from 'node:http'
import { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import type { SignEvent } from '../../sdk/index.ts'
import { parseSignatureFile } from '../../formats/index.ts'
import { answerJson, answerProblem, problem, scriptedServer } from '../sdk/scripted-server.ts'
import { abort, answerEvents, capture, flagsFor, sign, signature, type Given, type Said } from './harness.ts'
import { packageFolder, SIGNED, signAnswer } from './package-folder.ts'

const DIR = '/export/nim/lpp_source/installp/ppc'
const FILES = ['.toc', 'PkgA.1.0.0.0.bff', 'PkgB.7.3.2.1.U', 'broken.bff']
const RECORD_A = '{"keyid": "1001", "package": "PkgA", "timestamp": "1375425475", "fileset": "PkgA.rte", "ftype": "I", "vrmf": "1.0.0.0", "signature": "QUJD"}'
const B = { package: 'PkgB', keyid: '1001', timestamp: '1375425476', ftype: 'S', vrmf: '7.3.2.1', signature: 'REVG' }
const PKG_B = signature({ filename: 'PkgB.7.3.2.1.U', sizeBytes: 7168, records: [{ ...B, fileset: 'PkgB.rte' }, { ...B, fileset: 'PkgB.msg.en_US' }] })
const LINES_B = ['PkgB.rte', 'PkgB.msg.en_US'].map((fileset) => `PkgB.7.3.2.1.U: {"keyid": "1001", "package": "PkgB", "timestamp": "1375425476", "fileset": "${fileset}", "ftype": "S", "vrmf": "7.3.2.1", "signature": "REVG"}\n`).join('')
const MALFORMED = { ...problem('PACKAGE_MALFORMED', 422, false), detail: 'the package is cut off', hint: 'Build the package again.' } as unknown as Extract<SignEvent, { event: 'failure' }>['problem']

const LISTING: SignEvent = { event: 'listing', kind: 'directory', path: DIR, files: FILES }
/** As files finish: B before A. */
const RUN: readonly SignEvent[] = [
  LISTING,
  { event: 'signature', name: 'PkgB.7.3.2.1.U', signature: PKG_B },
  { event: 'failure', name: 'broken.bff', problem: MALFORMED },
  { event: 'skipped', name: '.toc', reason: 'TOC' },
  { event: 'signature', name: 'PkgA.1.0.0.0.bff', signature: signature() },
  { event: 'end', signed: 2, failed: 1, skipped: 1 },
]
const HEADING = `List of files in ${DIR}:\n.toc\nPkgA.1.0.0.0.bff\nPkgB.7.3.2.1.U\nbroken.bff\n\n`
const TEXT = `${HEADING}PkgA.1.0.0.0.bff: ${RECORD_A}\n${LINES_B}`

/** Runs `sign` against a server that answers once with these events, or as the script says. */
async function signAgainst(t: Test, script: readonly SignEvent[] | ((response: ServerResponse) => unknown), args: readonly string[], given: Given = {}): Promise<Said & { body: unknown; port: number }> {
  const server = await scriptedServer(t, (response) => (typeof script === 'function' ? script(response) : answerEvents(response, script)))
  const said = await sign([...(await flagsFor(server)), ...args], given)
  return { ...said, body: JSON.parse(server.seen[0]?.body ?? 'null') as unknown, port: server.port }
}

void t.test('a directory prints its listing and the records in its order, byte for byte as the service always has', async (t) => {
  const { status, stdout, stderr, body, port } = await signAgainst(t, RUN, [DIR])
  t.equal(stdout, TEXT)
  t.equal(stderr, [
    `connected to localhost:${port}`,
    '.toc: TOC a table of contents is not signed',
    'broken.bff: PACKAGE_MALFORMED the package is cut off',
    'hint: build the package again.',
    'request id: 6d9c6f0e-5a3c-4b8f-9a38-1f1f6a9b8f11',
    'signed 2 of 4 files, failed 1, skipped 1',
    'connection ended',
    '',
  ].join('\n'))
  t.equal(status, 1)
  t.strictSame(body, { path: DIR })
})

void t.test('skips alone are success, and a warning of the server is passed on', async (t) => {
  const { status, stdout, stderr } = await signAgainst(t, [
    { event: 'listing', kind: 'directory', path: DIR, files: ['.toc', 'new'] },
    { event: 'skipped', name: '.toc', reason: 'TOC' },
    { event: 'skipped', name: 'new', reason: 'A_LATER_REASON' as 'TOC' },
    { event: 'warning', warning: { code: 'NO_PACKAGES', detail: 'the directory has no package' } },
    { event: 'end', signed: 0, failed: 0, skipped: 2 },
  ], [DIR])
  t.equal(status, 0)
  t.equal(stdout, `List of files in ${DIR}:\n.toc\nnew\n\n`)
  t.match(stderr, '\nnew: A_LATER_REASON not signed\nwarning: NO_PACKAGES the directory has no package\nsigned 0 of 2 files, failed 0, skipped 2\n')
})

void t.test('a single file prints its path and its records', async (t) => {
  const here = t.testdir({ 'PkgA.1.0.0.0.bff': 'x' })
  const path = `${here}/PkgA.1.0.0.0.bff`
  const { status, stdout, stderr, port } = await signAgainst(t, [
    { event: 'listing', kind: 'file', path, files: ['PkgA.1.0.0.0.bff'] },
    { event: 'signature', name: 'PkgA.1.0.0.0.bff', signature: signature() },
    { event: 'end', signed: 1, failed: 0, skipped: 0 },
  ], ['PkgA.1.0.0.0.bff'], { cwd: here })
  t.equal(stdout, `File to be signed: ${path}\n\nPkgA.1.0.0.0.bff: ${RECORD_A}\n`)
  t.equal(stderr, `connected to localhost:${port}\nconnection ended\n`)
  t.equal(status, 0)
})

void t.test('a directory of one name has the heading of a directory, whatever the name', async (t) => {
  const path = '/nowhere/PkgA'
  const events: SignEvent[] = [{ event: 'listing', kind: 'directory', path, files: ['PkgA'] }, { event: 'skipped', name: 'PkgA', reason: 'NOT_A_PACKAGE' }, { event: 'end', signed: 0, failed: 0, skipped: 1 }]
  t.equal((await signAgainst(t, events, [path])).stdout, `List of files in ${path}:\nPkgA\n\n`)
})

void t.test('a detached signature prints keyid, digest and signature', async (t) => {
  const events: SignEvent[] = [{ event: 'listing', kind: 'directory', path: DIR, files: ['fix.epkg.Z', 'x'] }, { event: 'signature', name: 'fix.epkg.Z', signature: signature({ records: [], sha256: 'ab'.repeat(32) }) }, { event: 'skipped', name: 'x', reason: 'DIRECTORY' }, { event: 'end', signed: 1, failed: 0, skipped: 1 }]
  const { stdout } = await signAgainst(t, events, [DIR])
  t.equal(stdout.split('\n\n')[1], `fix.epkg.Z: {"keyid": "1001", "sha256": "${'ab'.repeat(32)}", "signature": "QUJD"}\n`)
  const { status, stdout: file } = await signAgainst(t, events, [DIR, '--output', 'signature-file'])
  t.strictSame([status, file], [0, ''], 'it has no line in a signature file')
})

void t.test('control characters of names reach no terminal raw, in any form', async (t) => {
  const name = 'a\u001b[2J\nb\u009b\u202e.bff'
  const hostile: SignEvent[] = [
    { event: 'listing', kind: 'directory', path: `${DIR}\u0007`, files: [name, 'f\u001b'] },
    { event: 'signature', name, signature: signature() },
    { event: 'failure', name: 'f\u001b', problem: { ...MALFORMED, detail: 'bad \u001b[31m', hint: 'Do \u0008.' } },
    { event: 'end', signed: 1, failed: 1, skipped: 0 },
  ]
  const safe = 'a\\u001b[2J\\u000ab\\u009b\\u202e.bff'
  for (const form of ['text', 'json', 'ndjson', 'signature-file']) {
    const { stdout, stderr } = await signAgainst(t, hostile, [DIR, '--output', form])
    t.notMatch(stdout + stderr, /[^\P{Control}\n]|\u202e/u, form)
    if (form === 'text') t.equal(stdout, `List of files in ${DIR}\\u0007:\n${safe}\nf\\u001b\n\n${safe}: ${RECORD_A}\n`)
    if (form === 'json') t.ok(Object.hasOwn((JSON.parse(stdout) as { signatures: object }).signatures, name), 'JSON means the very name')
    t.match(stderr, 'f\\u001b: PACKAGE_MALFORMED bad \\u001b[31m\n')
    t.match(stderr, 'hint: do \\u0008.\n')
  }
})

void t.test('--output json is the one document of the API', async (t) => {
  const hostile: SignEvent = { event: 'listing', kind: 'directory', path: DIR, files: [...FILES, '__proto__'] }
  const warning = { code: 'SIGNATURE_UNVERIFIED', detail: 'not known' } as const
  const events: SignEvent[] = [hostile, ...RUN.slice(1, -1), { event: 'skipped', name: '__proto__', reason: 'NOT_A_PACKAGE' }, { event: 'warning', warning }, { event: 'end', signed: 2, failed: 1, skipped: 2 }]
  const { status, stdout } = await signAgainst(t, events, [DIR, '--output=json'])
  const skipped = JSON.parse('{ ".toc": "TOC", "__proto__": "NOT_A_PACKAGE" }') as object
  t.strictSame(JSON.parse(stdout), { path: DIR, files: [...FILES, '__proto__'], signatures: { 'PkgA.1.0.0.0.bff': signature(), 'PkgB.7.3.2.1.U': PKG_B }, failures: { 'broken.bff': MALFORMED }, skipped, warnings: [warning] })
  t.ok(Object.hasOwn((JSON.parse(stdout) as { skipped: object }).skipped, '__proto__'))
  t.equal(status, 1)
})

void t.test('--output ndjson is the events as they come', async (t) => {
  const { stdout } = await signAgainst(t, RUN, [DIR], { env: { SIGN_OUTPUT: 'ndjson' } })
  t.equal(stdout, RUN.map((event) => `${JSON.stringify(event)}\n`).join(''))
})

void t.test('in a key overlap the records of both keys are printed', async (t) => {
  const also = [signature({ keyid: '1002', records: [{ ...signature().records[0]!, keyid: '1002', signature: 'REVG' }] })]
  const run = RUN.map((event) => (event.event === 'signature' && event.name.startsWith('PkgA') ? { ...event, signature: signature({ also }) } : event))
  t.equal((await signAgainst(t, run, [DIR])).stdout, TEXT.replace(RECORD_A, `${RECORD_A}\nPkgA.1.0.0.0.bff: ${RECORD_A.replace('1001', '1002').replace('QUJD', 'REVG')}`))
  const { stdout } = await signAgainst(t, run, [DIR, '--output', 'signature-file'])
  t.strictSame(parseSignatureFile(stdout).map(({ keyid, fileset }) => [keyid, fileset]).slice(0, 2), [['1001', 'PkgA.rte'], ['1002', 'PkgA.rte']])
  t.match(JSON.parse((await signAgainst(t, run, [DIR, '--output', 'json'])).stdout), { signatures: { 'PkgA.1.0.0.0.bff': { also: [{ keyid: '1002' }] } } })
})

void t.test('--output signature-file is a signature file that reads back', async (t) => {
  const { stdout } = await signAgainst(t, RUN, [DIR, '--output', 'signature-file'])
  t.equal(stdout, '#package:fileset:vrmf:ftype:keyid:timestamp:signature\nPkgA:PkgA.rte:1.0.0.0:I:1001:1375425475:QUJD\nPkgB:PkgB.rte:7.3.2.1:S:1001:1375425476:REVG\nPkgB:PkgB.msg.en_US:7.3.2.1:S:1001:1375425476:REVG\n')
  t.strictSame(parseSignatureFile(stdout).map(({ fileset }) => fileset), ['PkgA.rte', 'PkgB.rte', 'PkgB.msg.en_US'])
  const records = [{ ...signature().records[0]!, fileset: 'a:b' }]
  const { status, stderr } = await signAgainst(t, [{ event: 'listing', kind: 'directory', path: DIR, files: ['x', 'y'] }, { event: 'signature', name: 'x', signature: signature({ records }) }], [DIR, '--output', 'signature-file'])
  t.equal(status, 3, 'a record that would not read back is no answer')
  t.match(stderr, 'sign: answer not understood: the server sent a signature record that is none: ')
})

void t.test('the flags of the operation reach the server, and SIGN_KEYID stands in for --keyid', async (t) => {
  t.strictSame((await signAgainst(t, RUN, ['--recursive', '--keyid', '7', '.'], { cwd: DIR })).body, { path: DIR, recursive: true, keyid: '7' })
  t.strictSame((await signAgainst(t, RUN, [], { cwd: DIR, env: { SIGN_KEYID: '1001' } })).body, { path: DIR, keyid: '1001' })
  t.strictSame((await signAgainst(t, RUN, ['./keys'], { cwd: DIR })).body, { path: `${DIR}/keys` })
})

void t.test('without a path the directory of the person is signed, under npm run too', async (t) => {
  for (const [env, path] of [
    [{ INIT_CWD: DIR }, DIR],
    [{ INIT_CWD: DIR, npm_package_json: '/checkout/package.json' }, DIR],
    [{ INIT_CWD: DIR, npm_package_json: '/elsewhere/package.json' }, '/checkout'],
    [{ INIT_CWD: 'relative' }, '/checkout'],
  ] as const) t.strictSame((await signAgainst(t, RUN, [], { cwd: '/checkout', env })).body, { path }, JSON.stringify(env))
})

void t.test('a single file that is not signed is 1 as in a directory, a request that is refused is 4', async (t) => {
  const answer = (code: string, members: object = {}) => (response: ServerResponse) => answerProblem(response, Object.assign(problem(code, 422, false), { detail: 'the sentence', hint: 'GET help.' }, members))
  for (const code of ['NOT_A_PACKAGE', 'DSB_STACKED', 'FILE_CHANGED', 'FILE_TOO_LARGE', 'SIGNER_TIMEOUT', 'SIGNATURE_INVALID', 'STORE_FAILED', 'STORAGE_FULL']) {
    const { status, stdout, stderr } = await signAgainst(t, answer(code), [`${DIR}/PkgA.bff`])
    t.strictSame([status, stdout], [1, ''], code)
    t.match(stderr, `\nPkgA.bff: ${code} the sentence\nhint: GET help.\nrequest id: 6d9c6f0e-5a3c-4b8f-9a38-1f1f6a9b8f11\nconnection ended\n`)
  }
  for (const code of ['CLIENT_UNKNOWN', 'OPERATION_DENIED', 'PATH_OUTSIDE_ROOTS', 'KEYID_REQUIRED', 'KEY_NOT_AVAILABLE', 'REQUEST_INVALID', 'DIRECTORY_TOO_LARGE', 'INTERNAL']) {
    const { status, stdout, stderr } = await signAgainst(t, answer(code), [DIR])
    t.strictSame([status, stdout], [4, ''], code)
    t.match(stderr, `\nsign: ${code} the sentence\n`)
  }
  const { stderr } = await signAgainst(t, answer('KEYID_REQUIRED', { errors: [{ pointer: '/keyid', detail: 'is missing' }] }), [DIR])
  t.match(stderr, '\n  /keyid: is missing\nhint: name the key with --keyid; `sign keys` lists the keys of this client\n')
})

void t.test('records are printed when their turn comes, long before the run ends', async (t) => {
  const answered = Promise.withResolvers<void>()
  const proceed = Promise.withResolvers<void>()
  const stdout = capture()
  const server = await scriptedServer(t, async (response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    const write = (events: readonly SignEvent[]) => response.write(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
    write(RUN.slice(0, 4))
    answered.resolve()
    await proceed.promise
    write(RUN.slice(4))
    response.end()
  })
  const running = sign([...(await flagsFor(server)), DIR], { stdout })
  await answered.promise
  while (!stdout.said().includes('\n\n')) await sleep(5)
  t.equal(stdout.said(), HEADING, 'B waits for A')
  proceed.resolve()
  t.equal((await running).status, 1)
  t.equal(stdout.said(), TEXT)
})

void t.test('a run whose answer was cut off goes on, and prints what it would have printed', async (t) => {
  let asked = 0
  const { stdout, status } = await signAgainst(t, (response) => answerEvents(response, (asked += 1) === 1 ? RUN.slice(0, 4) : RUN), [DIR])
  t.strictSame([status, stdout, asked], [1, TEXT, 2])
})

void t.test('--force, --resign and --idempotency-key go where the request goes, by path, sent and by digest', async (t) => {
  const here = packageFolder(t)
  const server = await scriptedServer(t, (response, { headers, body }) => {
    response.setHeader('idempotent-replayed', 'true')
    if (headers['content-type'] === 'application/octet-stream') return answerJson(response, signAnswer())
    if (body.includes('"items"')) return answerJson(response, { items: [{ filename: 'PkgA.bff', signature: SIGNED }], warnings: [] })
    return answerEvents(response, RUN)
  })
  const flags = await flagsFor(server)
  const anew = ['--force', '--resign', '--idempotency-key', 'build-17']
  const said = await sign([...flags, ...anew, DIR])
  t.match(said.stderr, 'this is the answer of an earlier run with the same --idempotency-key\n')
  t.match(await sign([...flags, ...anew, '--upload', 'PkgA.bff'], { cwd: here }), { status: 0 })
  t.match(await sign([...flags, ...anew, '--digest', 'PkgA.bff'], { cwd: here }), { status: 0 })
  t.match(server.seen.map(({ headers }) => headers['idempotency-key']), Array(3).fill('"build-17"'))
  t.match(JSON.parse(server.seen[0]!.body), { force: true, resign: true })
  t.equal(server.seen[1]!.url, '/sign?filename=PkgA.bff&force=true&resign=true')
  t.match(JSON.parse(server.seen[2]!.body), { force: true, resign: true, items: [{ filename: 'PkgA.bff' }] })
  t.match(await sign([...flags, '--idempotency-key', 'k', '--upload', '*.bff'], { cwd: here }), { status: 2, stderr: 'sign: --idempotency-key goes with one file: each file is a request of its own\n' })
})

void t.test('an answer that is cut off prints what was signed, and is 3', async (t) => {
  // Asked for again, the directory is another one by then; where it is the same, the run goes on.
  const cutOff = () => {
    let asked = 0
    return (response: ServerResponse) => answerEvents(response, (asked += 1) === 1 ? RUN.slice(0, 4) : [{ ...LISTING, files: [] }])
  }
  const { status, stdout, stderr } = await signAgainst(t, cutOff(), [DIR])
  t.equal(status, 3)
  t.equal(stdout, HEADING + LINES_B)
  t.match(stderr, '\nbroken.bff: PACKAGE_MALFORMED the package is cut off\ncut off: signed 1 of 4 files, failed 1, skipped 1\nsign: answer cut off: ')
  const live = await signAgainst(t, cutOff(), [DIR], { columns: 80 })
  t.match(live.stderr, 'cut off: signed 1 of 4 files')
  t.notMatch(live.stderr.slice(live.stderr.indexOf('cut off: ')), '\r', 'the bar is gone')
  const first = await signAgainst(t, RUN.slice(1), [DIR])
  t.strictSame([first.status, first.stdout], [3, ''])
  t.match(first.stderr, 'sign: answer not understood: the answer does not begin with the listing\n')
})

void t.test('Ctrl-C ends the run, says what was signed so far, and is 130', async (t) => {
  const stop = new AbortController()
  const stdout = capture()
  const server = await scriptedServer(t, (response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.write(RUN.slice(0, 2).map((event) => `${JSON.stringify(event)}\n`).join(''))
    setTimeout(() => abort(stop, 'interrupted'), 50)
  })
  const { status, stderr } = await sign([...(await flagsFor(server)), DIR], { stop, stdout })
  t.equal(status, 130)
  t.equal(stdout.said(), HEADING + LINES_B)
  t.equal(stderr, `connected to localhost:${server.port}\ncut off: signed 1 of 4 files, failed 0, skipped 0\nsign: interrupted\nhint: repeat the command to sign the rest\nconnection ended\n`)
})

void t.test('a reader that goes away, as head does, ends the run quietly with 141', async (t) => {
  const stop = new AbortController()
  // Takes one piece, never says that it has room again, and is gone.
  const stdout = new Writable({ highWaterMark: 1, write: () => setTimeout(() => abort(stop, 'output-closed'), 10) })
  const { status, stderr, port } = await signAgainst(t, RUN, [DIR], { stop, stdout })
  t.equal(status, 141)
  t.equal(stderr, `connected to localhost:${port}\nconnection ended\n`)
})

void t.test('--quiet leaves failures, warnings and hints alone on stderr', async (t) => {
  const { stdout, stderr } = await signAgainst(t, RUN, ['--quiet', DIR], { columns: 80 })
  t.equal(stdout, TEXT)
  t.equal(stderr, 'broken.bff: PACKAGE_MALFORMED the package is cut off\nhint: build the package again.\nrequest id: 6d9c6f0e-5a3c-4b8f-9a38-1f1f6a9b8f11\n')
})

void t.test('a directory shows its progress on a terminal, and leaves none of it there', async (t) => {
  const { stdout, stderr } = await signAgainst(t, RUN, [DIR], { columns: 100 })
  t.equal(stdout, TEXT)
  t.match(stderr, /^connected to localhost:\d+\n\r\[ +\] 0\/4 files {2}0 B {2}/)
  t.match(stderr, '\r\u001b[K.toc: TOC a table of contents is not signed\n\r[', 'the bar makes room for a line and comes back')
  t.match(stderr, 'left\u001b[K\r\u001b[Khint: build the package again.\n')
  t.notMatch(stderr.slice(stderr.indexOf('hint: ')), '\r', 'nothing is drawn after the run')
})
