import { isUtf8 } from 'node:buffer'
import type { Dirent } from 'node:fs'
import { opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { SigningError } from '../errors.ts'
import { closeOpened, DESCRIPTORS, named, openDirectory } from './open.ts'
import { isPrintableName, type SafePath } from './resolve.ts'

/**
 * One entry of a listing. `name` is relative to the listed directory; `refused` marks a name that must not be used as one; `fault` says
 * why a subdirectory that was to be descended into was not.
 */
export type ListedEntry = Readonly<{ name: string; kind: 'file' | 'directory' | 'symlink' | 'special'; refused: boolean; fault?: SigningError }>

export type ListOptions = Readonly<{ recursive: boolean; maxEntries: number; signal?: AbortSignal | undefined }>

/**
 * Lists a directory in name order (bytes, as `LC_ALL=C ls`); each name is there once. With `recursive` the entries of subdirectories
 * come in their stead, named relative to the directory; links to directories are listed and not followed, so that no loop is endless.
 * @throws SigningError `DIRECTORY_TOO_LARGE`, `PATH_UNREADABLE`, `FILE_CHANGED`, `PATH_OUTSIDE_ROOTS`, `SERVER_BUSY`
 */
export async function listDirectory(place: SafePath, options: ListOptions, descriptors: string = DESCRIPTORS): Promise<readonly ListedEntry[]> {
  const entries: ListedEntry[] = []
  const pending = ['']
  let seen = 0
  for (let prefix = pending.pop(); prefix !== undefined; prefix = pending.pop()) {
    try {
      for await (const entry of entriesOf(below(place, prefix), descriptors)) {
        options.signal?.throwIfAborted()
        seen += 1
        if (seen > options.maxEntries) throw tooLarge(options.maxEntries)
        const item = listed(prefix, entry)
        if (options.recursive && item.kind === 'directory' && !item.refused) pending.push(`${item.name}/`)
        else entries.push(item)
      }
    } catch (error) {
      // One subdirectory that is closed must not keep everything else from being signed: it is a failure of its own name.
      if (prefix === '' || !(error instanceof SigningError) || error.code !== 'PATH_UNREADABLE') throw error
      entries.push({ name: prefix.slice(0, -1), kind: 'directory', refused: false, fault: error })
    }
  }
  return inNameOrder(distinct(entries))
}

/** Returns items in the order of the bytes of their names. */
export function inNameOrder<T extends Readonly<{ name: string }>>(items: readonly T[]): readonly T[] {
  const keyed = items.map((item) => ({ item, key: Buffer.from(item.name) }))
  return keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ item }) => item)
}

type Place = Pick<SafePath, 'root' | 'absolutePath'>

/** A directory that the listing itself found below `place`; opening it proves that it still lies there. */
function below({ root, absolutePath }: Place, prefix: string): Place {
  return { root, absolutePath: join(absolutePath, prefix.slice(0, -1)) as SafePath['absolutePath'] }
}

async function* entriesOf(place: Place, descriptors: string): AsyncGenerator<Dirent<Buffer>> {
  const { fd, path } = await openDirectory(place, descriptors)
  try {
    // The names as bytes: decoded by the system call a name that is not UTF-8 would turn into another file's name.
    const entries = (await named(async () => await opendir(path, { encoding: 'buffer' as 'utf8', bufferSize: 256 }))) as unknown as Entries
    const next = async () => await entries.read()
    try {
      for (let entry = await named(next); entry !== null; entry = await named(next)) yield entry
    } finally {
      await entries.close()
    }
  } finally {
    closeOpened({ fd })
  }
}

/** What of Node's Dir is used; its types know names as text alone. */
type Entries = Readonly<{ read: () => Promise<Dirent<Buffer> | null>; close: () => Promise<void> }>

function listed(prefix: string, entry: Dirent<Buffer>): ListedEntry {
  const utf8 = isUtf8(entry.name)
  const name = prefix + (utf8 ? entry.name.toString() : entry.name.toString('latin1').replaceAll(/[\u0080-\u00ff]/g, escaped))
  return { name, kind: kindOf(entry), refused: !utf8 || !isPrintableName(name) }
}

/** A byte of a name that is not UTF-8, as `\xNN`. */
function escaped(byte: string): string {
  return `\\x${byte.charCodeAt(0).toString(16)}`
}

function kindOf(entry: Dirent<Buffer>): ListedEntry['kind'] {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'directory'
  return entry.isSymbolicLink() ? 'symlink' : 'special'
}

/** An escaped name may be the true name of another entry: then it gets question marks until it is nobody's. */
function distinct(entries: readonly ListedEntry[]): readonly ListedEntry[] {
  const names = new Set(entries.map(({ name }) => name))
  if (names.size === entries.length) return entries
  const given = new Set<string>()
  // True names first: they are used, and must stay.
  return [...entries].sort((a, b) => Number(a.refused) - Number(b.refused)).map((entry) => {
    let { name } = entry
    while (given.has(name)) name += '?'
    given.add(name)
    return { ...entry, name }
  })
}

function tooLarge(maxEntries: number): SigningError {
  return new SigningError('DIRECTORY_TOO_LARGE', `the directory has more than ${maxEntries} entries, the limit limits.directoryEntries`)
}
