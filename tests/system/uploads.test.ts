import { spawnSync } from 'node:child_process'
import { createHash, createVerify } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import t from 'tap'
import type { Test } from 'tap'
import { packageChunks, writePackage } from '../../formats/index.ts'
import type { SignAnswer } from '../../server/schemas/sign.ts'
import type { Signature } from '../../server/schemas/signature.ts'
import { clientOf, problemIn } from '../helpers/client.ts'
import { count, FULL, needsFull } from '../helpers/full-size.ts'
import { packageSource } from '../helpers/packages.ts'
import { testPki } from '../helpers/pki.ts'
import { makePlace, TRUSTED_BOT, type ConfigMembers } from '../helpers/place.ts'
import { eventually } from '../helpers/processes.ts'
import { startServer, type TestServer } from '../helpers/server.ts'

const MIB = 1024 * 1024
const PACKAGE = writePackage(packageSource('PkgA', { payload: [{ path: '/usr/PkgA/data', size: 2 * MIB }] }))
const needsProc = process.platform === 'linux' ? false : 'needs /proc'

/** A server that keeps its uploads in a folder that a test can look into. */
async function uploadServer(t: Test, config: ConfigMembers = {}): Promise<TestServer & Readonly<{ uploads: string }>> {
  const place = await makePlace(t)
  const uploads = join(place.folder, 'uploads')
  mkdirSync(uploads)
  return { ...(await startServer(t, { place, config: { uploadDir: 'uploads', ...config } })), uploads }
}

const descriptors = ({ process: { pid } }: TestServer): number => readdirSync(`/proc/${pid}/fd`).length
const residentBytes = ({ process: { pid } }: TestServer): number => 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])

type Wire = Readonly<{ socket: TLSSocket; text: () => string; status: (answers: number) => Promise<number> }>

/** A bare TLS connection, for requests that no HTTP client would send so. */
async function wire(t: Test, { port }: TestServer): Promise<Wire> {
  const { ca, cert, key } = (await testPki()).clients['release-bot']
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca, cert, key })
  t.teardown(() => socket.destroy())
  let text = ''
  socket.on('error', () => undefined).setEncoding('latin1').on('data', (data: string) => (text += data))
  await once(socket, 'secureConnect')
  const statuses = () => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
  return {
    socket,
    text: () => text,
    status: async (answers) => {
      await eventually(() => statuses().length >= answers, 20_000)
      return statuses()[answers - 1] as number
    },
  }
}

const head = (...fields: readonly string[]) => `POST /sign?filename=PkgA.bff HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`
const WHOAMI = 'GET /whoami HTTP/1.1\r\nhost: localhost\r\n\r\n'

function isSigned({ publicKey }: TestServer, bytes: Uint8Array, { signature, records }: Signature): boolean {
  return [signature, ...records.map((record) => record.signature)].every((text) => createVerify('RSA-SHA256').update(bytes).verify(publicKey, text, 'base64'))
}

void t.test('uploads that stop at any of twenty points leave nothing behind, and the server lives on', { skip: needsProc }, async (t) => {
  const server = await uploadServer(t)
  const client = await clientOf(t, server.url)
  await client.signUpload('PkgA.bff', PACKAGE)
  await client.dispatcher.close()
  await eventually(() => server.logs().some(({ msg }) => msg === 'client disconnected'))
  const before = descriptors(server)
  for (let point = 0; point < 20; point += 1) {
    const { socket } = await wire(t, server)
    const isChunked = point % 2 === 1
    const sent = PACKAGE.subarray(0, Math.floor((PACKAGE.length * point) / 20))
    socket.write(head(isChunked ? 'transfer-encoding: chunked' : `content-length: ${PACKAGE.length}`))
    if (isChunked) socket.write(`${PACKAGE.length.toString(16)}\r\n`)
    socket.write(sent)
    // Half of them end politely, the others not.
    if (point % 4 < 2) socket.end()
    else await new Promise((resolve) => setTimeout(resolve, 20)).then(() => socket.destroy())
  }
  await server.logged(({ code }) => code === 'REQUEST_ABORTED' || code === 'REQUEST_MALFORMED', { count: 5 })
  await eventually(() => descriptors(server) <= before, 15_000)
  t.strictSame(readdirSync(server.uploads), [])
  const again = await clientOf(t, server.url)
  t.ok(isSigned(server, PACKAGE, await again.signUpload('PkgA.bff', PACKAGE)))
  t.notOk(server.logs().some(({ level }) => level === 'error'))
})

void t.test('a file that is too large is refused while it is sent, and its connection serves the next request', async (t) => {
  const server = await uploadServer(t, { limits: { fileBytes: 100_000 } })
  const declared = await wire(t, server)
  declared.socket.write(head(`content-length: ${PACKAGE.length}`))
  t.equal(await declared.status(1), 413, 'before a byte of it was sent')
  t.match(declared.text(), /"code":"FILE_TOO_LARGE"/)
  declared.socket.write(PACKAGE)
  declared.socket.write(WHOAMI)
  t.equal(await declared.status(2), 200)

  const chunked = await wire(t, server)
  const chunk = `${(50_000).toString(16)}\r\n${'x'.repeat(50_000)}\r\n`
  chunked.socket.write(`${head('transfer-encoding: chunked')}${chunk.repeat(3)}`)
  t.equal(await chunked.status(1), 413, 'as soon as it is counted')
  chunked.socket.write(`${chunk.repeat(60)}0\r\n\r\n${WHOAMI}`)
  t.equal(await chunked.status(2), 200)

  const wrong = await wire(t, server)
  wrong.socket.write(`${head(`content-length: 10`, `content-digest: sha-256=:${Buffer.alloc(32).toString('base64')}:`)}0123456789${WHOAMI}`)
  t.equal(await wrong.status(1), 400)
  t.equal(await wrong.status(2), 200)
  t.strictSame(readdirSync(server.uploads), [])
})

void t.test('an upload may take longer than a request, but not pause for so long', { skip: needsFull }, async (t) => {
  const server = await uploadServer(t, { limits: { requestMs: 1_500 } })
  const slow = await wire(t, server)
  slow.socket.write(head(`content-length: ${PACKAGE.length}`))
  const piece = Math.ceil(PACKAGE.length / 12)
  for (let start = 0; start < PACKAGE.length; start += piece) {
    slow.socket.write(PACKAGE.subarray(start, start + piece))
    await delay(400)
  }
  t.equal(await slow.status(1), 200, 'after five seconds')
  slow.socket.write(WHOAMI)
  t.equal(await slow.status(2), 200)
  const stalled = await wire(t, server)
  stalled.socket.write(head(`content-length: ${PACKAGE.length}`))
  stalled.socket.write(PACKAGE.subarray(0, 100_000))
  t.equal(await stalled.status(1), 408)
  t.match(stalled.text(), /connection: close[^]*"code":"REQUEST_TIMEOUT"/i)
  await eventually(() => stalled.socket.destroyed)
  const body = await wire(t, server)
  body.socket.write('POST /sign HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{')
  t.equal(await body.status(1), 408, 'and a body of JSON has no more time than before')
})

/** Mounts a file system of one megabyte on a folder; says why not when that cannot be. */
function mountSmall(t: Test, folder: string): string | undefined {
  if (process.getuid?.() !== 0) return 'skipped: only root may mount a small file system'
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { encoding: 'utf8' })
  if (status !== 0) return `skipped: mount failed: ${stderr}`
  t.teardown(() => void spawnSync('umount', ['-l', folder]))
  return undefined
}

void t.test('a full disk is 507, and the server lives on', async (t) => {
  const place = await makePlace(t)
  const uploads = join(place.folder, 'uploads')
  mkdirSync(uploads)
  const reason = mountSmall(t, uploads)
  if (reason !== undefined) return void t.comment(reason)
  const server = await startServer(t, { place, config: { uploadDir: 'uploads' } })
  const client = await clientOf(t, server.url)
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const full = await wire(t, server)
    full.socket.write(head(`content-length: ${PACKAGE.length}`))
    full.socket.write(PACKAGE)
    t.equal(await full.status(1), 507)
    t.match(full.text(), /"code":"STORAGE_FULL"/)
    full.socket.write(WHOAMI)
    t.equal(await full.status(2), 200)
  }
  const small = writePackage(packageSource('PkgB'))
  t.ok(isSigned(server, small, await client.signUpload('PkgB.bff', small)), 'what fits is signed: the room of the refused ones is free again')
})

void t.test('a hundred uploads at once, where eight may be: the others are told to come back, and every accepted one is signed', async (t) => {
  const server = await uploadServer(t, { limits: { uploads: 8 } })
  const client = await clientOf(t, server.url)
  const upload = async (index: number): Promise<'signed' | 'busy'> => {
    const body = Readable.from((async function* () {
      yield PACKAGE.subarray(0, MIB)
      await delay(300)
      yield PACKAGE.subarray(MIB)
    })(), { objectMode: false })
    const answer = await client.upload({ filename: `Pkg${index}.bff` }, body, { headers: { 'content-length': String(PACKAGE.length) } })
    if (answer.status === 200) {
      const { signatures } = JSON.parse(answer.text) as SignAnswer
      if (!isSigned(server, PACKAGE, signatures[`Pkg${index}.bff`] as Signature)) throw new Error('not signed')
      return 'signed'
    }
    if (problemIn(answer).code !== 'SERVER_BUSY' || answer.headers['retry-after'] !== '1') throw new Error(answer.text)
    return 'busy'
  }
  const first = await Promise.all(Array.from({ length: 100 }, async (_, index) => await upload(index)))
  const signed = first.filter((outcome) => outcome === 'signed').length
  t.ok(signed >= 8 && signed < 100, `${signed} signed`)
  t.equal(server.logs().filter(({ msg }) => msg === 'signed package').length, signed)
  t.strictSame(readdirSync(server.uploads), [])
  t.equal(await upload(100), 'signed', 'the places are free again')
})

/** Uploads packages of `sizeBytes`, several at once, and returns by how much the memory of the server grew meanwhile. */
async function growthOf(t: Test, server: TestServer, { sizeBytes, times }: Readonly<{ sizeBytes: number; times: number }>): Promise<number> {
  const client = await clientOf(t, server.url, 'release-bot', { headersTimeout: 300_000, bodyTimeout: 300_000 })
  await client.signUpload('warm.bff', PACKAGE)
  const before = residentBytes(server)
  let most = before
  const sampler = setInterval(() => (most = Math.max(most, residentBytes(server))), 10)
  try {
    await Promise.all(Array.from({ length: times }, async (_, index) => {
      const source = packageSource(`Pkg${index}.${sizeBytes}`, { payload: [{ path: '/usr/data', size: sizeBytes }] })
      const hash = createHash('sha256')
      let total = 0
      const chunks = function* () {
        for (const chunk of packageChunks(source)) {
          hash.update(chunk)
          total += chunk.length
          yield chunk
        }
      }
      const signature = await client.signUpload(`Pkg${index}.bff`, Readable.from(chunks(), { objectMode: false, highWaterMark: MIB }))
      t.strictSame([signature.sha256, signature.sizeBytes], [hash.digest('hex'), total])
    }))
  } finally {
    clearInterval(sampler)
  }
  return most - before
}

const large = FULL ? 2048 : 256
void t.test(`an upload of ${large} MiB, and four of ${count(50, 100)} MB at once, cost at most 128 MiB of memory`, { skip: needsProc, timeout: 600_000 }, async (t) => {
  const server = await uploadServer(t)
  const one = await growthOf(t, server, { sizeBytes: large * MIB, times: 1 })
  t.ok(one <= 128 * MIB, `${Math.round(one / MIB)} MiB for one`)
  const four = await growthOf(t, server, { sizeBytes: count(50, 100) * 1_000_000, times: 4 })
  t.ok(four <= 128 * MIB, `${Math.round(four / MIB)} MiB for four`)
})

void t.test('a package that is written to while it is read is signed as it was at one moment, or refused', { timeout: 120_000 }, async (t) => {
  const server = await startServer(t, { config: { clients: [TRUSTED_BOT] } })
  const client = await clientOf(t, server.url)
  const size = 8 * MIB
  const [zeros, ones] = [0, 1].map((byte) => writePackage(packageSource('PkgA', { payload: [{ path: '/usr/PkgA/data', bytes: Buffer.alloc(size, byte) }] }))) as [Buffer, Buffer]
  const middle = size / 2
  const stable = new Set([zeros, ones].flatMap((first) => [zeros, ones].map((second) => createHash('sha256').update(first.subarray(0, middle)).update(second.subarray(middle)).digest('hex'))))
  const path = join(server.root, 'PkgA.bff')
  writeFileSync(path, zeros)
  const fd = openSync(path, 'r+')
  t.teardown(() => closeSync(fd))
  let done = false
  const writing = (async () => {
    for (let turn = 0; !done; turn += 1) {
      const bytes = turn % 2 === 0 ? ones : zeros
      writeSync(fd, bytes, 0, middle, 0)
      await delay(7)
      writeSync(fd, bytes, middle, bytes.length - middle, middle)
      await delay(7)
    }
  })()
  const outcomes = new Map<string, number>()
  for (let attempt = 0; attempt < count(40, 400); attempt += 1) {
    const answer = await client.trySign({ path, resign: true })
    const outcome = answer.status === 200 ? ((JSON.parse(answer.text) as SignAnswer).signatures['PkgA.bff']?.sha256 as string) : problemIn(answer).code
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  done = true
  await writing
  t.strictSame([...outcomes.keys()].filter((outcome) => outcome !== 'FILE_CHANGED' && !stable.has(outcome)), [])
  t.ok(outcomes.has('FILE_CHANGED'), JSON.stringify([...outcomes.values()]))
  const last = (await client.sign({ path, resign: true })).signatures['PkgA.bff'] as Signature
  t.ok(isSigned(server, readFileSync(path), last))
})
