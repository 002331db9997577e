import { closeSync, constants, type Stats } from 'node:fs'
import { SigningError } from '../errors.ts'
import { isForbidden, isInside, type SafePath } from './resolve.ts'
import { closing, descriptorOf, fstatOf, lstatOf, readlinkOf, realpathOf, statOf, take, takeAtOnce, type Steps } from './system-calls.ts'

/** What tells an open file from another, and from itself after a change; times in milliseconds since 1970. */
export type FileState = Pick<Stats, 'dev' | 'ino' | 'mode' | 'size' | 'mtimeMs' | 'ctimeMs'>

/** An open regular file inside a root. From here on only the descriptor is used. Whoever opened it closes it. */
export type OpenedFile = Readonly<{ fd: number; state: FileState }>

/** An open directory inside a root. `path` is where its entries are read: it leads to what is open, whatever happens to the name. */
export type OpenedDirectory = Readonly<{ fd: number; path: string }>

/** A place as it travels between threads: where its root lies, and itself, both without links. */
export type Place = Readonly<{ root: Pick<SafePath['root'], 'realPath'>; absolutePath: string }>

/** Non-blocking, so that a FIFO that took the file's place cannot hang the server; no following, so that a link cannot either. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY

/** Where the system shows the descriptors of this process as links to the files behind them. */
export const DESCRIPTORS = '/proc/self/fd'

/** What the system says when somebody took away or replaced what was there a moment ago. */
const REPLACED = new Set<string | undefined>(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'ESTALE'])
/** What it says when the process or the machine has no room for another open file. */
const EXHAUSTED = new Set<string | undefined>(['EMFILE', 'ENFILE', 'ENOMEM'])

/**
 * Opens a regular file once and proves, from the descriptor, that what was opened is what was resolved: a directory on the way or the
 * file itself may have been swapped in between.
 * @throws SigningError `FILE_KIND_REFUSED`, `PATH_UNREADABLE`, `FILE_CHANGED`, `PATH_OUTSIDE_ROOTS`, `SERVER_BUSY`
 */
export async function openFile(place: Place, descriptors: string = DESCRIPTORS): Promise<OpenedFile> {
  return await take(openingFile(place, descriptors))
}

/** Opens a file as {@link openFile} does, at once: for a worker thread. */
export function openFileAtOnce(place: Place, descriptors: string = DESCRIPTORS): OpenedFile {
  return takeAtOnce(openingFile(place, descriptors))
}

function* openingFile(place: Place, descriptors: string): Steps<OpenedFile> {
  const before = yield* naming(lstatOf(place.absolutePath))
  // What was resolved has no links, so a link has taken its place since.
  if (before.isSymbolicLink()) throw changed()
  // Not opened to find out: opening a device can rewind a tape.
  if (!before.isFile()) throw new SigningError('FILE_KIND_REFUSED', 'the path is not a regular file', { kind: before.isDirectory() ? 'directory' : 'special' })
  const fd = yield* naming(descriptorOf(place.absolutePath, FLAGS))
  return yield* orClosed(fd, function* () {
    const state = stateOf(yield* naming(fstatOf(fd)))
    const found = yield* whereIs(fd, place, descriptors)
    if (found === 'moved' || !isSameFile(before, state)) throw changed()
    return { fd, state }
  })
}

/**
 * Opens a directory once, with the same proof, so that a listing cannot be led out of the root.
 * @throws SigningError `PATH_UNREADABLE`, `FILE_CHANGED`, `PATH_OUTSIDE_ROOTS`, `SERVER_BUSY`
 */
export async function openDirectory(place: Place, descriptors: string = DESCRIPTORS): Promise<OpenedDirectory> {
  return await take(openingDirectory(place, descriptors))
}

function* openingDirectory(place: Place, descriptors: string): Steps<OpenedDirectory> {
  const fd = yield* naming(descriptorOf(place.absolutePath, FLAGS | constants.O_DIRECTORY))
  return yield* orClosed(fd, function* () {
    const found = yield* whereIs(fd, place, descriptors)
    if (found === 'moved') throw changed()
    return { fd, path: found === 'shown' ? `${descriptors}/${fd}` : place.absolutePath }
  })
}

/** Closes what was opened to be read, which nothing can be lost with. */
export function closeOpened({ fd }: Readonly<{ fd: number }>): void {
  closeSync(fd)
}

/** Whether two looks at a file saw the same file with the same content, as far as its inode tells. */
export function isUnchanged(before: FileState, after: FileState): boolean {
  return isSameFile(before, after) && before.size === after.size && before.mtimeMs === after.mtimeMs && before.ctimeMs === after.ctimeMs
}

/**
 * Takes a look at a path that was there a moment ago. What no system call says is thrown as it is.
 * @throws SigningError `PATH_UNREADABLE`, `FILE_CHANGED`, `SERVER_BUSY`
 */
export async function named<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look()
  } catch (cause) {
    throw nameFault(cause)
  }
}

/** Steps that throw as {@link named} does. */
export function* naming<T>(steps: Steps<T>): Steps<T> {
  try {
    return yield* steps
  } catch (cause) {
    throw nameFault(cause)
  }
}

function nameFault(cause: unknown): unknown {
  const { code } = cause as NodeJS.ErrnoException
  if (code === undefined) return cause
  if (isForbidden(cause)) return new SigningError('PATH_UNREADABLE', 'the server may not read this path', { cause })
  if (REPLACED.has(code)) return changed(cause)
  if (EXHAUSTED.has(code)) return new SigningError('SERVER_BUSY', 'the server has too many files open', { cause })
  return new SigningError('PATH_UNREADABLE', 'the path could not be read', { cause })
}

function* orClosed<T>(fd: number, use: () => Steps<T>): Steps<T> {
  try {
    return yield* use()
  } catch (error) {
    yield* closing(fd)
    throw error
  }
}

/**
 * Whether what is open is what the path still names: `shown` by the system, which lists the descriptors of this process, or `named`
 * where it does not (AIX) and the path was looked at once more; `moved` when it is not.
 */
function* whereIs(fd: number, { root, absolutePath }: Place, descriptors: string): Steps<'shown' | 'named' | 'moved'> {
  const opened = yield* shownPath(`${descriptors}/${fd}`)
  if (opened === undefined) {
    const again = yield* naming(realpathOf(absolutePath))
    return again === absolutePath && isSameFile(yield* fstatOf(fd), yield* naming(statOf(absolutePath))) ? 'named' : 'moved'
  }
  if (!isInside(root.realPath, opened)) throw new SigningError('PATH_OUTSIDE_ROOTS', 'there is no such path inside a root this client may use', { opened })
  return opened === absolutePath ? 'shown' : 'moved'
}

function* shownPath(descriptor: string): Steps<string | undefined> {
  try {
    return yield* readlinkOf(descriptor)
  } catch {
    return undefined
  }
}

function isSameFile(a: FileState, b: FileState): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.mode === b.mode
}

function stateOf({ dev, ino, mode, size, mtimeMs, ctimeMs }: Stats): FileState {
  return { dev, ino, mode, size, mtimeMs, ctimeMs }
}

function changed(cause?: unknown): SigningError {
  return new SigningError('FILE_CHANGED', 'the file was replaced while it was being opened', { cause })
}
