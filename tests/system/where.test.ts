import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { writePackage } from '../../formats/index.ts'
import type { ErrorCode } from '../../server/errors.ts'
import { clientOf, problemIn } from '../helpers/client.ts'
import type { Answer, Client } from '../helpers/client.ts'
import { count } from '../helpers/full-size.ts'
import { packageSource, putLargePackage, putPackage } from '../helpers/packages.ts'
import { makePlace } from '../helpers/place.ts'
import { NOBODY, nobodyCannotReach } from '../helpers/refusals.ts'
import { startServer } from '../helpers/server.ts'

const TOC = '0 010203042026 2\nPkgA.1.0.0.0.bff 4 R I PkgA {\nPkgA.rte 1.0.0.0 01 N U en_US x\n}\n'
const CLIENT = { name: 'release-bot', match: { san: 'URI:urn:example:release-bot' }, allow: ['sign', 'listFiles'], keys: ['1001'], roots: ['nim', 'dev'], resign: true }

const server = await startServer(t, { config: { roots: [{ name: 'nim', path: 'packages' }, { name: 'dev', path: '/dev' }], clients: [CLIENT] } })
const client = await clientOf(t, server.url)
const outside = join(server.folder, 'outside')
mkdirSync(outside)
const secret = putPackage(outside, 'Secret')

/** An answer never shows where the server keeps things, what a command printed, or where in its code something happened. */
function assertLeaksNothing(t: Test, { text }: Answer, asked: string): void {
  const own = text.replaceAll(JSON.stringify(asked).slice(1, -1), '')
  for (const leak of [server.folder, process.cwd(), '/tmp/', '/proc/', 'node:', 'node_modules', '.ts:', 'ENOENT', 'EACCES', 'ELOOP', 'lstat', 'realpath']) {
    if (own.includes(leak)) t.fail(`the answer shows ${leak}`, { text })
  }
  t.notMatch(own, /\bat \S+ \(/)
}

/** Asks to sign and to list `path`; both must answer with the code, and say nothing more than they should. */
async function assertRefused(t: Test, path: string, code: ErrorCode, { listed = code }: Readonly<{ listed?: ErrorCode | 'OK' }> = {}): Promise<void> {
  const signing = await client.trySign({ path })
  t.equal(problemIn(signing).code, code, `POST /sign ${JSON.stringify(path)}`)
  assertLeaksNothing(t, signing, path)
  const listing = await client.ask(`/files?path=${encodeURIComponent(path)}`)
  t.equal(listing.status === 200 ? 'OK' : problemIn(listing).code, listed, `GET /files ${JSON.stringify(path)}`)
  assertLeaksNothing(t, listing, path)
}

function folder(name: string): string {
  const path = join(server.root, name)
  mkdirSync(path)
  return path
}

void t.test('a path that is not plainly written is PATH_MALFORMED before anything is looked up', async (t) => {
  const good = putPackage(folder('plain'))
  const malformed = [
    `${server.root}/../outside/Secret.1.0.0.0.bff`, `${server.root}/plain/../plain/PkgA.1.0.0.0.bff`, `${server.root}/..`, `${server.root}/./plain`, `${server.root}//plain`,
    '/..', '.', 'packages/plain', '~/plain', `${good}\n`, `${good}\u0000`, `${server.root}/\u001b[31m`, `${server.root}/\u0085`, `${server.root}/\u007f`, `/${'€'.repeat(1400)}`,
  ]
  for (const path of malformed) await assertRefused(t, path, 'PATH_MALFORMED')
  t.equal(problemIn(await client.trySign({ path: `${server.root}/\ud800` })).code, 'PATH_MALFORMED', 'a lone surrogate, which no URL can carry')
  for (const path of ['', `/${'x'.repeat(4096)}`]) t.equal(problemIn(await client.trySign({ path })).code, 'REQUEST_INVALID')
})

void t.test('what lies outside the roots and what is not there get the same answer', async (t) => {
  const answers = [secret, outside, server.folder, '/', '/etc/passwd', '/etc/shadow', '/no/such/path', `${server.root}/no-such-file`, `${server.root}-other`, `${server.root}/plain/PkgA.1.0.0.0.bff/below`, `${server.root}/%2e%2e/outside`]
  const seen = new Set<string>()
  for (const path of answers) {
    await assertRefused(t, path, 'PATH_OUTSIDE_ROOTS')
    seen.add(JSON.stringify({ ...problemIn(await client.trySign({ path })), instance: '' }))
  }
  t.equal(seen.size, 1)
})

void t.test('a symbolic link may lead about inside the root, never out of it', async (t) => {
  const path = folder('links')
  const inside = putPackage(folder('target'))
  symlinkSync(inside, join(path, 'inside.bff'))
  symlinkSync('../target/PkgA.1.0.0.0.bff', join(path, 'relative.bff'))
  symlinkSync(secret, join(path, 'leaving.bff'))
  symlinkSync('../../outside/Secret.1.0.0.0.bff', join(path, 'climbing.bff'))
  symlinkSync('leaving.bff', join(path, 'twice.bff'))
  symlinkSync(outside, join(path, 'directory'))
  symlinkSync('/etc/passwd', join(path, 'passwd'))
  symlinkSync('nowhere', join(path, 'dangling'))
  symlinkSync('loop', join(path, 'loop'))
  symlinkSync('/proc/self/environ', join(path, 'environ'))
  for (const name of ['leaving.bff', 'climbing.bff', 'twice.bff', 'directory', 'directory/Secret.1.0.0.0.bff', 'passwd', 'dangling', 'loop', 'environ']) {
    await assertRefused(t, join(path, name), 'PATH_OUTSIDE_ROOTS')
  }
  const answer = await client.sign({ path })
  t.strictSame(Object.keys(answer.signatures), ['inside.bff', 'relative.bff'])
  t.strictSame(Object.entries(answer.failures).map(([name, { code }]) => `${name} ${code}`).sort(), ['climbing.bff', 'dangling', 'directory', 'environ', 'leaving.bff', 'loop', 'passwd', 'twice.bff'].map((name) => `${name} PATH_OUTSIDE_ROOTS`))
  t.strictSame((await client.sign({ path, recursive: true })).files, answer.files, 'recursive does not follow a link to a directory')
})

void t.test('devices, FIFOs and sockets are refused without being opened, and hang nobody', async (t) => {
  const path = folder('special')
  putPackage(path)
  const fifo = join(path, 'fifo')
  const hasFifo = spawnSync('mkfifo', [fifo]).status === 0
  if (!hasFifo) t.comment('skipped: mkfifo is not on this machine')
  const socket = join(path, 'socket')
  const listener = createServer().listen(socket)
  t.teardown(() => listener.close())
  for (const special of ['/dev/null', '/dev/zero', ...(hasFifo ? [fifo] : []), socket]) await assertRefused(t, special, 'FILE_KIND_REFUSED', { listed: 'OK' })
  const answer = await client.sign({ path })
  t.strictSame(answer.skipped, { ...(hasFifo ? { fifo: 'SPECIAL_FILE' } : {}), socket: 'SPECIAL_FILE' })
  t.strictSame(Object.keys(answer.signatures), ['PkgA.1.0.0.0.bff'])
})

void t.test('names with control bytes or not in UTF-8 are listed and refused one by one; the others are signed', async (t) => {
  const path = folder('names')
  const bytes = readFileSync(putPackage(path))
  const refused = ['new\nline.bff', 'tab\t.bff', '\u001b[2J.bff', 'c1\u0085.bff', 'line\u2028.bff']
  for (const name of refused) writeFileSync(join(path, name), bytes)
  writeFileSync(Buffer.concat([Buffer.from(`${path}/latin-`), Buffer.from([0xe9]), Buffer.from('.bff')]), bytes)
  const odd = ['$(touch pwned).bff', '; exit 1 #.bff', '-a infile=x.bff', '`id`.bff', "quote'\".bff", 'ünïcødé.bff', ' blank .bff', '__proto__', 'constructor', '%2e%2e.bff']
  for (const name of odd) writeFileSync(join(path, name), bytes)
  const answer = await client.trySign({ path })
  assertLeaksNothing(t, answer, path)
  const { files, signatures, failures, skipped } = JSON.parse(answer.text) as Awaited<ReturnType<Client['sign']>>
  t.strictSame(Object.keys(signatures).sort(), ['PkgA.1.0.0.0.bff', ...odd].sort())
  t.strictSame(Object.keys(failures).sort(), [...refused, 'latin-\\xe9.bff'].sort())
  t.ok(Object.values(failures).every(({ code }) => code === 'FILE_NAME_REFUSED'))
  t.strictSame([files.length, skipped], [17, {}])
  t.strictSame(files, [...files].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
})

void t.test('.toc, subdirectories and other files are listed and skipped with the reason', async (t) => {
  const path = folder('mixed')
  putPackage(path)
  writeFileSync(join(path, '.toc'), TOC)
  writeFileSync(join(path, 'README'), 'hello')
  writeFileSync(join(path, 'empty.bff'), '')
  mkdirSync(join(path, 'subdirectory'))
  const { files, skipped, failures } = await client.sign({ path })
  t.strictSame(files, ['.toc', 'PkgA.1.0.0.0.bff', 'README', 'empty.bff', 'subdirectory'])
  t.strictSame(skipped, { '.toc': 'TOC', README: 'NOT_A_PACKAGE', 'empty.bff': 'NOT_A_PACKAGE', subdirectory: 'DIRECTORY' })
  t.strictSame(failures, {})
  t.equal(problemIn(await client.trySign({ path: join(path, '.toc') })).code, 'NOT_A_PACKAGE')
})

const asRoot = process.getuid?.() === 0

void t.test('unreadable files and directories are refused as such', { skip: nobodyCannotReach('server/main.ts') }, async (t) => {
  const place = await makePlace(t)
  const closed = join(place.root, 'closed')
  mkdirSync(closed)
  putPackage(closed)
  const path = putPackage(place.root, 'PkgUnreadable')
  const readable = putPackage(place.root, 'PkgReadable')
  const reader = await startServer(t, { place, ...(asRoot ? { uid: NOBODY } : {}) })
  chmodSync(path, 0)
  chmodSync(closed, 0)
  t.teardown(() => chmodSync(closed, 0o700))
  const caller = await clientOf(t, reader.url)
  for (const unreadable of [path, closed, join(closed, 'PkgA.1.0.0.0.bff')]) {
    const answer = await caller.trySign({ path: unreadable })
    t.match(problemIn(answer), { code: 'PATH_UNREADABLE', status: 403 }, unreadable.slice(place.folder.length))
    assertLeaksNothing(t, answer, unreadable)
  }
  const answer = await caller.sign({ path: place.root })
  t.match(answer.failures, { 'PkgUnreadable.1.0.0.0.bff': { code: 'PATH_UNREADABLE' } })
  t.ok(answer.signatures['PkgReadable.1.0.0.0.bff'], readable)
  const deep = await caller.sign({ path: place.root, recursive: true })
  t.match(deep.failures, { closed: { code: 'PATH_UNREADABLE' } }, 'one closed subdirectory is a failure of its own')
  t.ok(deep.signatures['PkgReadable.1.0.0.0.bff'])
  t.equal((await caller.ask(`/files?path=${encodeURIComponent(place.root)}`)).status, 200)
})

void t.test('a file that is too large and a directory that is too long are refused with the limit named', async (t) => {
  const limited = await startServer(t, { config: { limits: { fileBytes: 100_000, directoryEntries: 4 } } })
  const caller = await clientOf(t, limited.url)
  putPackage(limited.root)
  const large = putLargePackage(limited.root, 200_000)
  t.match(problemIn(await caller.trySign({ path: large })), { code: 'FILE_TOO_LARGE', status: 413, detail: /limits\.fileBytes is 100000/ })
  const answer = await caller.sign({ path: limited.root })
  t.match(answer.failures, { 'PkgLarge.1.0.0.0.bff': { code: 'FILE_TOO_LARGE' } })
  t.ok(answer.signatures['PkgA.1.0.0.0.bff'])
  mkdirSync(join(limited.root, 'sub'))
  for (const name of ['a', 'b', 'c']) putPackage(join(limited.root, 'sub'), `Pkg${name}`)
  t.match(problemIn(await caller.trySign({ path: limited.root, recursive: true })), { code: 'DIRECTORY_TOO_LARGE', status: 413, detail: /4 entries.*limits\.directoryEntries/ })
  for (const name of ['d', 'e']) putPackage(join(limited.root, 'sub'), `Pkg${name}`)
  t.match(problemIn(await caller.trySign({ path: join(limited.root, 'sub') })), { code: 'DIRECTORY_TOO_LARGE' })
  t.match(problemIn(await caller.ask(`/files?path=${encodeURIComponent(join(limited.root, 'sub'))}`)), { code: 'DIRECTORY_TOO_LARGE' })
})

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Signs `path` over and over, several at once, while `swap` is called between turns of the loop; returns what was signed and which refusals there were. */
async function signWhile(path: string, swap: (index: number) => void): Promise<Readonly<{ signed: Set<string>; codes: Set<string>; swaps: number }>> {
  const signed = new Set<string>()
  const codes = new Set<string>()
  const signedAll = new AbortController()
  let swaps = 0
  const swapping = (async () => {
    for (; !signedAll.signal.aborted; swaps += 1) {
      swap(swaps)
      // Now and then long enough for a file to be signed in peace.
      await (swaps % 8 === 0 ? delay(15) : turn())
    }
  })()
  const signing = Array.from({ length: 4 }, async () => {
    for (let attempt = 0; attempt < count(100, 1000); attempt += 1) {
      const answer = await client.trySign({ path, resign: true })
      if (answer.status === 200) for (const each of Object.values((JSON.parse(answer.text) as Awaited<ReturnType<Client['sign']>>).signatures)) signed.add(each.sha256)
      else codes.add(problemIn(answer).code)
    }
  })
  await Promise.all(signing)
  signedAll.abort()
  await swapping
  return { signed, codes, swaps }
}

void t.test('a file or directory swapped between check and use never gets a signature over what lies outside', async (t) => {
  const insideBytes = [1, 2].map((builtAt) => writePackage(packageSource('PkgA', { builtAt })))
  const inside = new Set(insideBytes.map(sha256))
  const allowed = new Set(['PATH_OUTSIDE_ROOTS', 'FILE_CHANGED', 'FILE_KIND_REFUSED'])

  await t.test('a file that takes turns with a link to the outside', async (t) => {
    const path = folder('swapped-file')
    const target = join(path, 'PkgA.bff')
    const { signed, codes, swaps } = await signWhile(target, (index) => {
      if (index % 2 === 0) writeFileSync(join(path, 'next'), insideBytes[(index / 2) % 2] as Uint8Array)
      else symlinkSync(secret, join(path, 'next'))
      renameSync(join(path, 'next'), target)
    })
    t.ok(swaps > 50, `${swaps} swaps`)
    t.ok(signed.size > 0, 'some were signed')
    t.strictSame([...signed].filter((digest) => !inside.has(digest)), [], 'nothing else was')
    t.strictSame([...codes].filter((code) => !allowed.has(code)), [])
  })

  await t.test('a directory on the way that takes turns with a link to the outside', async (t) => {
    const path = folder('swapped-directory')
    const [real, link, way] = ['real', 'link', 'way'].map((name) => join(path, name)) as [string, string, string]
    mkdirSync(real)
    writeFileSync(join(real, 'Secret.1.0.0.0.bff'), insideBytes[0] as Uint8Array)
    symlinkSync(outside, link)
    const { signed, codes, swaps } = await signWhile(join(way, 'Secret.1.0.0.0.bff'), (index) => {
      const [from, back] = index % 2 === 0 ? [real, link] : [link, real]
      if (index > 0) renameSync(way, back)
      renameSync(from, way)
    })
    t.ok(swaps > 50 && signed.size > 0, `${swaps} swaps`)
    t.strictSame([...signed].filter((digest) => !inside.has(digest)), [])
    t.strictSame([...codes].filter((code) => !allowed.has(code)), [])
  })

  await t.test('a file that takes turns with a FIFO', { skip: spawnSync('mkfifo', ['--version']).status === 0 ? false : 'skipped: mkfifo is not on this machine' }, async (t) => {
    const path = folder('swapped-fifo')
    const [fifo, real, target] = ['fifo', 'real', 'target'].map((name) => join(path, name)) as [string, string, string]
    spawnSync('mkfifo', [fifo])
    writeFileSync(real, insideBytes[0] as Uint8Array)
    const { signed, codes } = await signWhile(target, (index) => {
      const [from, back] = index % 2 === 0 ? [real, fifo] : [fifo, real]
      if (index > 0) renameSync(target, back)
      renameSync(from, target)
    })
    t.strictSame([...signed].filter((digest) => !inside.has(digest)), [])
    t.strictSame([...codes].filter((code) => !allowed.has(code)), [])
    rmSync(path, { recursive: true })
  })

  t.notOk(server.logs().some((line) => line.msg === 'signed package' && line['sha256'] === sha256(readFileSync(secret))))
})

void t.test('the root itself may be a link; a client names it either way', async (t) => {
  const place = await makePlace(t)
  const alias = join(place.folder, 'alias')
  symlinkSync(place.root, alias)
  putPackage(place.root)
  const aliased = await startServer(t, { place, config: { roots: [{ name: 'nim', path: 'alias' }] } })
  const caller = await clientOf(t, aliased.url)
  for (const path of [join(alias, 'PkgA.1.0.0.0.bff'), join(place.root, 'PkgA.1.0.0.0.bff')]) t.match(await caller.sign({ path }), { path, files: ['PkgA.1.0.0.0.bff'] })
})
