import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { writePackage } from '../../formats/index.ts'
import type { SignAnswer } from '../../server/schemas/sign.ts'
import type { Signature } from '../../server/schemas/signature.ts'
import { clientOf, problemIn } from '../helpers/client.ts'
import { fakeCommand, fakeRuns, setFaults } from '../helpers/fake-command.ts'
import { isSignatureOf, packageSource, putPackage, putPackages } from '../helpers/packages.ts'
import { makePlace } from '../helpers/place.ts'
import { testPki } from '../helpers/pki.ts'
import { rsaKeyPair } from '../helpers/signables.ts'
import { startServer } from '../helpers/server.ts'

// One test for each known fault of the server that this one replaces. docs/from-the-original.md tells their story.

const FILESETS = ['rte', 'adt', 'man.en_US', 'loc.de_DE', 'data'].map((part) => ({ fileset: `PkgA.${part}`, vrmf: '1.0.0.0' }))

void t.test('original fault: shell injection through the path. No name of a file or directory is ever read by a shell', async (t) => {
  const server = await startServer(t, { config: fakeCommand() })
  const client = await clientOf(t, server.url)
  const pwned = join(server.folder, 'pwned')
  const directory = join(server.root, `$(touch ${pwned.replaceAll('/', '')}) && touch pwned; #`)
  mkdirSync(directory)
  const names = ['$(touch pwned).bff', '`touch pwned`.bff', '; touch pwned; .bff', '| touch pwned', '& touch pwned &', "' touch pwned '", '" $(touch pwned) "', '-a infile=pwned', '--help', '> pwned', '${IFS}touch${IFS}pwned', '*', '~', '\\']
  const bytes = writePackage(packageSource('PkgA'))
  for (const name of names) writeFileSync(join(directory, name), bytes)
  const answer = await client.sign({ path: directory })
  t.strictSame(Object.keys(answer.signatures).sort(), [...names].sort())
  t.ok(names.every((name) => isSignatureOf(answer.signatures[name] as Signature, join(directory, name), server.publicKey)))
  for (const { argv } of fakeRuns(server)) t.match(argv[1], /^infile=\/[\w./-]+\/runs\/[\w./-]+\.bff$/, 'the command sees a name of ours')
  const everywhere = [server.folder, server.root, directory, join(server.folder, 'runs'), process.cwd()].flatMap((folder) => readdirSync(folder))
  t.strictSame(everywhere.filter((name) => name === 'pwned' || name.startsWith('touch')), [], 'nothing was run')
})

void t.test('original fault: the newest file of the working directory was taken for the output. Only the file that was asked for is read', async (t) => {
  const server = await startServer(t, { config: fakeCommand() })
  const client = await clientOf(t, server.url)
  const path = putPackage(server.root)
  const decoy = '#package:fileset:vrmf:ftype:keyid:timestamp:signature\nDecoy:Decoy.rte:9.9.9.9:I:1001:1:AAAA\n'
  for (const folder of [server.folder, server.root, join(server.folder, 'runs')]) {
    writeFileSync(join(folder, 'newest.signature-file'), decoy)
    utimesSync(join(folder, 'newest.signature-file'), 4_000_000_000, 4_000_000_000)
  }
  const signature = (await client.sign({ path })).signatures['PkgA.1.0.0.0.bff'] as Signature
  t.ok(isSignatureOf(signature, path, server.publicKey))
  t.match(signature.records, [{ package: 'PkgA' }])
  setFaults(server, 'elsewhere')
  t.equal(problemIn(await client.trySign({ path, force: true })).code, 'SIGNER_NO_RECORD', 'a good signature file under another name is nobody\'s')
  setFaults(server)
  mkdirSync(join(server.root, 'many'))
  const names = putPackages(join(server.root, 'many'), 6)
  const answer = await client.sign({ path: join(server.root, 'many') })
  t.ok(names.every((name) => isSignatureOf(answer.signatures[name] as Signature, join(server.root, 'many', name), server.publicKey)), 'runs at the same time do not read each other\'s output')
})

void t.test('original fault: the output was cut at the first `==`. Padding stays, later filesets stay, and keys whose signatures have none are as good', async (t) => {
  for (const [bits, padding] of [[2048, '=='], [3072, ''], [4096, '=']] as const) {
    const place = await makePlace(t)
    const pair = rsaKeyPair(bits)
    const [privateKeyPath, publicKeyPath] = [join(place.folder, 'command.pem'), join(place.folder, 'command.pub.pem')]
    writeFileSync(privateKeyPath, pair.pem, { mode: 0o600 })
    writeFileSync(publicKeyPath, pair.publicKey.export({ type: 'spki', format: 'pem' }))
    const server = await startServer(t, { place, config: fakeCommand({ privateKeyPath, publicKeyPath }) })
    const path = putPackage(server.root, 'PkgA', { filesets: FILESETS })
    const signature = (await (await clientOf(t, server.url)).sign({ path })).signatures['PkgA.1.0.0.0.bff'] as Signature
    t.strictSame(signature.records.map(({ fileset }) => fileset), FILESETS.map(({ fileset }) => fileset), `RSA-${bits}: every fileset`)
    t.ok(signature.records.every((record) => /[^=](=*)$/.exec(record.signature)?.[1] === padding), `RSA-${bits}: signatures end in "${padding}"`)
    t.ok(isSignatureOf(signature, path, pair.publicKey))
  }
})

// The rest needs no command.
const server = await startServer(t)
const client = await clientOf(t, server.url)

function folder(name: string): string {
  const path = join(server.root, name)
  mkdirSync(path)
  return path
}

void t.test('original fault: only ten entries were signed. The eleventh and all after it are signed as well', async (t) => {
  const path = folder('eleven')
  const names = putPackages(path, 37)
  const answer = await client.sign({ path })
  t.strictSame([answer.files, Object.keys(answer.signatures)], [names, names])
  t.ok(isSignatureOf(answer.signatures[names[36] as string] as Signature, join(path, names[36] as string), server.publicKey))
  const listing = JSON.parse((await client.ask(`/files?path=${encodeURIComponent(path)}`)).text) as { files: readonly { name: string }[] }
  t.strictSame(listing.files.map(({ name }) => name), names)
})

void t.test('original fault: a single file crashed it. A path to a file signs that file', async (t) => {
  const path = putPackage(folder('single'))
  for (let time = 0; time < 3; time += 1) t.ok(isSignatureOf((await client.sign({ path })).signatures['PkgA.1.0.0.0.bff'] as Signature, path, server.publicKey))
})

void t.test('original fault: no client authentication. Without a certificate of the client CA nobody gets as far as HTTP, unlisted nobody gets anything', async (t) => {
  const { ca } = (await testPki()).server
  const socket = connect({ host: '127.0.0.1', port: server.port, servername: 'localhost', ca }, () => void socket.write('GET /files HTTP/1.1\r\nhost: localhost\r\n\r\n'))
  let received = ''
  socket.on('error', () => {}).on('data', (bytes: Buffer) => (received += bytes.toString('latin1')))
  // Not `once`, which an alert would reject.
  await new Promise((resolve) => socket.on('close', resolve))
  t.equal(received, '')
  await t.rejects((await clientOf(t, server.url, 'impostor')).ask('/files'))
  t.equal(problemIn(await (await clientOf(t, server.url, 'stranger')).ask('/files')).code, 'CLIENT_UNKNOWN')
})

void t.test('original fault: an I/O error ended the server. Whatever happens to files, directories and connections, the next request is served', async (t) => {
  const path = folder('trouble')
  const names = putPackages(path, 30)
  symlinkSync('loop', join(path, 'loop'))
  symlinkSync('gone', join(path, 'dangling'))
  writeFileSync(join(path, 'short.bff'), readFileSync(join(path, names[0] as string)).subarray(0, 200))
  for (let time = 0; time < 10; time += 1) {
    const signing = client.trySign({ path })
    // Files vanish and come back, and in the end the whole directory does.
    const away = join(server.root, 'away')
    if (time % 2 === 0) for (const name of names) rmSync(join(path, name))
    else {
      renameSync(path, away)
      await new Promise(setImmediate)
      renameSync(away, path)
    }
    const { status, text } = await signing
    t.ok(status === 200 || ['FILE_CHANGED', 'PATH_OUTSIDE_ROOTS'].includes((JSON.parse(text) as { code: string }).code), `${status} ${status === 200 ? '' : text}`)
    if (time % 2 === 0) putPackages(path, 30)
  }
  const { ca, cert, key } = (await testPki()).clients['release-bot']
  for (const text of ['x', '\0\0\0\0', 'POST /sign HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{']) {
    const raw = connectTcp(server.port, '127.0.0.1')
    const socket = connect({ socket: raw, servername: 'localhost', ca, cert, key }, () => {
      socket.write(text, () => raw.resetAndDestroy())
    }).on('error', () => {})
    await new Promise((resolve) => raw.on('close', resolve))
  }
  const answer = await client.sign({ path })
  t.strictSame(Object.keys(answer.signatures), names)
  t.equal(server.process.exitCode, null)
  t.equal(server.complaints(), '')
})

void t.test('original fault: a long answer was truncated by a short read. It arrives whole, however slowly and in however small pieces it is read or asked for', async (t) => {
  const path = folder('long')
  const filesets = Array.from({ length: 40 }, (_, index) => ({ fileset: `PkgA.part${index}`, vrmf: '1.0.0.0' }))
  for (let index = 0; index < 60; index += 1) putPackage(path, 'PkgA', { filesets, filename: `${index}.bff` })
  const { ca, cert, key } = (await testPki()).clients['release-bot']
  const socket = connect({ host: '127.0.0.1', port: server.port, servername: 'localhost', ca, cert, key })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  const body = JSON.stringify({ path })
  const request = `POST /sign HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  // A byte at a time, each in a TLS record of its own.
  for (const character of request) socket.write(character)
  const chunks: Buffer[] = []
  socket.on('readable', () => {
    for (let chunk = socket.read(997) as Buffer | null; chunk !== null; chunk = socket.read(997) as Buffer | null) chunks.push(chunk)
    const rest = socket.readableEnded || socket.readableLength < 997 ? (socket.read() as Buffer | null) : null
    if (rest !== null) chunks.push(rest)
  })
  await once(socket, 'end')
  const whole = Buffer.concat(chunks).toString('utf8')
  const answer = JSON.parse(withoutChunks(whole)) as SignAnswer
  t.ok(whole.length > 1_000_000, `${whole.length} bytes`)
  t.equal(Object.keys(answer.signatures).length, 60)
  t.ok(Object.values(answer.signatures).every(({ records }) => records.length === 40))
})

/** Returns the body of an answer in chunked transfer coding (RFC 9112, 7.1); an answer that ends before its last chunk is refused. */
function withoutChunks(answer: string): string {
  const end = answer.indexOf('\r\n\r\n')
  if (!/^transfer-encoding: chunked$/im.test(answer.slice(0, end))) throw new Error(`not chunked: ${answer.slice(0, end)}`)
  let rest = Buffer.from(answer.slice(end + 4), 'utf8')
  let body = Buffer.alloc(0)
  for (;;) {
    const line = rest.indexOf('\r\n')
    const size = Number.parseInt(rest.toString('latin1', 0, line), 16)
    if (line < 0 || Number.isNaN(size)) throw new Error('the answer was cut off')
    if (size === 0) return body.toString('utf8')
    body = Buffer.concat([body, rest.subarray(line + 2, line + 2 + size)])
    rest = rest.subarray(line + 4 + size)
  }
}

void t.test('original fault: JSON without framing. Answers that follow each other on one connection are told apart, and so are the events of a stream', async (t) => {
  const path = folder('framed')
  const names = putPackages(path, 5)
  const single = await clientOf(t, server.url, 'release-bot', { connections: 1, pipelining: 4 })
  const answers = await Promise.all(Array.from({ length: 8 }, async (_, index) => await single.ask(index % 2 === 0 ? '/whoami' : `/files?path=${encodeURIComponent(path)}`)))
  for (const [index, { headers, text }] of answers.entries()) {
    t.ok(headers['content-length'] === String(Buffer.byteLength(text)) || headers['transfer-encoding'] === 'chunked')
    t.ok((index % 2 === 0 ? 'name' : 'files') in (JSON.parse(text) as object))
  }
  const events = await single.signEvents({ path })
  t.strictSame(events.map(({ event }) => event), ['listing', ...names.map(() => 'signature'), 'end'])
})
