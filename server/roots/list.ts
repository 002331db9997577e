import type { Dirent } from 'node:fs'
import { opendir } from 'node:fs/promises'
import { isUtf8 } from 'node:buffer'
import { SigningError } from '../errors.ts'
import { isPrintableName, type SafePath } from './resolve.ts'

/** One entry of a listing. `name` is relative to the listed directory; `refused` marks a name that must not be used as one. */
export type ListedEntry = Readonly<{ name: string; kind: 'file' | 'directory' | 'symlink' | 'special'; refused: boolean }>

export type ListOptions = Readonly<{ recursive: boolean; maxEntries: number; signal?: AbortSignal | undefined }>

/**
 * Lists a directory in name order (bytes, as `LC_ALL=C ls`). With `recursive` the entries of subdirectories come in their stead,
 * named relative to the directory; links to directories are listed and not followed, so that no loop is endless.
 * @throws SigningError `DIRECTORY_TOO_LARGE`, `PATH_UNREADABLE`, `FILE_CHANGED`
 */
export async function listDirectory(place: SafePath, options: ListOptions): Promise<readonly ListedEntry[]> {
  const entries: ListedEntry[] = []
  const pending = ['']
  for (let prefix = pending.pop(); prefix !== undefined; prefix = pending.pop()) {
    for await (const entry of entriesOf(place.absolutePath, prefix)) {
      options.signal?.throwIfAborted()
      if (options.recursive && entry.kind === 'directory' && !entry.refused) pending.push(`${entry.name}/`)
      else entries.push(entry)
      if (entries.length + pending.length > options.maxEntries) throw tooLarge(options.maxEntries)
    }
  }
  return entries.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
}

async function* entriesOf(directory: string, prefix: string): AsyncGenerator<ListedEntry> {
  try {
    // The names as bytes: decoded by the system call a name that is not UTF-8 would turn into another file's name.
    const entries = (await opendir(`${directory}/${prefix}`, { encoding: 'buffer' as 'utf8' })) as unknown as AsyncIterable<Dirent<Buffer>>
    for await (const entry of entries) yield listed(prefix, entry)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM') throw new SigningError('PATH_UNREADABLE', 'the server may not read a directory of this path', { cause })
    if (cause instanceof SigningError) throw cause
    throw new SigningError('FILE_CHANGED', 'a directory changed while it was being listed', { cause })
  }
}

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

function tooLarge(maxEntries: number): SigningError {
  return new SigningError('DIRECTORY_TOO_LARGE', `the directory has more than ${maxEntries} entries, the limit limits.directoryEntries`)
}
