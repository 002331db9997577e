import { createHash } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { fileFault, LocalFileError } from './local-error.ts'

const CHUNK_BYTES = 256 * 1024

/** A regular file that is open for reading, and what it was when it was opened. */
export type OpenedFile = Readonly<{ handle: FileHandle; stats: Stats }>

/** Which bytes of a file: from `start` up to `end`. `signal` ends the reading with its reason. */
export type Extent = Readonly<{ start?: number; end: number; signal?: AbortSignal | undefined }>

/**
 * Opens a regular file; whoever asked closes the handle.
 * @throws LocalFileError `FILE_UNREADABLE`, `FILE_KIND_REFUSED`
 */
export async function openRegular(path: string): Promise<OpenedFile> {
  // Not to wait for a writer when it is a FIFO.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw fileFault('FILE_UNREADABLE', cause)
  })
  return { handle, stats: await regularStats(handle).catch(async (error: unknown) => {
    await handle.close()
    throw error
  }) }
}

/** Returns what a handle is open on. @throws LocalFileError `FILE_KIND_REFUSED` for what is no regular file */
export async function regularStats(handle: FileHandle): Promise<Stats> {
  const stats = await handle.stat()
  if (!stats.isFile()) throw new LocalFileError('FILE_KIND_REFUSED', `it is ${stats.isDirectory() ? 'a directory' : 'a device, pipe, socket or the like'}, no regular file`)
  return stats
}

/**
 * Yields the bytes of a file in pieces of at most 256 KiB, each in memory of its own: a socket keeps what it was given. Every read names
 * its position, so the handle can be read by others at the same time.
 * @throws LocalFileError `FILE_CHANGED` when the file ends before `end`, `FILE_UNREADABLE`; the reason of the signal
 */
export async function* fileChunks(handle: FileHandle, { start = 0, end, signal }: Extent): AsyncGenerator<Buffer, void, undefined> {
  let position = start
  while (position < end) {
    signal?.throwIfAborted()
    const chunk = await readSome(handle, Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, end - position)), position)
    position += chunk.length
    yield chunk
  }
}

/** Calls `use` with the bytes of a file, piece by piece, in memory that is used again: it must keep none of them. @throws as {@link fileChunks} */
export async function eachChunk(handle: FileHandle, { start = 0, end, signal }: Extent, use: (chunk: Buffer) => void): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, end - start))
  let position = start
  while (position < end) {
    signal?.throwIfAborted()
    const chunk = await readSome(handle, buffer.subarray(0, end - position), position)
    use(chunk)
    position += chunk.length
  }
}

/** Returns the bytes of a file from `start` to `end`. @throws as {@link fileChunks} */
export async function readPart(handle: FileHandle, extent: Extent): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(fileChunks(handle, extent)))
}

/** Returns the SHA-256 of the first `end` bytes of a file, 32 raw bytes. @throws as {@link fileChunks} */
export async function hashFile(handle: FileHandle, extent: Extent): Promise<Buffer> {
  const hash = createHash('sha256')
  await eachChunk(handle, extent, (chunk) => hash.update(chunk))
  return hash.digest()
}

/** Refuses a file that was written since `stats` were taken. @throws LocalFileError `FILE_CHANGED` */
export async function checkUnchanged(handle: FileHandle, { size, mtimeMs }: Stats): Promise<void> {
  const now = await handle.stat()
  if (now.size !== size || now.mtimeMs !== mtimeMs) throw changed()
}

/** The error for a file that is not what it was. */
export function changed(): LocalFileError {
  return new LocalFileError('FILE_CHANGED', 'the file changed while it was read')
}

async function readSome(handle: FileHandle, buffer: Buffer, position: number): Promise<Buffer> {
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, position).catch((cause: unknown) => {
    throw fileFault('FILE_UNREADABLE', cause)
  })
  if (bytesRead === 0) throw changed()
  return buffer.subarray(0, bytesRead)
}
