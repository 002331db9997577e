import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { changed, checkUnchanged, fileChunks, hashFile, openRegular, regularStats } from './read-file.ts'
import type { UploadBody } from './request.ts'

/**
 * A file to send: its path, a handle (which stays open and keeps its position), its bytes, or what gives a stream of the same bytes
 * each time it is called: once to hash them, and once for each try to send them.
 */
export type UploadSource = string | FileHandle | Uint8Array | (() => AsyncIterable<Uint8Array>)

/** What is sent. `filename` is the base name that the file has for the server; it may be left out for a path. */
export type Upload = Readonly<{ file: UploadSource; filename?: string | undefined }>

/** `onProgress` is called with the number of bytes that were handed to the connection so far; it falls back when a try is repeated. */
export type UploadOptions = Readonly<{ signal?: AbortSignal | undefined; onProgress?: ((sentBytes: number) => void) | undefined }>

/**
 * Hashes what is to be sent, in flat memory, and calls `use` with the body of the request. A file that is not the same any more when it
 * is sent ends the call.
 * @throws TypeError for a source without a `filename` that is no path; LocalFileError `FILE_UNREADABLE`, `FILE_KIND_REFUSED`,
 * `FILE_CHANGED`; what `use` throws
 */
export async function withUpload<T>({ file, filename }: Upload, options: UploadOptions, use: (filename: string, body: UploadBody) => Promise<T>): Promise<T> {
  if (typeof file !== 'string') {
    if (filename === undefined) throw new TypeError('`filename` must be given for what is no path')
    return await use(filename, await bodyOf(await measure(file, options), options))
  }
  const { handle, stats } = await openRegular(file)
  try {
    return await use(filename ?? basename(file), await bodyOf(await measureFile(handle, stats, options), options))
  } finally {
    await handle.close()
  }
}

/** Something that gives the same bytes again and again. */
type Measured = Readonly<{ sizeBytes: number; sha256: Buffer; chunks: () => AsyncIterable<Uint8Array>; settle?: () => Promise<void> }>

async function measure(source: Exclude<UploadSource, string>, options: UploadOptions): Promise<Measured> {
  if (typeof source === 'function') return await measureStream(source, options)
  if (source instanceof Uint8Array) return await measureStream(() => pieces(source), options)
  return await measureFile(source, await regularStats(source), options)
}

async function measureFile(handle: FileHandle, stats: Stats, { signal }: UploadOptions): Promise<Measured> {
  const extent = { end: stats.size, signal }
  const settle = async () => await checkUnchanged(handle, stats)
  return { sizeBytes: stats.size, sha256: await hashFile(handle, extent), chunks: () => fileChunks(handle, extent), settle }
}

async function measureStream(chunks: () => AsyncIterable<Uint8Array>, { signal }: UploadOptions): Promise<Measured> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const chunk of chunks()) {
    signal?.throwIfAborted()
    hash.update(chunk)
    sizeBytes += chunk.length
  }
  return { sizeBytes, sha256: hash.digest(), chunks }
}

const PIECE_BYTES = 256 * 1024

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES)
}

async function bodyOf({ sizeBytes, sha256, chunks, settle }: Measured, { onProgress }: UploadOptions): Promise<UploadBody> {
  // Whoever changed it while it was hashed is found before anything is sent.
  await settle?.()
  const counted = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    let [read, sent] = [0, 0]
    // The last piece is held back until it is certain that nothing changed: a server that has all of it begins to sign.
    let last: Uint8Array | undefined
    for await (const chunk of chunks()) {
      if (last !== undefined) {
        yield last
        sent += last.length
        onProgress?.(sent)
      }
      last = chunk
      read += chunk.length
      if (read > sizeBytes) throw changed()
    }
    if (read !== sizeBytes) throw changed()
    await settle?.()
    if (last !== undefined) yield last
    onProgress?.(read)
  }
  return { chunks: counted, sizeBytes, sha256 }
}
