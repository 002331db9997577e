import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { SigningError } from '../errors.ts'
import type { Inspector } from '../packages/inspect.ts'
import { workFolderFault } from './run-folder.ts'
import type { Signable } from './signer.ts'

/** What a private copy needs of the inspector: copying and hashing off the event loop. */
export type Copier = Pick<Inspector, 'copy' | 'hash'>

/** A package whose file is at hand. */
export type CopyablePackage = Signable & Required<Pick<Signable, 'file' | 'info'>>

/** What the command is given as `infile`, and how to copy and hash it. */
export type CopyOptions = Readonly<{ path: string; signable: CopyablePackage; copier: Copier; signal: AbortSignal | undefined }>

const PLAIN_NAME = /^[A-Za-z0-9_+][A-Za-z0-9._+-]{0,254}$/

/**
 * Returns the path in `folder` under which the command gets its copy. It keeps the name of the package, which is where people put its kind
 * (`.bff`, `.I`, `.U`) and what a command may print or look at, unless that name has anything in it that a program could take for
 * something else: a blank, a quote, a leading hyphen or dot. Then it is `package.bff`. `reserved` is never returned.
 */
export function copyPath(folder: string, filename: string, reserved: string): string {
  return join(folder, PLAIN_NAME.test(filename) && filename !== reserved ? filename : 'package.bff')
}

/**
 * Copies the package from its handle to a new file of mode 0400, and makes sure that it is what was inspected.
 * @throws SigningError `FILE_CHANGED` when the package has other bytes by now, `STORAGE_FULL`, `SIGNER_NOT_AVAILABLE`
 * when the folder cannot be written to, and what the copier throws
 */
export async function makePrivateCopy({ path, signable, copier, signal }: CopyOptions): Promise<void> {
  try {
    const target = await open(path, 'wx', 0o400)
    try {
      const sha256 = await copier.copy({ ...signable.file, sizeBytes: signable.sizeBytes }, target, signal)
      if (!sha256.equals(signable.sha256)) throw new SigningError('FILE_CHANGED', 'the file changed after it was inspected')
    } finally {
      // Part of writing: some file systems tell only now that there was no room.
      await target.close()
    }
  } catch (error) {
    throw isSystemError(error) ? workFolderFault(error) : error
  }
}

/**
 * Makes sure that the copy is still what it was, for a command that changes its input has signed we do not know what.
 * @throws SigningError `SIGNER_FAILED` when it is not, and what the copier throws
 */
export async function checkPrivateCopy({ path, signable, copier, signal }: CopyOptions): Promise<void> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const { size } = await handle.stat()
      const sha256 = await copier.hash({ fd: handle.fd, fileBytes: size }, signal)
      if (!sha256.equals(signable.sha256)) throw changed(undefined)
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw isGone(error) ? changed(error) : error
  }
}

// From the copier come SigningErrors and the reason of the signal; a failed open, write or close of the copy has the system's code.
function isSystemError(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall !== undefined
}

// Removed, or replaced by a link, a folder, a pipe or something that grows.
function isGone(error: unknown): boolean {
  if (error instanceof SigningError) return error.code === 'FILE_CHANGED' || error.code === 'PATH_UNREADABLE'
  return ['ENOENT', 'ELOOP', 'ENXIO', 'EACCES'].includes(String((error as NodeJS.ErrnoException).code))
}

function changed(cause: unknown): SigningError {
  return new SigningError('SIGNER_FAILED', 'the signing command changed the file that it was given', { cause })
}
