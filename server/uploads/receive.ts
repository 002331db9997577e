import { createHash, randomUUID } from 'node:crypto'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { SigningError } from '../errors.ts'
import { arrival } from './arrival.ts'

/**
 * What is being sent: the body, its declared length, and the SHA-256 digests of it that were declared, 32 raw bytes each. `maxFileBytes` is
 * how much its client may send, where that is limited; `arrived` is told of the bytes as they come.
 */
export type Sending = Readonly<{ body: Readable; declaredBytes?: number; digests: readonly Buffer[]; maxFileBytes?: number; arrived?: ((bytes: number) => void) | undefined }>

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

/** Returns a receiver; `maxFileBytes` and `maxUploads` are `limits.fileBytes` and `limits.uploads` of the configuration. */
export function createReceiver({ directory, maxFileBytes, maxUploads, stallMs }: ReceiverOptions): Receiver {
  let underWay = 0
  return {
    receive: async (sending, signal, use) => {
      const size = sizeLimit(sending, maxFileBytes)
      size.check(sending.declaredBytes ?? 0)
      if (underWay >= maxUploads) throw new SigningError('SERVER_BUSY', `${maxUploads} uploads are under way, the limit limits.uploads`)
      underWay += 1
      try {
        const handle = await openNameless(directory)
        try {
          const { fileBytes, sha256 } = await store(handle, sending, { size, stallMs, signal })
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

type Bounds = Readonly<{ size: SizeLimit; stallMs: number; signal: AbortSignal }>

async function store(handle: FileHandle, { body, arrived }: Sending, { size, stallMs, signal }: Bounds): Promise<Omit<Received, 'handle'>> {
  signal.throwIfAborted()
  const hash = createHash('sha256')
  let fileBytes = 0
  await arrival(body, { stallMs, signal }, async (chunks) => {
    const sizeBytes = chunks.reduce((sum, { length }) => sum + length, 0)
    fileBytes += sizeBytes
    arrived?.(sizeBytes)
    size.check(fileBytes)
    const written = write(handle, chunks, sizeBytes)
    // While a thread of libuv writes.
    for (const chunk of chunks) hash.update(chunk)
    await written
  })
  return { fileBytes, sha256: hash.digest() }
}

async function write(handle: FileHandle, chunks: readonly Buffer[], sizeBytes: number): Promise<void> {
  try {
    const { bytesWritten } = await handle.writev(chunks)
    // A system call may write less than it was given; the next one says why, when there is a reason.
    if (bytesWritten < sizeBytes) await handle.writeFile(Buffer.concat(chunks).subarray(bytesWritten))
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

type SizeLimit = Readonly<{ check: (fileBytes: number) => void }>

/** The smaller one of the limits of the server and of the client. */
function sizeLimit({ maxFileBytes: ofClient = Number.POSITIVE_INFINITY }: Sending, ofServer: number): SizeLimit {
  const limit = ofClient < ofServer ? `maxFileBytes of this client is ${ofClient}` : `limits.fileBytes is ${ofServer}`
  const most = Math.min(ofClient, ofServer)
  return {
    check: (fileBytes) => {
      if (fileBytes > most) throw new SigningError('FILE_TOO_LARGE', `the file is larger than it may be; ${limit}`)
    },
  }
}
