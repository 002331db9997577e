import { createHash, randomUUID } from 'node:crypto'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { SigningError } from '../errors.ts'

/** What is being sent: the body, its declared length, and the SHA-256 digests of it that were declared, 32 raw bytes each. */
export type Sending = Readonly<{ body: Readable; declaredBytes?: number; digests: readonly Buffer[] }>

/** A file that arrived whole. It has no name any more; whoever asked for it closes the handle, and with it the file is gone. */
export type Received = Readonly<{ handle: FileHandle; fileBytes: number; sha256: Buffer }>

export type ReceiverOptions = Readonly<{ directory: string; maxFileBytes: number; maxUploads: number; stallMs: number }>

/** Receives uploads into private files. */
export interface Receiver {
  /**
   * Writes a body to a file of mode 0600 that loses its name at once, so that a crash leaves nothing behind, and hashes it on the way.
   * @throws SigningError `SERVER_BUSY` when too many are under way, `FILE_TOO_LARGE` as soon as it is known, `DIGEST_MISMATCH`,
   * `REQUEST_TIMEOUT` when nothing arrives for a while, `REQUEST_ABORTED`, `STORAGE_FULL`
   */
  receive(sending: Sending, signal: AbortSignal): Promise<Received>
}

/** Returns a receiver; `maxFileBytes` and `maxUploads` are `limits.fileBytes` and `limits.uploads` of the configuration. */
export function createReceiver({ directory, maxFileBytes, maxUploads, stallMs }: ReceiverOptions): Receiver {
  let underWay = 0
  return {
    receive: async (sending, signal) => {
      if ((sending.declaredBytes ?? 0) > maxFileBytes) throw tooLarge(maxFileBytes)
      if (underWay >= maxUploads) throw new SigningError('SERVER_BUSY', `${maxUploads} uploads are under way, the limit limits.uploads`)
      underWay += 1
      try {
        return await receiveInto(await openNameless(directory), sending, { maxFileBytes, stallMs, signal })
      } finally {
        underWay -= 1
      }
    },
  }
}

type Bounds = Readonly<{ maxFileBytes: number; stallMs: number; signal: AbortSignal }>

async function receiveInto(handle: FileHandle, { body, digests }: Sending, bounds: Bounds): Promise<Received> {
  try {
    const { fileBytes, sha256 } = await store(handle, body, bounds)
    if (digests.some((digest) => !digest.equals(sha256))) throw new SigningError('DIGEST_MISMATCH', 'what arrived does not have the digest that was declared')
    return { handle, fileBytes, sha256 }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function store(handle: FileHandle, body: Readable, { maxFileBytes, stallMs, signal }: Bounds): Promise<Omit<Received, 'handle'>> {
  const hash = createHash('sha256')
  let fileBytes = 0
  // Kept open on the way out: what is left of a refused body is read and dropped by the HTTP server, and the connection lives on.
  for await (const chunk of untilStalled(body, stallMs) as AsyncIterable<Buffer>) {
    signal.throwIfAborted()
    fileBytes += chunk.length
    if (fileBytes > maxFileBytes) throw tooLarge(maxFileBytes)
    hash.update(chunk)
    await writeAll(handle, chunk)
  }
  return { fileBytes, sha256: hash.digest() }
}

async function* untilStalled(body: Readable, stallMs: number): AsyncGenerator<unknown> {
  const stalled = new SigningError('REQUEST_TIMEOUT', `nothing arrived for ${stallMs} ms`)
  const timer = setTimeout(() => body.destroy(stalled), stallMs)
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      timer.refresh()
      yield chunk
    }
  } catch (cause) {
    throw cause === stalled ? stalled : new SigningError('REQUEST_ABORTED', 'the upload broke off', { cause })
  } finally {
    clearTimeout(timer)
  }
}

async function writeAll(handle: FileHandle, chunk: Buffer): Promise<void> {
  try {
    await handle.writeFile(chunk)
  } catch (cause) {
    throw writeFault(cause)
  }
}

async function openNameless(directory: string): Promise<FileHandle> {
  const path = join(directory, `signing-server-upload-${randomUUID()}`)
  try {
    const handle = await open(path, 'wx+', 0o600)
    await unlink(path)
    return handle
  } catch (cause) {
    throw writeFault(cause)
  }
}

function writeFault(cause: unknown): SigningError {
  const isFull = ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(String((cause as NodeJS.ErrnoException).code))
  if (isFull) return new SigningError('STORAGE_FULL', 'there is no room for the upload', { cause })
  return new SigningError('INTERNAL', 'the upload could not be written', { cause })
}

function tooLarge(maxFileBytes: number): SigningError {
  return new SigningError('FILE_TOO_LARGE', `the file is larger than ${maxFileBytes} bytes, the limit limits.fileBytes`)
}
