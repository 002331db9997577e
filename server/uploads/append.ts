import { createHash, type Hash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { SigningError } from '../errors.ts'

/**
 * The tasks of the thread that keeps uploads: append bytes to one, behind those of the tasks before, which makes a hash of all of them; and
 * forget one that is not wanted to its end. `upload` is any name that no other one has; `fd` is its file, `position` how many bytes it has so far.
 */
export type UploadTask = Readonly<
  | { kind: 'append'; upload: string; fd: number; position: number; bytes: Uint8Array; isLast: boolean }
  | { kind: 'forget'; upload: string }
>

/**
 * Returns what performs such tasks, synchronously: for a thread. Behind the last bytes of an upload the result is the SHA-256 of all, 32 raw bytes.
 * @throws SigningError `STORAGE_FULL`; `INTERNAL` when the file cannot be written otherwise
 */
export function createAppender(): (task: UploadTask) => Buffer | undefined {
  const hashes = new Map<string, Hash>()
  return (task) => {
    const { kind, upload } = task
    const hash = task.kind === 'append' && task.position === 0 ? createHash('sha256') : hashes.get(upload)
    hashes.delete(upload)
    if (kind === 'forget') return undefined
    if (hash === undefined) throw new Error('the thread that had the beginning of this upload has ended')
    writeAll(task)
    hash.update(task.bytes)
    if (task.isLast) return hash.digest()
    hashes.set(upload, hash)
    return undefined
  }
}

function writeAll({ fd, bytes, position }: Extract<UploadTask, { kind: 'append' }>): void {
  try {
    // A system call may write less than it was given; the next one says why, when there is a reason.
    for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written, bytes.length - written, position + written)
  } catch (cause) {
    throw storageFault(cause, 'the upload could not be written')
  }
}

const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])
const EXHAUSTED: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE'])

/** Returns the error for what a file system said: `STORAGE_FULL`, `SERVER_BUSY` when no more files can be open, else `INTERNAL` with this message. */
export function storageFault(cause: unknown, message: string): SigningError {
  const { code } = cause as NodeJS.ErrnoException
  if (FULL.has(code)) return new SigningError('STORAGE_FULL', 'there is no room for the upload', { cause })
  if (EXHAUSTED.has(code)) return new SigningError('SERVER_BUSY', 'the server has too many files open', { cause })
  return new SigningError('INTERNAL', message, { cause })
}
