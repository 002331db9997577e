import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { createClient, verifyReceipt, type FoundSignature } from '../../sdk/index.ts'
import { sign as signWith, type Said } from '../cli/harness.ts'
import { count, needsFull } from '../helpers/full-size.ts'
import { putPackages } from '../helpers/packages.ts'
import { testPki } from '../helpers/pki.ts'
import type { Place } from '../helpers/place.ts'
import { startServer, type TestServer } from '../helpers/server.ts'

const { clients } = await testPki()
const { cert, key, ca, certPath, keyPath, caPath } = clients['release-bot']

type Bench = Readonly<{ server: TestServer; home: string; sign: (...args: readonly string[]) => Promise<Said> }>

/** Starts a server with `names` signed, and what runs `sign` against it; the port stays over a restart. */
async function bench(t: Test, { place, port = 0 }: Readonly<{ place?: Place; port?: number }> = {}): Promise<Bench> {
  const server = await startServer(t, { ...(place === undefined ? {} : { place }), config: { listen: { host: '127.0.0.1', port, browserPort: 0 } } })
  const home = server.folder
  const flags = ['--port', String(server.port), '--cert', certPath, '--key', keyPath, '--ca', caPath]
  const run = async (...args: readonly string[]) => {
    const words = args.slice(0, args[0] === 'log' ? 2 : 1)
    const isWord = ['log', 'report', 'signatures', 'export'].includes(args[0] ?? '')
    const isLocal = words.join(' ') === 'log verify'
    return await signWith(isLocal ? args : isWord ? [...words, ...flags, ...args.slice(words.length)] : [...flags, ...args], { cwd: server.folder, home, env: { XDG_STATE_HOME: join(home, 'state') } })
  }
  return { server, home, sign: run }
}

void t.test('what was signed is found, reported and exported with proofs, which are verified offline', { skip: needsFull }, async (t) => {
  const { server, sign } = await bench(t)
  putPackages(server.root, 3)
  t.match(await sign(server.root), { status: 0 })
  const text = await sign('signatures')
  t.match(text, { status: 0, stdout: /^(?:\d{4}-\S+Z {2}\S{36} {2}key 1001 {2}for release-bot {2}Pkg\d+\S* {2}Pkg\d+: Pkg\d+\.rte 1\.0\.0\.0\n){3}$/ })
  const lines = (await sign('signatures', '--output', 'ndjson')).stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as FoundSignature)
  t.equal(lines.length, 3)
  const page = await sign('signatures', '--limit', '2', '--output', 'json')
  const { signatures, nextCursor } = JSON.parse(page.stdout) as { signatures: object[]; nextCursor: string }
  t.strictSame(signatures, lines.slice(0, 2))
  t.match((await sign('signatures', '--cursor', nextCursor, '--output', 'ndjson')).stdout, lines[2]!.signature.id)
  t.match(await sign('signatures', '--package', 'Pkg0001', '--keyid', '1001', '--client', 'release-bot', '--form', 'record', '--format', 'installp'), { stdout: /^\S+ {2}\S+ {2}key 1001 {2}for release-bot {2}Pkg0001\S* {2}[^\n]+\n$/ })
  t.match(await sign('signatures', '--until', '2020-01-01T00:00:00Z'), { status: 0, stdout: '' })
  t.match((await sign('signatures', '--output', 'signature-file')).stdout.split('\n').length, 5)

  const logKey = await sign('log', 'key')
  t.match(logKey, { status: 0, stdout: /^signing-server\/log\+[0-9a-f]{8}\+\S{44}\n$/ })
  writeFileSync(join(server.folder, 'log.pub'), logKey.stdout)
  t.match(await sign('log', 'checkpoint'), { status: 0, stdout: /^signing-server\/log\n\d+\n\S{44}\n\n\u2014 signing-server\/log \S+\n$/ })
  for (const found of lines) t.match(verifyReceipt(found.signature, logKey.stdout), { valid: true, entry: { client: 'release-bot' } })

  const report = await sign('report', '--keyid', '1001', '--since', '2020-01-01T00:00:00Z', '--out', 'report.ndjson')
  t.match(report, { status: 0, stdout: 'report: 3 signatures of key 1001 since 2020-01-01T00:00:00Z, each with the receipt that proves it\n' })
  const { id } = lines[0]!.signature
  t.match(await sign('export', id, '--form', 'proof', '--output', 'a.tlog-proof'), { status: 0 })
  writeFileSync(join(server.folder, 'signed.json'), (await sign('--output', 'json', server.root)).stdout)
  writeFileSync(join(server.folder, 'signed.ndjson'), (await sign('--output', 'ndjson', server.root)).stdout)
  writeFileSync(join(server.folder, 'one.json'), (await sign('signatures', id, '--output', 'json')).stdout)
  const verified = await sign('log', 'verify', '--log-key', 'log.pub', 'a.tlog-proof', 'report.ndjson', 'signed.json', 'signed.ndjson', 'one.json')
  t.match(verified, { status: 0, stderr: 'proven 11 of 11\n' })
  t.match(verified.stdout, /^a\.tlog-proof: proven signed \S+ for release-bot with key 1001, Pkg\d+\S*, sha256 [0-9a-f]{64}, entry \d+ of \d+ in signing-server\/log\n/)
  t.match(await sign('log', 'tile', 'entries/000.p/1'), { status: 0, stdout: '"kind":"' })
})

void t.test('an idempotency key on the command line names the request, and --force signs again', { skip: needsFull }, async (t) => {
  const { server, sign } = await bench(t)
  putPackages(server.root, 2)
  const first = await sign('--idempotency-key', 'build-17', server.root)
  const second = await sign('--idempotency-key', 'build-17', server.root)
  t.match([first, second], [{ status: 0 }, { status: 0, stderr: 'this is the answer of an earlier run with the same --idempotency-key\n' }])
  t.equal(second.stdout, first.stdout)
  t.match(await sign('--idempotency-key', 'build-17', '--recursive', server.root), { status: 4, stderr: 'sign: IDEMPOTENCY_KEY_REUSED ' })
  const ids = async (): Promise<number> => (await sign('signatures')).stdout.trimEnd().split('\n').length
  t.equal(await ids(), 2)
  t.match(await sign(server.root), { status: 0 })
  t.equal(await ids(), 2, 'the same content is signed once')
  t.match(await sign('--force', join(server.root, readdirSync(server.root)[0]!)), { status: 0 })
  t.equal(await ids(), 3)
})

void t.test('a client whose server is killed in the middle gets each event once, from the server that comes back', { skip: needsFull }, async (t) => {
  const { server } = await bench(t)
  putPackages(server.root, 40)
  await using client = createClient({ baseUrl: server.url, ca, cert, key, retry: { tries: 20 } })
  const names: string[] = []
  let back: Promise<unknown> | undefined
  for await (const event of client.signEvents({ path: server.root })) {
    if (event.event !== 'signature') continue
    names.push(event.name)
    if (names.length !== 5) continue
    server.process.kill('SIGKILL')
    back = server.exited.then(async () => await bench(t, { place: server, port: server.port }))
    back.catch((error: unknown) => t.fail('the server did not come back', { error }))
  }
  await back
  t.ok(back !== undefined)
  t.strictSame(names.toSorted(), readdirSync(server.root).toSorted())
})

type Tampering = readonly [name: string, change: (db: DatabaseSync) => void, sentence: RegExp, finding: RegExp]

const NEWEST = 'leaf_index = (SELECT max(leaf_index) FROM signatures)'

void t.test('an audit says what somebody did to the database while the server was stopped', { skip: needsFull }, async (t) => {
  let { server, sign } = await bench(t)
  const { folder, root, port } = server
  putPackages(root, 4)
  await sign(root)
  const first = await sign('log', 'audit')
  t.match(first, { status: 0, stdout: /^nothing is known of its history yet: the log of localhost:\d+, with \d+ entries, is audited for the first time here\n$/, stderr: /trusted on first use: the log of localhost:\d+ has the key signing-server\/log\+/ })
  const kept = join(folder, 'state/signing-server/log', `localhost_${port}.json`)
  t.ok(existsSync(kept))
  const seen = readFileSync(kept)
  const restart = async (change: () => void): Promise<void> => {
    await server.stop()
    change()
    ;({ server, sign } = await bench(t, { place: server, port }))
  }
  const [database, files] = [join(folder, 'signing.db'), () => readdirSync(folder).filter((name) => name.startsWith('signing.db'))]
  let saved: readonly (readonly [string, Buffer])[] = []
  await restart(() => (saved = files().map((name) => [name, readFileSync(join(folder, name))])))
  const again = await sign('log', 'audit')
  t.match(again, { status: 0, stdout: /^history was not rewritten: the log of localhost:\d+ has \d+ entries and continues the \d+ that were seen \S+Z\n$/ })
  t.notMatch(again.stderr, 'trusted on first use')

  // The state of this machine goes with that of the database, which is put back again and again.
  const put = (change: (db: DatabaseSync) => void): void => {
    for (const name of files()) rmSync(join(folder, name))
    for (const [name, bytes] of saved) writeFileSync(join(folder, name), bytes)
    writeFileSync(kept, seen)
    const db = new DatabaseSync(database)
    db.exec('PRAGMA foreign_keys = OFF')
    change(db)
    db.close()
  }
  const notRewritten = /^history was not rewritten: [^\n]+, but \d+ things? (?:is|are) not as (?:it|they) must be\n$/m
  const tamperings: readonly Tampering[] = [
    ['a signature is edited and another one deleted', (db) => db.exec(`UPDATE signatures SET filename = 'other.bff' WHERE ${NEWEST}; DELETE FROM signatures WHERE NOT ${NEWEST} AND leaf_index % 2 = 0`), notRewritten,
      /^signature-differs: the signature \S+ is not what entry \d+ says: filename\nsignature-missing: the signature \S+ of entry \d+ is missing in the catalogue\n(?:signature-missing: .*\n)*database: signatures: /],
    ['an entry of the log is edited', (db) => db.exec("UPDATE log_leaves SET entry = replace(entry, 'release-bot', 'nobody') WHERE leaf_index = 4"), /^history was rewritten: /m, /^tile-differs: entry 4 is not the one that the tree was made of\nroot-differs: /],
    ['an entry of the log is deleted', (db) => db.exec('DELETE FROM log_leaves WHERE leaf_index = 1'), /^it cannot be told whether history was rewritten: /m, /^unreadable: the log cannot be read to its end: /],
  ]
  for (const [name, change, sentence, finding] of tamperings.slice(0, count(1, tamperings.length))) {
    await restart(() => put(change))
    const { status, stdout } = await sign('log', 'audit')
    t.equal(status, 1, name)
    t.match(stdout, sentence, name)
    t.match(stdout, finding, name)
  }

  // Another history under the same key of the log: everything begins anew, and grows longer than it was.
  await restart(() => {
    for (const name of files()) rmSync(join(folder, name))
    writeFileSync(kept, seen)
  })
  putPackages(root, 12)
  await sign(root)
  const rewritten = await sign('log', 'audit')
  t.match(rewritten, { status: 1, stdout: /^history-rewritten: the first \d+ entries of the log are not those that were there before\nhistory was rewritten: the log of localhost:\d+ is not the one that was seen \S+: / })
  t.match(rewritten.stderr, /hint: keep \S+localhost_\d+\.json/)
  t.strictSame(readFileSync(kept), seen, 'what was seen before stays')
  await restart(() => put(() => undefined))
  t.match(await sign('log', 'audit'), { status: 0 }, 'the true history is the true history')
})
