import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import promises, { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import * as fc from 'fast-check'
import t from 'tap'
import type * as receiveModule from '../../../server/uploads/receive.ts'
import { createReceiver } from '../../../server/uploads/receive.ts'
import type { Received, ReceiverOptions, Sending } from '../../../server/uploads/receive.ts'
import { codeOf } from '../../helpers/refusals.ts'

const MIB = 1024 * 1024
const folder = t.testdir({ uploads: {} })
const directory = join(folder, 'uploads')
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
const never = new AbortController().signal

const receiver = (changes: Partial<ReceiverOptions> = {}) => createReceiver({ directory, maxFileBytes: 10 * MIB, maxUploads: 8, stallMs: 5_000, ...changes })
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
  const slow = async (chunks: readonly Uint8Array[]): Promise<unknown> => {
    await ready.promise
    return { bytesWritten: chunks.reduce((sum, { length }) => sum + length, 0), buffers: chunks }
  }
  await withWritev(slow as never, async () => {
    const receiving = receiver({ maxFileBytes: 64 * MIB }).receive({ body, digests: [] }, never, async ({ fileBytes }) => fileBytes)
    await delay(100)
    t.ok(sent < 40, `${sent} pieces of 64 KiB were taken while the disk did nothing`)
    ready.resolve()
    t.equal(await receiving, 32 * MIB)
  })
})

/** Runs `work` while `writev` of every file does something else. */
async function withWritev<T>(fake: (this: FileHandle, ...args: Parameters<FileHandle['writev']>) => Promise<unknown>, work: () => Promise<T>): Promise<T> {
  const probe = await open(join(folder, 'probe'), 'w')
  const prototype = Object.getPrototypeOf(probe) as FileHandle
  await probe.close()
  const { writev } = prototype
  prototype.writev = fake as FileHandle['writev']
  try {
    return await work()
  } finally {
    prototype.writev = writev
  }
}

void t.test('a write that takes less than it was given is continued', async (t) => {
  const bytes = Buffer.from('a package in pieces')
  const short = async function (this: FileHandle, chunks: readonly NodeJS.ArrayBufferView[]): Promise<unknown> {
    const first = Buffer.from((chunks[0] as Uint8Array).subarray(0, 3))
    return { bytesWritten: (await this.write(first)).bytesWritten, buffers: chunks }
  }
  await withWritev(short as never, async () => {
    await receiver().receive(sending(bytes), never, async (received) => t.same(await contentOf(received), bytes))
  })
})

void t.test('a full disk, too many open files, and a folder that cannot be used have their codes', async (t) => {
  const failing = (code: string) => async (): Promise<never> => { throw Object.assign(new Error(code), { code }) }
  for (const [code, want] of [['ENOSPC', 'STORAGE_FULL'], ['EDQUOT', 'STORAGE_FULL'], ['EFBIG', 'STORAGE_FULL'], ['EMFILE', 'SERVER_BUSY'], ['ENFILE', 'SERVER_BUSY'], ['EIO', 'INTERNAL']] as const) {
    t.equal(await withWritev(failing(code), async () => await codeOf(receiver().receive(sending(Buffer.from('x')), never, async () => 0))), want, code)
  }
  t.equal(await codeOf(receiver({ directory: join(folder, 'absent') }).receive(sending(Buffer.from('x')), never, async () => 0)), 'INTERNAL')
})

void t.test('a file whose name cannot be taken away is not kept open', { skip: process.platform === 'linux' ? false : 'needs /proc' }, async (t) => {
  const unlink = async (): Promise<never> => { throw Object.assign(new Error('EACCES'), { code: 'EACCES' }) }
  const mocked = await t.mockImport<typeof receiveModule>('../../../server/uploads/receive.ts', { 'node:fs/promises': { ...promises, unlink } })
  const before = readdirSync('/proc/self/fd').length
  const strict = mocked.createReceiver({ directory, maxFileBytes: 10, maxUploads: 1, stallMs: 1_000 })
  await t.rejects(strict.receive(sending(Buffer.from('x')), never, async () => 0), { code: 'INTERNAL', cause: { code: 'EACCES' } })
  t.equal(readdirSync('/proc/self/fd').length, before)
})
