import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { formatEntry, formatProof, formatVerifierKey, hashLeaf, makeVerifierKey, signCheckpoint, type LogEntry } from '../../formats/index.ts'
import { loggedSignature, memoryLog, ORIGIN, repeatedLog, type MemoryLog } from '../helpers/memory-log.ts'
import { answerJson, answerProblem, problem, scriptedServer, type ScriptedServer } from '../sdk/scripted-server.ts'
import { abort, capture, flagsFor, sign, type Given, type Said } from './harness.ts'

type Served = Readonly<{ server: ScriptedServer; log: { now: MemoryLog }; here: string; ask: (args: readonly string[], given?: Given) => Promise<Said> }>

/** A server that answers from a log in memory. */
async function serving(t: Test, first: MemoryLog): Promise<Served> {
  const log = { now: first }
  const server = await scriptedServer(t, (response, { url, headers }) => {
    const [path = '', query] = url.split('?')
    const text = (body: string | Buffer, type = 'text/plain; charset=utf-8') => response.writeHead(200, { 'content-type': type }).end(body)
    if (path === '/log/checkpoint') return text(log.now.checkpoint())
    if (path === '/log/key') return text(`${log.now.logKey}\n`)
    if (path === '/log/audit') return answerJson(response, log.now.audit)
    if (path === '/whoami') return answerJson(response, { name: 'bot' })
    if (path.startsWith('/log/tile/')) return text(log.now.tile(path.slice('/log/tile/'.length)), 'application/octet-stream')
    if (headers['accept'] !== 'application/x-ndjson') return answerJson(response, { signatures: log.now.found.slice(0, 1), nextCursor: query?.includes('cursor') === true ? null : '5' })
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    return Readable.from(log.now.found.map((found) => `${JSON.stringify(found)}\n`)).pipe(response)
  })
  const here = t.testdir()
  const flags = await flagsFor(server)
  const ask = async (args: readonly string[], given: Given = {}) => {
    const words = args[0] === 'log' ? 2 : 1
    return await sign([...args.slice(0, words), ...flags, ...args.slice(words)], { cwd: here, home: here, ...given })
  }
  return { server, log, here, ask }
}

void t.test('an audit trusts the key of the log the first time, keeps what it saw, and says in one sentence whether history was rewritten', async (t) => {
  const { server, log, here, ask } = await serving(t, memoryLog(60))
  const kept = join(here, '.local/state/signing-server/log', `localhost_${server.port}.json`)
  const first = await ask(['log', 'audit'])
  t.strictSame([first.status, first.stdout], [0, `nothing is known of its history yet: the log of localhost:${server.port}, with 60 entries, is audited for the first time here\n`])
  t.match(first.stderr, `trusted on first use: the log of localhost:${server.port} has the key ${log.now.logKey}\nhint: compare it with`)
  t.match(JSON.parse(readFileSync(kept, 'utf8')), { logKey: log.now.logKey, checkpoint: log.now.checkpoint(), seenAt: /Z$/ })

  log.now = memoryLog(80)
  t.match(await ask(['log', 'audit']), { status: 0, stdout: /^history was not rewritten: the log of localhost:\d+ has 80 entries and continues the 60 that were seen \S+Z\n$/, stderr: 'compared 79 signatures\n' })
  const json = await ask(['log', 'audit', '--output', 'json'])
  t.match(JSON.parse(json.stdout), { intact: true, history: 'continued', size: 80, previousSize: 80, signatures: 79, sentence: /^history was not rewritten/ })

  log.now.audit = { checkpoint: '', intact: false, findings: [{ table: 'signatures', detail: 'a row\u001b was changed' }] }
  t.match(await ask(['log', 'audit', '--output', 'ndjson']), { status: 1, stdout: /^\{"intact":false,.*\}\n$/ })
  t.match(await ask(['log', 'audit']), { status: 1, stdout: /^database: signatures: a row\\u001b was changed\nhistory was not rewritten: .*, but 1 thing is not as it must be\n$/ })

  const before = readFileSync(kept, 'utf8')
  log.now = memoryLog(70)
  const rewritten = await ask(['log', 'audit'])
  t.match(rewritten, { status: 1, stdout: /^history-rewritten: the log has 70 entries and had 80\nhistory was rewritten: the log of localhost:\d+ is not the one that was seen \S+Z: the log has 70 entries and had 80\n$/ })
  t.match(rewritten.stderr, `hint: keep ${kept}: `)
  t.equal(readFileSync(kept, 'utf8'), before, 'the evidence stays')

  log.now = memoryLog(80, { privateKey: generateKeyPairSync('ed25519').privateKey })
  t.match(await ask(['log', 'audit']), { status: 1, stdout: /^checkpoint-untrusted: [^\n]*\n(?:signature-differs: [^\n]*\n)+history was not rewritten: [^\n]*, but 80 things are not as they must be\n$/ })
  t.equal(readFileSync(kept, 'utf8'), before)
})

void t.test('an audit with --log-key trusts nobody, and reads the key from the command line or a file', async (t) => {
  const { log, here, ask } = await serving(t, memoryLog(10))
  const other = formatVerifierKey(makeVerifierKey(ORIGIN, generateKeyPairSync('ed25519').publicKey))
  writeFileSync(join(here, 'log.pub'), `${log.now.logKey}\n`)
  writeFileSync(join(here, 'nonsense'), 'nonsense')
  const state = { XDG_STATE_HOME: join(here, 'state') }
  const wrong = await ask(['log', 'audit', '--log-key', other], { env: state })
  t.match(wrong, { status: 1, stdout: 'checkpoint-untrusted: ' })
  t.notOk(existsSync(join(here, 'state')), 'nothing is kept of what is not sound')
  for (const key of ['log.pub', log.now.logKey]) {
    const said = await ask(['log', 'audit', '--log-key', key], { env: state })
    t.equal(said.status, 0)
    t.notMatch(said.stderr, 'trusted on first use')
  }
  t.match(await ask(['log', 'audit', '--log-key', 'nonsense']), { status: 2, stderr: 'sign: --log-key: the file nonsense does not hold the key of a log\nhint: a key is one line' })
  t.match(await ask(['log', 'audit', '--log-key', 'not-there']), { status: 2, stderr: "sign: --log-key: 'not-there' is no key of a log, and no file that can be read (ENOENT)\n" })
})

void t.test('a kept state that cannot be used is refused, and one that cannot be written is said', async (t) => {
  const { server, here, ask } = await serving(t, memoryLog(10))
  const folder = join(here, 'state/signing-server/log')
  const env = { XDG_STATE_HOME: join(here, 'state') }
  mkdirSync(folder, { recursive: true })
  const kept = join(folder, `localhost_${server.port}.json`)
  for (const text of ['', 'null', '{}', '{"logKey":1,"checkpoint":"","seenAt":""}']) {
    writeFileSync(kept, text)
    t.match(await ask(['log', 'audit'], { env }), { status: 2, stderr: `sign: ${kept}: is not what an audit keeps\nhint: restore it, or remove it to begin anew` }, text)
  }
  const blocked = join(here, 'blocked')
  writeFileSync(blocked, '')
  t.match(await ask(['log', 'audit'], { env: { XDG_STATE_HOME: blocked } }), { status: 1, stderr: /FILE_UNWRITABLE the directory \S+ cannot be made \(ENOTDIR\)/ })
  const directory = join(here, 'directory/signing-server/log', `localhost_${server.port}.json`)
  mkdirSync(directory, { recursive: true })
  t.match(await ask(['log', 'audit'], { env: { XDG_STATE_HOME: join(here, 'directory') } }), { status: 2, stderr: `sign: ${directory}: cannot be read (EISDIR)\n` })
  t.match(await ask(['log', 'audit'], { env: { XDG_STATE_HOME: 'relative' } }), { status: 0 })
  t.ok(existsSync(join(here, '.local/state/signing-server/log')), 'a relative path is ignored')
})

void t.test('an audit says what it could not read or was not allowed to ask, and shows on a terminal how far it is', async (t) => {
  const log = memoryLog(10)
  let [code, status] = ['OPERATION_DENIED', 403]
  let refused = (url: string): boolean => url.startsWith('/signatures') || url === '/log/audit'
  const server = await scriptedServer(t, (response, { url }) => {
    if (refused(url)) return answerProblem(response, problem(code, status, false))
    if (url === '/whoami') return answerJson(response, { name: 'bot' })
    if (url === '/log/audit') return answerJson(response, log.audit)
    const body = url === '/log/checkpoint' ? log.checkpoint() : url === '/log/key' ? log.logKey : log.tile(url.slice('/log/tile/'.length))
    return response.writeHead(200, { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/octet-stream' }).end(body)
  })
  const here = t.testdir()
  const flags = await flagsFor(server)
  const said = await sign(['log', 'audit', ...flags], { home: here, columns: 80, now: clock() })
  t.match(said, { status: 0, stderr: 'warning: not compared, as this client may not ask for it: findSignatures\nwarning: not compared, as this client may not ask for it: auditLog\n' })
  t.match(said.stderr, '\r10 of 10 entries\u001b[K')
  refused = (url) => url.startsWith('/log/tile/')
  ;[code, status] = ['TILE_NOT_FOUND', 404]
  const unread = await sign(['log', 'audit', ...flags], { home: here, now: clock(20_000) })
  t.match(unread, { status: 1, stdout: /^unreadable: [^\n]*\n(?:unreadable: [^\n]*\n)?it cannot be told whether history was rewritten: the log of localhost:\d+ cannot be read as far as the 10 entries that were seen / })
  t.match(unread.stderr, 'the server compares its database\n', 'where there is no terminal, a line now and then')
  ;[code, status] = ['OPERATION_DENIED', 403]
  t.match(await sign(['log', 'audit', ...flags], { home: here }), { status: 4, stderr: 'sign: OPERATION_DENIED ' })
})

/** A clock that goes on by so much each time it is read. */
function clock(stepMs = 200): () => number {
  let now = 0
  return () => (now += stepMs)
}

void t.test('an audit with very many findings shows a thousand and counts the rest', async (t) => {
  const whole = repeatedLog(formatEntry({ kind: 'start', at: '2026-11-24T09:15:00.000Z', version: '1.0.0' }), 1066)
  const { ask } = await serving(t, { ...whole, tile: (path) => (path.startsWith('0/') ? Buffer.alloc(whole.tile(path).length) : whole.tile(path)) })
  const { stdout, stderr } = await ask(['log', 'audit'])
  t.equal(stdout.split('\n').length, 1002)
  t.match(stderr, 'and 66 more\n')
})

void t.test('checkpoint, key and tiles are printed as they are, or as JSON', async (t) => {
  const { log, here, ask } = await serving(t, memoryLog(3))
  t.match(await ask(['log', 'checkpoint']), { status: 0, stdout: log.now.checkpoint() })
  t.strictSame(JSON.parse((await ask(['log', 'checkpoint', '--output', 'json'])).stdout), { checkpoint: log.now.checkpoint() })
  t.equal((await ask(['log', 'key'])).stdout, `${log.now.logKey}\n`)
  t.equal((await ask(['log', 'key', '--output', 'ndjson'])).stdout, `${JSON.stringify({ logKey: log.now.logKey })}\n`)
  t.match(await ask(['log', 'tile', '0/000.p/3', '--output', 'tile']), { status: 0, stderr: `written: ${join(here, 'tile')}\n` })
  t.strictSame(readFileSync(join(here, 'tile')), log.now.tile('0/000.p/3'))
  t.match(await ask(['log', 'tile', 'entries/000.p/3', '--output', 'tile']), { status: 1, stderr: 'FILE_EXISTS' })
  t.match((await ask(['log', 'tile', 'entries/000.p/3'])).stdout, '"kind":"start"')
})

void t.test('signatures are found as lines for a person, NDJSON, a document or a signature file; a page tells how to go on', async (t) => {
  const log = memoryLog(4)
  const detached = log.found[0]!
  log.found[0] = { ...detached, signature: { ...detached.signature, records: [] } }
  const { server, ask } = await serving(t, log)
  const [, second, third] = log.found
  const at = '2026-11-24T09:15:00.000Z'
  t.equal((await ask(['signatures'])).stdout, [
    `${at}  ${detached.signature.id}  key 1001  for other  Pkg3.bff  sha256 ${detached.signature.sha256}\n`,
    `${at}  ${second!.signature.id}  key 1001  for bot  Pkg2.bff  PkgA: PkgA.rte 1.0.0.0\n`,
    `${at}  ${third!.signature.id}  key 1001  for bot  Pkg1.bff  PkgA: PkgA.rte 1.0.0.0\n`,
  ].join(''))
  t.equal((await ask(['signatures', '--output', 'ndjson', '--keyid', '1001', '--since', at, '--form', 'record'])).stdout, log.found.map((found) => `${JSON.stringify(found)}\n`).join(''))
  t.equal(server.seen.at(-1)?.url, `/signatures?keyid=1001&form=record&since=${encodeURIComponent(at)}`)
  t.strictSame(JSON.parse((await ask(['signatures', '--output', 'json'])).stdout), { signatures: log.found, nextCursor: null })
  t.match((await ask(['signatures', '--output', 'signature-file'])).stdout.split('\n'), ['#package:fileset:vrmf:ftype:keyid:timestamp:signature', /^PkgA:PkgA\.rte:/, /^PkgA:PkgA\.rte:/, ''])
  const page = await ask(['signatures', '--limit', '1'])
  t.match(page, { status: 0, stdout: /^[^\n]*Pkg3\.bff[^\n]*\n$/, stderr: 'hint: there is more, with --cursor 5\n' })
  t.notMatch((await ask(['signatures', '--cursor', '5', '--output', 'json'])).stderr, 'hint')
})

void t.test('a report is whole or not there, and its last line says how many signatures it has', async (t) => {
  const { server, log, here, ask } = await serving(t, memoryLog(200))
  const filters = ['--keyid', '1001', '--client', 'bot', '--since', '2026-11-01T00:00:00Z', '--until', '2026-12-01T00:00:00Z', '--package', 'PkgA']
  const said = await ask(['report', ...filters, '--out', 'report.ndjson'])
  t.match(said, { status: 0, stdout: 'report: 199 signatures of key 1001 for bot with package PkgA since 2026-11-01T00:00:00Z until 2026-12-01T00:00:00Z, each with the receipt that proves it\n', stderr: `written: ${join(here, 'report.ndjson')}\n` })
  const lines = readFileSync(join(here, 'report.ndjson'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as object)
  t.strictSame(lines.slice(0, -1), log.now.found)
  t.strictSame(lines.at(-1), { report: { signatures: 199, server: `localhost:${server.port}`, keyid: '1001', client: 'bot', since: '2026-11-01T00:00:00Z', until: '2026-12-01T00:00:00Z', package: 'PkgA' } })
  t.match(await ask(['report', '--out', 'report.ndjson']), { status: 2, stdout: '', stderr: `sign: ${join(here, 'report.ndjson')} is there already\nhint: name another file, or remove it\n` })
  log.now.found.splice(1)
  const piped = await ask(['report', '--output', 'ndjson'])
  t.match(piped, { status: 0, stderr: 'report: 1 signature, each with the receipt that proves it\n' })
  t.equal(piped.stdout.split('\n').length, 3)
  const broken = await scriptedServer(t, (response, _request, raw) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' }).write(`${JSON.stringify(log.now.found[0])}\n`)
    setTimeout(() => raw.socket.destroy(), 5)
  })
  const stop = new AbortController()
  const cut = sign(['report', ...(await flagsFor(broken)), '--out', 'cut.ndjson'], { cwd: here, stop })
  setTimeout(() => abort(stop, 'interrupted'), 300)
  t.equal((await cut).status, 130)
  t.notOk(existsSync(join(here, 'cut.ndjson')))
  t.match(await ask(['report', '--out', 'no/such/folder']), { status: 1, stderr: 'FILE_UNWRITABLE' })
})

const log = memoryLog(12)
const lines = (values: readonly unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('')

void t.test('proofs and receipts are verified offline, whatever file they come in, a line each', async (t) => {
  const { signature } = log.found[4]!
  const here = t.testdir({
    'log.pub': `${log.logKey}\n`,
    'a.tlog-proof': log.proof(3),
    'signature.json': JSON.stringify(signature, undefined, 2),
    'answer.json': JSON.stringify({ path: '/p', files: [], signatures: { 'x.bff': signature } }, undefined, 2),
    'list.json': JSON.stringify({ signatures: log.found.slice(0, 2), nextCursor: null }),
    'batch.json': JSON.stringify({ items: [{ filename: 'y.bff', signature }, { filename: 'z', problem: {} }], warnings: [] }),
    'events.ndjson': lines([{ event: 'listing', files: [] }, { event: 'signature', name: 'sub/y.bff', signature }, { event: 'end' }]),
    'report.ndjson': lines([...log.found, { report: { signatures: log.found.length } }]),
    'found.ndjson': lines(log.found).trimEnd(),
    'overlap.json': JSON.stringify({ path: '/p', files: [], signatures: { 'x.bff': { ...signature, also: [log.found[3]!.signature, { ...signature, sha256: '00'.repeat(32) }] } } }),
  })
  const run = async (...args: readonly string[]) => await sign(['log', 'verify', '--log-key', 'log.pub', ...args], { cwd: here })
  const proven = `signed 2026-11-24T09:15:00.000Z for bot with key 1001, Pkg7.bff, sha256 ${signature.sha256}, entry 7 of 9 in ${ORIGIN}\n`
  t.strictSame(await run('signature.json'), { status: 0, stdout: `Pkg7.bff: proven ${proven}`, stderr: '' })
  for (const [file, name] of [['answer.json', 'x.bff'], ['batch.json', 'y.bff'], ['events.ndjson', 'sub/y.bff']] as const) {
    t.strictSame(await run(file), { status: 0, stdout: `${name}: proven ${proven}`, stderr: '' }, file)
  }
  t.match(await run('overlap.json'), { status: 1, stdout: /^x\.bff: proven .*\nx\.bff: proven .*\nx\.bff: not proven LOG_ENTRY_DIFFERS / })
  t.match(await run('a.tlog-proof'), { status: 0, stdout: /^a\.tlog-proof: proven signed [^\n]*, entry 3 of 12 in signing\.example\/log\n$/ })
  t.match(await run('list.json', 'report.ndjson', 'found.ndjson'), { status: 0, stderr: 'proven 24 of 24\n' })
  t.match(await run('*.ndjson'), { status: 0, stderr: 'proven 23 of 23\n' }, 'patterns are expanded')
  const json = JSON.parse((await run('--output', 'json', 'signature.json')).stdout) as object
  t.match(json, { proofs: [{ file: 'signature.json', name: 'Pkg7.bff', valid: true, index: 7, treeSize: 9, origin: ORIGIN, entry: { client: 'bot' } }] })
  t.match(await run('--output', 'ndjson', 'a.tlog-proof'), { stdout: /^\{"file":"a\.tlog-proof","name":"a\.tlog-proof","valid":true,.*\}\n$/ })
  const stop = new AbortController()
  abort(stop, 'interrupted')
  t.match(await sign(['log', 'verify', '--log-key', log.logKey, 'found.ndjson'], { cwd: here, stop }), { status: 130 })
})

void t.test('what proves nothing is 1, and it is said why', async (t) => {
  const { client, signature } = log.found[4]!
  const { receipt: _receipt, ...without } = signature
  const table: readonly (readonly [string, string, string])[] = [
    ['changed.json', JSON.stringify({ ...signature, sha256: '00'.repeat(32) }), 'Pkg7.bff: not proven LOG_ENTRY_DIFFERS the entry in the log is another one in sha256\n'],
    ['stranger.ndjson', lines([{ client: `not-${client}`, signature }]), 'Pkg7.bff: not proven LOG_ENTRY_DIFFERS the entry in the log is another one in client\n'],
    ['old.json', JSON.stringify({ signatures: { 'Pkg7.bff': without } }), 'Pkg7.bff: not proven NO_RECEIPT the signature has no receipt\n'],
    ['odd.json', JSON.stringify({ signature: { filename: 'x', receipt: { entry: '', checkpoint: '', path: [1] } } }), 'x: not proven NO_RECEIPT the signature has no receipt\n'],
    ['null.json', '{"signatures":{"x":null}}', 'x: not proven NO_RECEIPT the signature has no receipt\n'],
    ['empty.json', '{}', 'empty.json: not proven NO_RECEIPT there is no signature in it\n'],
    ['nothing', '', 'nothing: not proven NO_RECEIPT there is no signature in it\n'],
    ['text', 'hello\n', 'text: not proven NOT_UNDERSTOOD it is neither a proof of a log nor JSON\n'],
    ['number.json', '7', 'number.json: not proven NOT_UNDERSTOOD it is neither a proof of a log nor JSON\n'],
    ['broken.ndjson', `${lines([log.found[4]])}{"client":`, 'broken.ndjson: not proven NOT_UNDERSTOOD it is neither a proof of a log nor JSON\n'],
    ['short.ndjson', lines([log.found[4], { report: { signatures: 2 } }]), 'short.ndjson: not proven INCOMPLETE the report says that it has 2 signatures, and it has 1\n'],
    ['cut.tlog-proof', log.proof(3).slice(0, 100), 'cut.tlog-proof: not proven LOG_PROOF_MALFORMED '],
  ]
  const here = t.testdir(Object.fromEntries(table.map(([name, text]) => [name, text])))
  for (const [name, , want] of table) {
    const { status, stdout } = await sign(['log', 'verify', '--log-key', log.logKey, name], { cwd: here })
    t.equal(status, 1, name)
    t.ok(stdout.endsWith(want) || stdout.startsWith(want), `${name}: ${stdout}`)
  }
  t.match(await sign(['log', 'verify', '--log-key', log.logKey, 'not-there'], { cwd: here }), { status: 1, stderr: 'not-there: FILE_UNREADABLE there is no such file\nhint: check the spelling' })
  t.match(await sign(['log', 'verify', '--log-key', log.logKey, '.'], { cwd: here }), { status: 1, stderr: '.: FILE_UNREADABLE the file cannot be read (EISDIR)\n' })
  const bad = Object.assign(capture(), { write: () => { throw new Error('no output') } })
  await t.rejects(sign(['log', 'verify', '--log-key', log.logKey, 'changed.json'], { cwd: here, stdout: bad }), new Error('no output'))
})

void t.test('a proof of any entry is told in words', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const logKey = formatVerifierKey(makeVerifierKey(ORIGIN, publicKey))
  const at = '2026-11-24T09:15:00.000Z'
  const [spki, sha256] = ['ab'.repeat(32), '0f'.repeat(32)]
  const { records: _records, replayed: _replayed, signedAt: _signedAt, ...made } = loggedSignature(1)
  const table: readonly (readonly [LogEntry, string])[] = [
    [{ kind: 'start', at, version: '1.0.0' }, `start of version 1.0.0 ${at}`],
    [{ kind: 'stop', at }, `stop ${at}`],
    [{ kind: 'configuration', at, sha256 }, `configuration of ${at}, sha256 ${sha256}`],
    [{ kind: 'key', at, keyid: '1001', change: 'added', spkiSha256: sha256 }, `key 1001 added ${at}, spki sha256 ${sha256}`],
    [{ kind: 'refusal', at, client: 'bot', spki, operation: 'sign', code: 'PATH_OUTSIDE_ROOTS' }, `refused ${at} sign of bot, PATH_OUTSIDE_ROOTS`],
    [{ kind: 'refusal', at, spki, operation: 'sign', code: 'CLIENT_UNKNOWN' }, `refused ${at} sign of spki ${spki}, CLIENT_UNKNOWN`],
    [{ kind: 'failure', at, client: 'bot', spki, code: 'SIGNER_FAILED' }, `failed ${at} signing for bot, SIGNER_FAILED`],
    [{ ...made, kind: 'signature', at, client: 'bot', spki, records: [], replaces: made.id }, `signed ${at} for bot with key 1001, Pkg1.bff, sha256 ${made.sha256}, in place of ${made.id}`],
  ]
  const here = t.testdir()
  for (const [place, [entry, want]] of table.entries()) {
    const bytes = formatEntry(entry)
    writeFileSync(join(here, `${place}`), formatProof({ extra: bytes, index: 0, path: [], checkpoint: signCheckpoint({ origin: ORIGIN, size: 1, root: hashLeaf(bytes), extensions: [] }, privateKey) }))
    t.equal((await sign(['log', 'verify', '--log-key', logKey, `${place}`], { cwd: here })).stdout, `${place}: proven ${want}, entry 0 of 1 in ${ORIGIN}\n`)
  }
})
