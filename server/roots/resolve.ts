import { realpath } from 'node:fs/promises'
import { sep } from 'node:path'
import { SigningError } from '../errors.ts'
import type { Brand } from '../schemas/brand.ts'

/** A directory that clients may name files in. `path` is the configured name, `realPath` where it lay when the server started. */
export type Root = Readonly<{ name: string; path: string; realPath: string }>

/** An absolute path without links, inside a root that the client may use. Made by {@link resolvePath} alone. */
export type SafePath = Readonly<{ root: Root; absolutePath: Brand<string, 'SafePath'>; relativePath: string }>

const MAX_PATH_BYTES = 4096
/** C0 controls, DEL and C1 controls: a name with them forges lines of logs and terminals. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** Whether a file name may stand in logs, answers and terminals: well-formed Unicode without control characters. */
export function isPrintableName(name: string): boolean {
  return name.isWellFormed() && !CONTROL.test(name)
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
 * Resolves what a client wrote to a place inside one of `roots`, the roots this client may use. A path that is not there, one
 * outside the roots and one in a root of somebody else get the same answer, so that nobody learns what lies where.
 * @throws SigningError `PATH_MALFORMED`, `PATH_OUTSIDE_ROOTS`, `PATH_UNREADABLE`
 */
export async function resolvePath(path: string, roots: readonly Root[]): Promise<SafePath> {
  const wanted = parsePath(path)
  // Before any system call: a path outside the roots must not even be looked at, an automounter would mount it.
  if (!roots.some((root) => isInside(root.path, wanted) || isInside(root.realPath, wanted))) throw outside()
  const real = await realPathOf(wanted)
  const root = roots.find((candidate) => isInside(candidate.realPath, real))
  if (root === undefined) throw outside()
  return { root, absolutePath: real as SafePath['absolutePath'], relativePath: real.slice(root.realPath.length).replace(/^\//, '') }
}

/** Whether a path without links is a directory or something below it. */
export function isInside(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : directory + sep)
}

async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM') throw new SigningError('PATH_UNREADABLE', 'the server may not read this path', { cause })
    throw outside(cause)
  }
}

function outside(cause?: unknown): SigningError {
  return new SigningError('PATH_OUTSIDE_ROOTS', 'there is no such path inside a root this client may use', { cause })
}
