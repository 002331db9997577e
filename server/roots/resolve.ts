import { isUtf8 } from 'node:buffer'
import { join, sep } from 'node:path'
import { SigningError } from '../errors.ts'
import type { Brand } from '../schemas/brand.ts'
import { lstatOf, realpathBytesOf, realpathOf, take, type Steps } from './system-calls.ts'

/** A directory that clients may name files in. `path` is the configured name, `realPath` where it lay when the server started. */
export type Root = Readonly<{ name: string; path: string; realPath: string }>

/** An absolute path without links, inside a root that the client may use. Made by {@link resolvePath} and {@link placeInside} alone. */
export type SafePath = Readonly<{ root: Root; absolutePath: Brand<string, 'SafePath'>; relativePath: string }>

const MAX_PATH_BYTES = 4096
/**
 * Control characters (C0, DEL, C1), the line and paragraph separators, and what reverses the direction of text: a name with them
 * forges lines of logs and terminals, or shows as another name.
 */
const FORGES = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/u

/** Whether a file name may stand in logs, answers and terminals: well-formed Unicode without control characters. */
export function isPrintableName(name: string): boolean {
  return name.isWellFormed() && !FORGES.test(name)
}

/**
 * Returns the path as it may be looked up: absolute, no `.`, `..` or empty part, no control character; one slash at the end is dropped.
 * @throws SigningError `PATH_MALFORMED`
 */
export function parsePath(path: string): string {
  const fault = pathFault(path)
  if (fault !== undefined) throw new SigningError('PATH_MALFORMED', `the path ${fault}`)
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

function pathFault(path: string): string | undefined {
  if (!path.startsWith('/')) return 'is not absolute'
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `is longer than ${MAX_PATH_BYTES} bytes`
  if (!isPrintableName(path)) return 'has a control character or is not well-formed Unicode'
  const parts = path.slice(1).split('/')
  if (parts.at(-1) === '') parts.pop()
  if (parts.some((part) => part === '..' || part === '.')) return 'has a `.` or `..` part'
  return parts.includes('') ? 'has an empty part' : undefined
}

/**
 * Resolves what a client wrote to a place inside one of `roots`, the roots this client may use; of nested ones the innermost. A path
 * that is not there, one outside the roots and one in a root of somebody else get the same answer, so that nobody learns what lies where.
 * @throws SigningError `PATH_MALFORMED`, `PATH_OUTSIDE_ROOTS`, `PATH_UNREADABLE`, `FILE_NAME_REFUSED`
 */
export async function resolvePath(path: string, roots: readonly Root[]): Promise<SafePath> {
  return await take(resolvingPath(path, roots))
}

/** The steps of {@link resolvePath}. */
export function* resolvingPath(path: string, roots: readonly Root[]): Steps<SafePath> {
  const wanted = parsePath(path)
  // Before any system call: a path outside the roots must not even be looked at, an automounter would mount it.
  if (!roots.some((root) => isInside(root.path, wanted) || isInside(root.realPath, wanted))) throw outside()
  const bytes = yield* realPathOf(wanted, roots)
  const real = bytes.toString()
  const root = innermost(roots, real)
  if (root === undefined) throw outside()
  // A link with a harmless name may lead to a file whose name is none.
  if (!isUtf8(bytes) || !isPrintableName(real)) throw new SigningError('FILE_NAME_REFUSED', 'the path leads to a name with control characters, or one that is not UTF-8')
  return placeAt(real, root)
}

/** Returns the place of a file that a listing of a directory found: no link leads there, and opening it proves that none has come since. */
export function placeInside(directory: SafePath, name: string, roots: readonly Root[]): SafePath {
  const path = join(directory.absolutePath, name)
  return placeAt(path, innermost(roots, path) as Root)
}

function placeAt(real: string, root: Root): SafePath {
  return { root, absolutePath: real as SafePath['absolutePath'], relativePath: real.slice(root.realPath.length).replace(/^\//, '') }
}

/** Whether a path without links is a directory or something below it. */
export function isInside(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : directory + sep)
}

function innermost(roots: readonly Root[], path: string): Root | undefined {
  const around = roots.filter(({ realPath }) => isInside(realPath, path))
  return around.reduce<Root | undefined>((best, root) => (best === undefined || root.realPath.length > best.realPath.length ? root : best), undefined)
}

function* realPathOf(path: string, roots: readonly Root[]): Steps<Buffer> {
  try {
    // As bytes: decoded by the system call a name that is not UTF-8 would turn into another file's name.
    return yield* realpathBytesOf(path)
  } catch (cause) {
    if (isForbidden(cause) && (yield* isForbiddenInside(path, roots))) throw new SigningError('PATH_UNREADABLE', 'the server may not read this path', { cause })
    throw outside(cause)
  }
}

/**
 * Whether it is a directory inside the roots that may not be searched. Of one that a link leads to outside, nothing is said: whoever
 * may make links in a root could feel their way through the whole machine.
 */
function* isForbiddenInside(path: string, roots: readonly Root[]): Steps<boolean> {
  const parent = path.slice(0, path.lastIndexOf('/'))
  const real = yield* orUndefined(realpathOf(parent))
  if (real === undefined) return parent !== '' && (yield* isForbiddenInside(parent, roots))
  if (innermost(roots, real) === undefined) return false
  try {
    yield* lstatOf(path)
    return false
  } catch (cause) {
    return isForbidden(cause)
  }
}

function* orUndefined<T>(steps: Steps<T>): Steps<T | undefined> {
  try {
    return yield* steps
  } catch {
    return undefined
  }
}

/** Whether a system call was refused for want of permission. */
export function isForbidden(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EACCES' || code === 'EPERM'
}

function outside(cause?: unknown): SigningError {
  return new SigningError('PATH_OUTSIDE_ROOTS', 'there is no such path inside a root this client may use', { cause })
}
