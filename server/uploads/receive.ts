import { randomUUID } from 'node:crypto'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { extname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { SigningError } from '../errors.ts'
import type { ThreadPool } from '../threads/pool.ts'
import { storageFault, type UploadTask } from './append.ts'
import { arrival } from './arrival.ts'

/**
 * What is being sent: the body, its declared length, and the SHA-256 digests of it that were declared, 32 raw bytes each. `maxFileBytes` is
 * how much its client may send, where that is limited; `arrived` is told of the bytes as they come.
 */
export type Sending = Readonly<{ body: Readable; declaredBytes?: number; digests: readonly Buffer[]; maxFileBytes?: number; arrived?: ((bytes: number) => void) | undefined }>

/** A file that arrived whole. It has no name any more: when its handle is closed it is gone. */
export type Received = Readonly<{ handle: FileHandle; fileBytes: number; sha256: Buffer }>

/** How uploads are received; `thread` is a pool of one thread that runs {@link UPLOAD_MODULE}. */
export type ReceiverOptions = Readonly<{ thread: ThreadPool; directory: string; maxFileBytes: number; maxUploads: number; stallMs: number }>

/** The file that the thread of the uploads runs: TypeScript in a checkout, JavaScript where it was built. */
export const UPLOAD_MODULE = new URL(`upload-thread${extname(import.meta.url)}`, import.meta.url)

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
export function createReceiver({ thread, directory, maxFileBytes, maxUploads, stallMs }: ReceiverOptions): Receiver {
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
          const { fileBytes, sha256 } = await keep(handle, sending, { thread, size, stallMs, signal })
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

type Keeping = Readonly<{ thread: ThreadPool; size: SizeLimit; stallMs: number; signal: AbortSignal }>

async function keep(handle: FileHandle, { body, declaredBytes, arrived }: Sending, { thread, size, stallMs, signal }: Keeping): Promise<Omit<Received, 'handle'>> {
  signal.throwIfAborted()
  const upload = randomUUID()
  let [arrivedBytes, fileBytes] = [0, 0]
  let sha256 = Buffer.alloc(0)
  const count = (pieceBytes: number): void => {
    arrivedBytes += pieceBytes
    arrived?.(pieceBytes)
    size.check(arrivedBytes)
  }
  try {
    await arrival(body, { declaredBytes, stallMs, signal, count }, async (bytes, isLast) => {
      const digest = await thread.run<Uint8Array | undefined>({ kind: 'append', upload, fd: handle.fd, position: fileBytes, bytes, isLast } satisfies UploadTask)
      fileBytes += bytes.length
      if (digest !== undefined) sha256 = Buffer.from(digest)
    })
    return { fileBytes, sha256 }
  } catch (error) {
    // A thread that has ended remembers nothing.
    await thread.run({ kind: 'forget', upload } satisfies UploadTask).catch(() => undefined)
    throw error
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
    throw storageFault(cause, 'the upload could not be written')
  }
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
