import type { KeyObject } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { SigningError } from '../errors.ts'
import type { ThreadPool } from '../threads/pool.ts'
import type { DsbInfo, Examined, PackageInfo } from './package-info.ts'
import type { Format } from '../schemas/format.ts'
import { isYoung, type openPackage, type OpenedPackage, type OpenTask, type SettleTask } from './open-package.ts'
import type { OpenFd, ReadTask } from './read-file.ts'
import type { FindTask, Found } from '../roots/find.ts'
import type { Place } from '../roots/open.ts'
import type { Root } from '../roots/resolve.ts'

/**
 * An open file, its size when it was opened, and how many of its first bytes are meant (all of them unless it says otherwise). Whoever
 * opened it closes it, and only when no call here is under way any more.
 */
export type OpenFile = Readonly<{ fd: number; fileBytes: number; sizeBytes?: number }>

/** A file that the inspector opened: its state then, and what it is where that was found at once. */
export type InspectedFile = OpenFile & OpenedPackage & Readonly<{ info?: PackageInfo }>

/** `sha256` is that of the whole file, 32 raw bytes, where it is known already: then nothing is hashed twice. */
export type InspectOptions = Readonly<{ signal?: AbortSignal; sha256?: Buffer }>

/**
 * Opens files and reads open ones in the threads of a pool. Once a file is open its path plays no part any more.
 *
 * Each method rejects with the signal's reason when it is aborted, but only after the thread has let go of the file: a descriptor that
 * is closed under a reading thread could by then be another file. All throw SigningError: `FILE_TOO_LARGE`; `FILE_CHANGED` when the
 * file has another size than it had; `PATH_UNREADABLE`; and what the pool throws (`SERVER_BUSY`, `SHUTTING_DOWN`, `INTERNAL`).
 */
export interface Inspector {
  /** Finds what a client named in roots that it may use. @throws SigningError also what `resolvePath` throws */
  find(path: string, roots: readonly Root[], signal?: AbortSignal): Promise<Found>
  /** Opens a file of a root, and inspects it at once where it is small. The caller closes it. @throws SigningError also what `openFile` and, of a small file, `inspect` throw */
  open(place: Place, signal?: AbortSignal): Promise<InspectedFile>
  /** Resolves when a file is still what was opened and read: `signed` is the part of it that was signed. */
  settle(file: InspectedFile, signed: Readonly<{ sizeBytes: number; sha256: Buffer }>): Promise<void>
  /** Resolves with what the file is and its SHA-256. @throws SigningError also `PACKAGE_MALFORMED`, `DSB_MALFORMED`, `DSB_STACKED` */
  inspect(file: OpenFile, options?: InspectOptions): Promise<PackageInfo>
  /** Resolves with what a signature over the file is judged by, whatever it is. @throws SigningError also `DSB_MALFORMED`, `DSB_STACKED` */
  examine(file: OpenFile, options?: InspectOptions): Promise<Examined>
  /** Copies the file to the start of `target`; resolves with the SHA-256 of the copy, 32 raw bytes. @throws SigningError also `STORAGE_FULL` */
  copy(file: OpenFile, target: FileHandle, signal?: AbortSignal): Promise<Buffer>
  /** Resolves with the SHA-256 of the file, 32 raw bytes. */
  hash(file: OpenFile, signal?: AbortSignal): Promise<Buffer>
  /**
   * Resolves with whether a signature is one over the whole file, of a key that signs whole messages. The file is read again, into memory
   * as a whole, so whoever asks has looked at its size; it must still have that SHA-256.
   */
  verifyMessage(file: OpenFile, signed: SignedFile, signal?: AbortSignal): Promise<boolean>
}

/** A signature over a whole file, the key it is judged with, and the SHA-256 of what it is over, 32 raw bytes. */
export type SignedFile = Readonly<{ publicKey: KeyObject; signature: Uint8Array; sha256: Uint8Array }>

// About 3 ms of hashing: what is longer keeps others waiting, and is worth interrupting when its client has gone.
const LONG_BYTES = 4 * 1024 * 1024

// Under a millisecond of hashing: then opening and reading are one task, and many of them one message.
const SMALL_BYTES = 1024 * 1024

/** What an inspector stands on. `maxFileBytes` and `accept` are `limits.fileBytes` and `formats.accept` of the configuration; `hashed` is told of every byte that was. */
export type InspectorOptions = Readonly<{ pool: ThreadPool; maxFileBytes: number; accept: readonly Format[]; hashed?: (bytes: number) => void }>

/** Returns an inspector. */
export function createInspector({ pool, maxFileBytes, accept, hashed = () => undefined }: InspectorOptions): Inspector {
  async function read<T>(task: ReadTask, signal: AbortSignal | undefined): Promise<T> {
    if (task.fileBytes > maxFileBytes) {
      throw new SigningError('FILE_TOO_LARGE', `the file has ${task.fileBytes} bytes; limits.fileBytes is ${maxFileBytes}`)
    }
    const bytes = task.sizeBytes
    return bytes > LONG_BYTES && signal !== undefined ? readCancellable<T>(pool, task, signal) : pool.run<T>(task, { bytes, signal })
  }

  return {
    find: async (path, roots, signal) => await pool.run<Found>({ kind: 'find', path, roots } satisfies FindTask, { ahead: true, signal }),
    open: async ({ root: { realPath }, absolutePath }, signal) => {
      const task: OpenTask = { kind: 'open', place: { root: { realPath }, absolutePath }, accept, maxBytes: Math.min(SMALL_BYTES, maxFileBytes) }
      const { info, ...file } = await pool.run<ReturnType<typeof openPackage>>(task, { signal })
      return { ...file, fileBytes: file.state.size, ...(info === undefined ? {} : { info: counted(withBuffers(info), hashed) }) }
    },
    settle: async ({ fd, state, openedAtMs }, { sizeBytes, sha256 }) => {
      const isReadAgain = isYoung({ state, openedAtMs })
      const task: SettleTask = { kind: 'settle', file: { fd, state, openedAtMs }, sizeBytes, sha256: Uint8Array.from(sha256) }
      await pool.run<void>(task, isReadAgain ? { bytes: sizeBytes } : { ahead: true })
    },
    inspect: async (file, { signal, ...known } = {}) => counted(withBuffers(await read<PackageInfo>({ kind: 'inspect', accept, ...known, ...opened(file) }, signal)), hashed),
    examine: async (file, { signal, ...known } = {}) => counted(withBuffers(await read<Examined>({ kind: 'examine', ...known, ...opened(file) }, signal)), hashed),
    copy: async (file, target, signal) => asBuffer(await read<Uint8Array>({ kind: 'copy', targetFd: target.fd, ...opened(file) }, signal)),
    hash: async (file, signal) => asBuffer(await read<Uint8Array>({ kind: 'hash', ...opened(file) }, signal)),
    // Copies: a small Buffer is a window into a shared one, all of which would be cloned.
    verifyMessage: async (file, { publicKey, signature, sha256 }, signal) =>
      await read<boolean>({ kind: 'verifyMessage', publicKey, signature: Uint8Array.from(signature), sha256: Uint8Array.from(sha256), ...opened(file) }, signal),
  }
}

async function readCancellable<T>(pool: ThreadPool, task: ReadTask, signal: AbortSignal): Promise<T> {
  const cancel = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  const stop = () => Atomics.store(cancel, 0, 1)
  signal.addEventListener('abort', stop)
  const result = pool.run<T>({ ...task, cancel }, { bytes: task.sizeBytes, signal }).finally(() => signal.removeEventListener('abort', stop))
  try {
    return await result
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}

function opened({ fd, fileBytes, sizeBytes = fileBytes }: OpenFile): OpenFd {
  return { fd, fileBytes, sizeBytes }
}

function counted<T extends PackageInfo | Examined>(info: T, hashed: (bytes: number) => void): T {
  if ('sizeBytes' in info) hashed(info.sizeBytes)
  return info
}

function withBuffers<T extends PackageInfo | Examined>(info: T): T {
  if (!('sha256' in info)) return info
  const dsb: DsbInfo | undefined = 'dsb' in info ? info.dsb : undefined
  return { ...info, sha256: asBuffer(info.sha256), ...(dsb === undefined ? {} : { dsb: { ...dsb, signature: asBuffer(dsb.signature) } }) }
}

// A Buffer arrives from another thread as a plain Uint8Array.
function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}
