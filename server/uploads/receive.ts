import { createHash, randomUUID } from 'node:crypto'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable, type Readable } from 'node:stream'
import { SigningError } from '../errors.ts'

/** What is being sent: the body, its declared length, and the SHA-256 digests of it that were declared, 32 raw bytes each. */
export type Sending = Readonly<{ body: Readable; declaredBytes?: number; digests: readonly Buffer[] }>

/** A file that arrived whole. It has no name any more: when its handle is closed it is gone. */
export type Received = Readonly<{ handle: FileHandle; fileBytes: number; sha256: Buffer }>

export type ReceiverOptions = Readonly<{ directory: string; maxFileBytes: number; maxUploads: number; stallMs: number }>

/** Receives uploads into private files. */
export interface Receiver {
  /**
   * Writes a body to a file of mode 0600 that loses its name at once, so that a crash leaves nothing behind, hashes it on the way, and
   * returns what `use` makes of it. The file is closed afterwards; until then it counts as an upload. What is left of a body that is
   * refused is read and dropped, so that the connection can be used again.
   * @throws SigningError `SERVER_BUSY` when too many are under way, `FILE_TOO_LARGE` as soon as it is known, `DIGEST_MISMATCH`,
   * `REQUEST_TIMEOUT` when nothing arrives for `stallMs`, `REQUEST_ABORTED`, `STORAGE_FULL`; the reason of an aborted signal
   */
  receive<T>(sending: Sending, signal: AbortSignal, use: (received: Received) => Promise<T>): Promise<T>
}

/**
 * How much may wait while the disk is busy. What has come together meanwhile is written at once: the pieces of a TLS connection have
 * 16 KiB, too little for a system call each.
 */
const WAITING_BYTES = 1024 * 1024

/** Returns a receiver; `maxFileBytes` and `maxUploads` are `limits.fileBytes` and `limits.uploads` of the configuration. */
export function createReceiver({ directory, maxFileBytes, maxUploads, stallMs }: ReceiverOptions): Receiver {
  let underWay = 0
  return {
    receive: async (sending, signal, use) => {
      if ((sending.declaredBytes ?? 0) > maxFileBytes) throw tooLarge(maxFileBytes)
      if (underWay >= maxUploads) throw new SigningError('SERVER_BUSY', `${maxUploads} uploads are under way, the limit limits.uploads`)
      underWay += 1
      try {
        const handle = await openNameless(directory)
        try {
          const { fileBytes, sha256 } = await store(handle, sending.body, { maxFileBytes, stallMs, signal })
          if (sending.digests.some((digest) => !digest.equals(sha256))) throw new SigningError('DIGEST_MISMATCH', 'what arrived does not have the digest that was declared')
          return await use({ handle, fileBytes, sha256 })
        } finally {
          await handle.close()
        }
      } finally {
        underWay -= 1
      }
    },
  }
}

type Bounds = Readonly<{ maxFileBytes: number; stallMs: number; signal: AbortSignal }>

async function store(handle: FileHandle, body: Readable, { maxFileBytes, stallMs, signal }: Bounds): Promise<Omit<Received, 'handle'>> {
  signal.throwIfAborted()
  const hash = createHash('sha256')
  let fileBytes = 0
  const sink = writer(async (bytes) => {
    hash.update(bytes)
    fileBytes += bytes.length
    if (fileBytes > maxFileBytes) throw tooLarge(maxFileBytes)
    await write(handle, bytes)
  })
  await arrival(body, sink, { stallMs, signal })
  return { fileBytes, sha256: hash.digest() }
}

/** Resolves when `body` has ended and `sink` has written all of it. Not `pipeline`, which ends the connection with the first error. */
async function arrival(body: Readable, sink: Writable, { stallMs, signal }: Omit<Bounds, 'maxFileBytes'>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const stalled = setTimeout(() => sink.destroy(new SigningError('REQUEST_TIMEOUT', `nothing of the upload arrived for ${stallMs} ms`)), stallMs)
  const stop = () => sink.destroy(signal.reason as Error)
  const broken = (cause?: Error) => sink.destroy(new SigningError('REQUEST_ABORTED', 'the upload broke off', { cause }))
  const closed = () => body.readableEnded || broken()
  const alive = () => stalled.refresh()
  sink.once('finish', resolve).once('error', reject).on('drain', alive)
  signal.addEventListener('abort', stop)
  body.once('error', broken).once('close', closed).on('data', alive).pipe(sink)
  try {
    await promise
  } finally {
    clearTimeout(stalled)
    signal.removeEventListener('abort', stop)
    // From here on an error of the connection is nobody's business, and must not end the process.
    body.unpipe(sink).off('data', alive).off('close', closed).off('error', broken).on('error', () => undefined).resume()
  }
}

/** Returns a stream that writes one piece at a time and joins what has come meanwhile. */
function writer(save: (bytes: Buffer) => Promise<void>): Writable {
  const settle = (bytes: Buffer, done: (error?: Error) => void) => void save(bytes).then(() => done(), done)
  return new Writable({
    highWaterMark: WAITING_BYTES,
    write: (chunk: Buffer, _encoding, done) => settle(chunk, done),
    writev: (chunks, done) => settle(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)), done),
  })
}

async function write(handle: FileHandle, bytes: Buffer): Promise<void> {
  try {
    await handle.writeFile(bytes)
  } catch (cause) {
    throw writeFault(cause)
  }
}

async function openNameless(directory: string): Promise<FileHandle> {
  const path = join(directory, `signing-server-upload-${randomUUID()}`)
  try {
    const handle = await open(path, 'wx+', 0o600)
    await unlink(path).catch(async (cause: unknown) => {
      await handle.close()
      throw cause
    })
    return handle
  } catch (cause) {
    throw writeFault(cause)
  }
}

const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])
const EXHAUSTED: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE'])

function writeFault(cause: unknown): SigningError {
  const { code } = cause as NodeJS.ErrnoException
  if (FULL.has(code)) return new SigningError('STORAGE_FULL', 'there is no room for the upload', { cause })
  if (EXHAUSTED.has(code)) return new SigningError('SERVER_BUSY', 'the server has too many files open', { cause })
  return new SigningError('INTERNAL', 'the upload could not be written', { cause })
}

function tooLarge(maxFileBytes: number): SigningError {
  return new SigningError('FILE_TOO_LARGE', `the file is larger than ${maxFileBytes} bytes, the limit limits.fileBytes`)
}
