import { constants, type Stats } from 'node:fs'
import { lstat, open, readlink, realpath, stat, type FileHandle } from 'node:fs/promises'
import { SigningError } from '../errors.ts'
import { isForbidden, isInside, type SafePath } from './resolve.ts'

/** An open regular file inside a root. From here on only the handle is used; the path is for names and messages. */
export type OpenedFile = Readonly<{ handle: FileHandle; stats: Stats; place: SafePath }>

/** An open directory inside a root. `path` is where its entries are read: it leads to what is open, whatever happens to the name. */
export type OpenedDirectory = Readonly<{ handle: FileHandle; path: string }>

type Place = Pick<SafePath, 'root' | 'absolutePath'>

/** Non-blocking, so that a FIFO that took the file's place cannot hang the server; no following, so that a link cannot either. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY

/** Where the system shows the descriptors of this process as links to the files behind them. */
export const DESCRIPTORS = '/proc/self/fd'

/** What the system says when somebody took away or replaced what was there a moment ago. */
const REPLACED = new Set<string | undefined>(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'ESTALE'])
/** What it says when the process or the machine has no room for another open file. */
const EXHAUSTED = new Set<string | undefined>(['EMFILE', 'ENFILE', 'ENOMEM'])

/**
 * Opens a regular file once and proves, from the handle, that what was opened is what was resolved: a directory on the way or the
 * file itself may have been swapped in between. The caller closes the handle.
 * @throws SigningError `FILE_KIND_REFUSED`, `PATH_UNREADABLE`, `FILE_CHANGED`, `PATH_OUTSIDE_ROOTS`, `SERVER_BUSY`
 */
export async function openFile(place: SafePath, descriptors: string = DESCRIPTORS): Promise<OpenedFile> {
  const before = await named(async () => await lstat(place.absolutePath))
  // What was resolved has no links, so a link has taken its place since.
  if (before.isSymbolicLink()) throw changed()
  // Not opened to find out: opening a device can rewind a tape.
  if (!before.isFile()) throw new SigningError('FILE_KIND_REFUSED', 'the path is not a regular file', { kind: before.isDirectory() ? 'directory' : 'special' })
  const handle = await named(async () => await open(place.absolutePath, FLAGS))
  return await orClosed(handle, async () => {
    const stats = await named(async () => await handle.stat())
    const found = await whereIs(handle, place, descriptors)
    if (found === 'moved' || !isSameFile(before, stats)) throw changed()
    return { handle, stats, place }
  })
}

/**
 * Opens a directory once, with the same proof, so that a listing cannot be led out of the root. The caller closes the handle.
 * @throws SigningError `PATH_UNREADABLE`, `FILE_CHANGED`, `PATH_OUTSIDE_ROOTS`, `SERVER_BUSY`
 */
export async function openDirectory(place: Place, descriptors: string = DESCRIPTORS): Promise<OpenedDirectory> {
  const handle = await named(async () => await open(place.absolutePath, FLAGS | constants.O_DIRECTORY))
  return await orClosed(handle, async () => {
    const found = await whereIs(handle, place, descriptors)
    if (found === 'moved') throw changed()
    return { handle, path: found === 'shown' ? `${descriptors}/${handle.fd}` : place.absolutePath }
  })
}

/** Whether two looks at a file saw the same file with the same content, as far as its inode tells. */
export function isUnchanged(before: Stats, after: Stats): boolean {
  return isSameFile(before, after) && before.size === after.size && before.mtimeMs === after.mtimeMs && before.ctimeMs === after.ctimeMs
}

/**
 * Runs a system call on a path that was there a moment ago. What no system call says is thrown as it is.
 * @throws SigningError `PATH_UNREADABLE`, `FILE_CHANGED`, `SERVER_BUSY`
 */
export async function named<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === undefined) throw cause
    if (isForbidden(cause)) throw new SigningError('PATH_UNREADABLE', 'the server may not read this path', { cause })
    if (REPLACED.has(code)) throw changed(cause)
    if (EXHAUSTED.has(code)) throw new SigningError('SERVER_BUSY', 'the server has too many files open', { cause })
    throw new SigningError('PATH_UNREADABLE', 'the path could not be read', { cause })
  }
}

async function orClosed<T>(handle: FileHandle, use: () => Promise<T>): Promise<T> {
  try {
    return await use()
  } catch (error) {
    await handle.close()
    throw error
  }
}

/**
 * Whether what is open is what the path still names: `shown` by the system, which lists the descriptors of this process, or `named`
 * where it does not (AIX) and the path was looked at once more; `moved` when it is not.
 */
async function whereIs(handle: FileHandle, { root, absolutePath }: Place, descriptors: string): Promise<'shown' | 'named' | 'moved'> {
  const opened = await readlink(`${descriptors}/${handle.fd}`).catch(() => undefined)
  if (opened === undefined) {
    const again = await named(async () => await realpath(absolutePath))
    return again === absolutePath && isSameFile(await handle.stat(), await named(async () => await stat(absolutePath))) ? 'named' : 'moved'
  }
  if (!isInside(root.realPath, opened)) throw new SigningError('PATH_OUTSIDE_ROOTS', 'there is no such path inside a root this client may use', { opened })
  return opened === absolutePath ? 'shown' : 'moved'
}

function isSameFile(a: Stats, b: Stats): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.mode === b.mode
}

function changed(cause?: unknown): SigningError {
  return new SigningError('FILE_CHANGED', 'the file was replaced while it was being opened', { cause })
}
