import { constants, type Stats } from 'node:fs'
import { lstat, open, readlink, realpath, stat, type FileHandle } from 'node:fs/promises'
import { SigningError } from '../errors.ts'
import { isInside, type SafePath } from './resolve.ts'

/** An open regular file inside a root. From here on only the handle is used; the path is for names and messages. */
export type OpenedFile = Readonly<{ handle: FileHandle; stats: Stats; place: SafePath }>

/** Non-blocking, so that a FIFO that took the file's place cannot hang the server; no following, so that a link cannot either. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY

/** Where the system shows the descriptors of this process as links to the files behind them. */
const DESCRIPTORS = '/proc/self/fd'

/**
 * Opens a regular file once and proves, from the handle, that what was opened is what was resolved and still lies in its root:
 * a directory on the way or the file itself may have been swapped in between. The caller closes the handle.
 * @throws SigningError `FILE_KIND_REFUSED`, `PATH_UNREADABLE`, `FILE_CHANGED`, `PATH_OUTSIDE_ROOTS`
 */
export async function openFile(place: SafePath, descriptors: string = DESCRIPTORS): Promise<OpenedFile> {
  const before = await named(() => lstat(place.absolutePath))
  // Not opened to find out: opening a device can rewind a tape.
  if (!before.isFile()) throw new SigningError('FILE_KIND_REFUSED', 'the path is not a regular file', { kind: before.isDirectory() ? 'directory' : 'special' })
  const handle = await named(() => open(place.absolutePath, FLAGS))
  try {
    const stats = await handle.stat()
    if (!sameFile(before, stats)) throw changed()
    await proveInside(handle, stats, place, descriptors)
    return { handle, stats, place }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Whether two looks at a file saw the same file with the same content, as far as its inode tells. */
export function isUnchanged(before: Stats, after: Stats): boolean {
  return sameFile(before, after) && before.size === after.size && before.mtimeMs === after.mtimeMs && before.ctimeMs === after.ctimeMs
}

async function proveInside(handle: FileHandle, stats: Stats, { root, absolutePath }: SafePath, descriptors: string): Promise<void> {
  const opened = await readlink(`${descriptors}/${handle.fd}`).catch(() => undefined)
  if (opened !== undefined) {
    if (isInside(root.realPath, opened)) return
    throw new SigningError('PATH_OUTSIDE_ROOTS', 'there is no such path inside a root this client may use', { opened })
  }
  // Elsewhere (AIX): the path must still resolve to itself and to the very file that is open.
  const again = await named(() => realpath(absolutePath))
  if (again !== absolutePath || !sameFile(stats, await named(() => stat(absolutePath)))) throw changed()
}

function sameFile(a: Stats, b: Stats): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.mode === b.mode
}

async function named<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM') throw new SigningError('PATH_UNREADABLE', 'the server may not read this path', { cause })
    throw changed(cause)
  }
}

function changed(cause?: unknown): SigningError {
  return new SigningError('FILE_CHANGED', 'the file was replaced while it was being opened', { cause })
}
