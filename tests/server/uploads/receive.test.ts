import { createHash } from 'node:crypto'
import { once } from 'node:events'
import fs, { fstatSync, readdirSync } from 'node:fs'
import promises, { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import * as fc from 'fast-check'
import t from 'tap'
import type * as appendModule from '../../../server/uploads/append.ts'
import { createAppender, storageFault, type UploadTask } from '../../../server/uploads/append.ts'
import type * as receiveModule from '../../../server/uploads/receive.ts'
import { createThreadPool, type ThreadPool } from '../../../server/threads/pool.ts'
import { createReceiver, UPLOAD_MODULE } from '../../../server/uploads/receive.ts'
import type { Received, ReceiverOptions, Sending } from '../../../server/uploads/receive.ts'
import { codeOf } from '../../helpers/refusals.ts'

const MIB = 1024 * 1024
const folder = t.testdir({ uploads: {} })
const directory = join(folder, 'uploads')
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
const never = new AbortController().signal

const thread = createThreadPool({ module: UPLOAD_MODULE, name: 'signing-uploads', size: 1, maxWaiting: 100 })
t.teardown(async () => await thread.close())
const receiver = (changes: Partial<ReceiverOptions> = {}) => createReceiver({ thread, directory, maxFileBytes: 10 * MIB, maxUploads: 8, stallMs: 5_000, ...changes })
const sending = (...chunks: readonly Uint8Array[]): Sending => ({ body: Readable.from(chunks.map((chunk) => Buffer.from(chunk)), { objectMode: false }), digests: [] })

async function contentOf({ handle, fileBytes }: Received): Promise<Buffer> {
  const { buffer } = await handle.read(Buffer.alloc(fileBytes + 1), 0, fileBytes + 1, 0)
  return buffer.subarray(0, fileBytes)
}

void t.test('an upload is a file without a name, with its digest, for as long as it is used', async (t) => {
  const bytes = Buffer.alloc(3 * MIB + 17, 'signing')
  let kept: FileHandle | undefined
  const result = await receiver().receive(sending(bytes.subarray(0, MIB), bytes.subarray(MIB)), never, async (received) => {
    kept = received.handle
    t.strictSame(readdirSync(directory), [])
    t.strictSame([received.fileBytes, received.sha256], [bytes.length, sha256(bytes)])
    const { mode, nlink } = await received.handle.stat()
    t.strictSame([mode & 0o777, nlink], [0o600, 0])
    t.ok((await contentOf(received)).equals(bytes))
    return 'used'
  })
  t.equal(result, 'used')
  t.equal(kept?.fd, -1, 'the handle is closed')
})

void t.test('whatever pieces it comes in, what is kept is what was sent', async (t) => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 })
  await fc.assert(fc.asyncProperty(pieces, async (chunks) => {
    const want = Buffer.concat(chunks)
    await receiver().receive(sending(...chunks.filter(({ length }) => length > 0)), never, async (received) => {
      t.ok((await contentOf(received)).equals(want) && received.sha256.equals(sha256(want)) && received.fileBytes === want.length)
    })
  }), { numRuns: 50 * Number(process.env['TEST_FULL_FACTOR'] ?? 1) })
})

void t.test('a declared digest that is right is accepted, any that is wrong refused', async (t) => {
  const bytes = Buffer.from('package')
  const upload = (...digests: readonly Buffer[]) => codeOf(receiver().receive({ ...sending(bytes), digests }, never, async () => 'used'))
  t.equal(await upload(sha256(bytes), sha256(bytes)), 'OK')
  t.equal(await upload(sha256(Buffer.from('other'))), 'DIGEST_MISMATCH')
  t.equal(await upload(sha256(bytes), Buffer.alloc(32)), 'DIGEST_MISMATCH')
})

void t.test('a body that is too large is refused as soon as it is known, and the rest of it is read and dropped', async (t) => {
  const declared = { ...sending(Buffer.alloc(10)), declaredBytes: 11 }
  t.equal(await codeOf(receiver({ maxFileBytes: 10 }).receive(declared, never, async () => 0)), 'FILE_TOO_LARGE')
  t.equal(declared.body.readableDidRead, false, 'not a byte was read')
  t.equal(await codeOf(receiver({ maxFileBytes: 10 }).receive({ ...sending(Buffer.alloc(10)), declaredBytes: 10 }, never, async () => 0)), 'OK')
  const body = new Readable({ read: () => undefined })
  const refused = codeOf(receiver({ maxFileBytes: 100_000 }).receive({ body, digests: [] }, never, async () => 0))
  body.push(Buffer.alloc(100_000))
  body.push(Buffer.alloc(1))
  t.equal(await refused, 'FILE_TOO_LARGE', 'while the sender is still sending')
  for (let piece = 0; piece < 10; piece += 1) body.push(Buffer.alloc(100_000))
  body.push(null)
  await once(body, 'end')
  t.pass('the rest was read')
})

void t.test('of the limits of server and client the smaller one holds, and the bytes are told as they come', async (t) => {
  const told: number[] = []
  const upload = (changes: Partial<Sending>) => receiver({ maxFileBytes: 10 }).receive({ ...sending(Buffer.alloc(6), Buffer.alloc(2)), ...changes }, never, async () => 'used')
  await t.rejects(upload({ maxFileBytes: 7, arrived: (bytes) => void told.push(bytes) }), { code: 'FILE_TOO_LARGE', message: /maxFileBytes of this client is 7$/ })
  t.strictSame(told, [6, 2])
  t.equal(await upload({ maxFileBytes: 8 }), 'used')
  await t.rejects(upload({ maxFileBytes: 20, declaredBytes: 11 }), { code: 'FILE_TOO_LARGE', message: /limits.fileBytes is 10$/ })
})

void t.test('no more than maxUploads are under way; a place is free again when the file is closed, whatever became of it', async (t) => {
  const limited = receiver({ maxUploads: 2 })
  const receive: typeof limited.receive = async (...args) => await limited.receive(...args)
  const gate = Promise.withResolvers<void>()
  const held = [1, 2].map(async () => await receive(sending(Buffer.from('x')), never, async () => await gate.promise))
  await turn()
  t.equal(await codeOf(receive(sending(Buffer.from('x')), never, async () => 0)), 'SERVER_BUSY')
  gate.resolve()
  await Promise.all(held)
  for (let attempt = 0; attempt < 4; attempt += 1) {
    await t.rejects(receive(sending(Buffer.from('x')), never, async () => { throw new Error('use failed') }), /use failed/)
    t.equal(await codeOf(receive({ ...sending(Buffer.from('x')), digests: [Buffer.alloc(32)] }, never, async () => 0)), 'DIGEST_MISMATCH')
  }
  t.equal(await codeOf(receive(sending(Buffer.from('x')), never, async () => 0)), 'OK')
})

void t.test('a body that breaks off, stalls, or is not wanted any more ends the upload', async (t) => {
  const open = () => new Readable({ read: () => undefined })
  const endOf = async (body: Readable, options: Partial<ReceiverOptions> = {}, signal = never) => await codeOf(receiver(options).receive({ body, digests: [] }, signal, async () => 0))

  const broken = open()
  const broke = endOf(broken)
  broken.push('some')
  await delay(5)
  broken.destroy(new Error('aborted'))
  t.equal(await broke, 'REQUEST_ABORTED')

  const closed = open()
  const close = endOf(closed)
  await delay(5)
  closed.destroy()
  t.equal(await close, 'REQUEST_ABORTED')

  const stalled = open()
  const stall = endOf(stalled, { stallMs: 60 })
  for (const text of ['a', 'b', 'c']) {
    await delay(30)
    stalled.push(text)
  }
  t.equal(await stall, 'REQUEST_TIMEOUT', 'only when nothing arrives for so long')
  t.notOk(stalled.destroyed, 'the answer still finds its connection')
  stalled.destroy(new Error('reset'))
  await turn()

  const controller = new AbortController()
  const unwanted = endOf(open(), {}, controller.signal)
  await delay(5)
  controller.abort(new Error('the server stops'))
  t.match(await unwanted, /the server stops/)
  t.match(await endOf(open(), {}, controller.signal), /the server stops/)
  t.strictSame(readdirSync(directory), [])
})

void t.test('a slow disk holds the sender back, and memory stays flat', async (t) => {
  let sent = 0
  const body = new Readable({ highWaterMark: 64 * 1024, read: () => void body.push(sent++ < 512 ? Buffer.alloc(64 * 1024, sent) : null) })
  const ready = Promise.withResolvers<void>()
  const slow = threadThat(async (task) => {
    await ready.promise
    return await thread.run(task)
  })
  const receiving = receiver({ thread: slow, maxFileBytes: 64 * MIB }).receive({ body, digests: [] }, never, async ({ fileBytes, sha256 }) => [fileBytes, sha256.toString('hex')])
  await delay(100)
  t.ok(sent < 40, `${sent} pieces of 64 KiB were taken while the disk did nothing`)
  ready.resolve()
  const all = createHash('sha256')
  for (let piece = 1; piece <= 512; piece += 1) all.update(Buffer.alloc(64 * 1024, piece))
  t.strictSame(await receiving, [32 * MIB, all.digest('hex')])
})

/** The thread, but with something between it and who asks. */
function threadThat(run: (task: unknown) => Promise<unknown>): ThreadPool {
  return { run: async (task) => (await run(task)) as never, waiting: () => 0, close: async () => undefined }
}

void t.test('a file is not closed while something is being written to it, however the upload ends', async (t) => {
  const [begun, ready] = [Promise.withResolvers<number>(), Promise.withResolvers<void>()]
  const slow = threadThat(async (task) => {
    const { kind, fd } = task as { kind: string; fd: number }
    if (kind === 'append') begun.resolve(fd)
    await ready.promise
    return await thread.run(task)
  })
  const controller = new AbortController()
  const body = new Readable({ read: () => undefined })
  let isOver = false
  const ended = codeOf(receiver({ thread: slow }).receive({ body, digests: [] }, controller.signal, async () => 0)).finally(() => void (isOver = true))
  for (let piece = 0; piece < 20; piece += 1) body.push(Buffer.alloc(64 * 1024))
  const fd = await begun.promise
  controller.abort(new Error('the server stops'))
  await delay(20)
  t.notOk(isOver)
  t.equal(fstatSync(fd).nlink, 0, 'it is still that file')
  ready.resolve()
  t.match(await ended, /the server stops/)
  t.equal(fstatMaybe(fd), undefined, 'and then it is closed')
})

function fstatMaybe(fd: number): number | undefined {
  try {
    return fstatSync(fd).nlink
  } catch {
    return undefined
  }
}

void t.test('pieces that have memory of their own give it back at once, others keep theirs', async (t) => {
  const own = Buffer.from(new ArrayBuffer(1_000))
  const large = Buffer.from(new ArrayBuffer(1_500_000))
  const part = Buffer.from(new ArrayBuffer(2_000), 500, 1_000)
  const shared = Buffer.from(new SharedArrayBuffer(100))
  const body = new Readable({ read: () => undefined })
  const receiving = receiver().receive({ body, digests: [] }, never, async ({ fileBytes }) => fileBytes)
  for (const piece of [own, large, part, shared, null]) body.push(piece)
  t.equal(await receiving, 1_502_100)
  t.strictSame([own, large, part, shared].map(({ buffer }) => buffer.byteLength), [0, 0, 2_000, 100])
})

void t.test('a full disk, and a file that cannot be written, have their codes', { skip: process.platform === 'linux' ? false : 'needs /dev/full' }, async (t) => {
  const append = createAppender()
  const codeAt = async (path: string, flags: string): Promise<string> => {
    const file = await open(path, flags)
    const code = await codeOf((async () => append({ kind: 'append', upload: path, fd: file.fd, position: 0, bytes: Buffer.from('x'), isLast: false }))())
    await file.close()
    return code
  }
  t.equal(await codeAt('/dev/full', 'w'), 'STORAGE_FULL')
  t.equal(await codeAt('/dev/null', 'r'), 'INTERNAL')
  for (const [code, want] of [['ENOSPC', 'STORAGE_FULL'], ['EDQUOT', 'STORAGE_FULL'], ['EFBIG', 'STORAGE_FULL'], ['EMFILE', 'SERVER_BUSY'], ['ENFILE', 'SERVER_BUSY'], ['EIO', 'INTERNAL']] as const) {
    t.match(storageFault(Object.assign(new Error(code), { code }), 'it could not be written'), { code: want, cause: { code } }, code)
  }
  t.equal(await codeOf(receiver({ directory: join(folder, 'absent') }).receive(sending(Buffer.from('x')), never, async () => 0)), 'INTERNAL')
})

void t.test('a write that takes less than it was given is continued', async (t) => {
  const writeSync = (fd: number, bytes: NodeJS.ArrayBufferView, from?: unknown, length?: unknown, position?: unknown) => fs.writeSync(fd, bytes, from as number, Math.min(3, length as number), position as number)
  const { createAppender: mocked } = await t.mockImport<typeof appendModule>('../../../server/uploads/append.ts', { 'node:fs': { ...fs, writeSync } })
  const append = mocked()
  const bytes = Buffer.from('a package in pieces')
  const local = threadThat(async (task) => append(task as UploadTask))
  await receiver({ thread: local }).receive(sending(bytes), never, async (received) => t.same(await contentOf(received), bytes))
})

void t.test('bytes are appended to what was appended before; what was forgotten, or begun in another thread, is not gone on with', async (t) => {
  const append = createAppender()
  const file = await open(join(folder, 'appended'), 'w+')
  t.teardown(async () => await file.close())
  const [one, other] = ['one', 'other'].map((upload) => (text: string, position: number, isLast = false) => append({ kind: 'append', upload, fd: file.fd, position, bytes: Buffer.from(text), isLast }))
  t.equal(one?.('pack', 0), undefined)
  t.equal(other?.('ages', 0), undefined)
  t.strictSame(one?.('age', 4, true), sha256(Buffer.from('package')))
  t.throws(() => one?.('s', 7), /the thread that had the beginning of this upload has ended/)
  t.equal(append({ kind: 'forget', upload: 'other' }), undefined)
  t.throws(() => other?.('!', 4), /the thread that had the beginning/)
  t.strictSame(one?.('', 0, true), sha256(Buffer.alloc(0)), 'and nothing is something too')
  t.equal((await file.read(Buffer.alloc(20), 0, 20, 0)).buffer.subarray(0, 7).toString(), 'agesage')
})

void t.test('when the thread ends, the uploads that it had begun fail, and those after them have another', async (t) => {
  const mortal = createThreadPool({ module: new URL('sample-upload-thread.ts', import.meta.url), name: 'signing-uploads', size: 1, maxWaiting: 100 })
  t.teardown(async () => await mortal.close())
  const { receive } = receiver({ thread: mortal })
  const body = new Readable({ read: () => undefined })
  const begun = receive({ body, digests: [] }, never, async () => 0)
  body.push(Buffer.alloc(600_000))
  await delay(200)
  await t.rejects(receive(sending(Buffer.from('exit')), never, async () => 0), { code: 'INTERNAL', message: 'a worker thread ended in the middle of its work' })
  body.push(null)
  await t.rejects(begun, { code: 'INTERNAL', cause: /the beginning of this upload/ })
  t.equal(await receive(sending(Buffer.from('x')), never, async ({ sha256 }) => sha256.toString('hex')), sha256(Buffer.from('x')).toString('hex'))
  await mortal.close()
  t.equal(await codeOf(receive(sending(Buffer.from('x')), never, async () => 0)), 'SHUTTING_DOWN')
})

void t.test('a file whose name cannot be taken away is not kept open', { skip: process.platform === 'linux' ? false : 'needs /proc' }, async (t) => {
  const unlink = async (): Promise<never> => { throw Object.assign(new Error('EACCES'), { code: 'EACCES' }) }
  const mocked = await t.mockImport<typeof receiveModule>('../../../server/uploads/receive.ts', { 'node:fs/promises': { ...promises, unlink } })
  const before = readdirSync('/proc/self/fd').length
  const strict = mocked.createReceiver({ thread, directory, maxFileBytes: 10, maxUploads: 1, stallMs: 1_000 })
  await t.rejects(strict.receive(sending(Buffer.from('x')), never, async () => 0), { code: 'INTERNAL', cause: { code: 'EACCES' } })
  t.equal(readdirSync('/proc/self/fd').length, before)
})
