import { randomUUID } from 'node:crypto'
import type { Stats } from 'node:fs'
import { link, open, readFile, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileFault, LocalFileError } from './local-error.ts'

/** How a file comes to be. */
export type Placing = Readonly<{
  /** Writes the content, and may read it again. What it throws ends the placing, and nothing is left behind. */
  write: (handle: FileHandle) => Promise<void>
  /** A file whose mode the new one gets, and its owner where that is allowed. */
  like?: Stats
  /** Whether a file of that name is replaced; else it must not be there. */
  over: boolean
}>

/**
 * Makes a file that is complete and on the disk before it has its name, so that nobody ever sees a part of it, and what was there
 * before stays until then.
 * @throws LocalFileError `FILE_EXISTS`, `FILE_UNWRITABLE`; what `write` throws
 */
export async function placeFile(path: string, { write, like, over }: Placing): Promise<void> {
  const temporary = join(dirname(path), `.sign-${randomUUID()}.tmp`)
  const handle = await open(temporary, 'wx+', like === undefined ? 0o666 : 0o600).catch(unwritable)
  try {
    await write(handle)
    if (like !== undefined) await resemble(handle, like)
    await handle.sync().catch(unwritable)
    await (over ? rename(temporary, path) : link(temporary, path)).catch(unwritable)
    // Not every file system can do it; the file itself is safe.
    await Promise.allSettled([syncDirectory(dirname(path))])
  } finally {
    await handle.close()
    await rm(temporary, { force: true })
  }
}

/**
 * Writes a small file whole or not at all. A file of that name with the same bytes is left as it is, with others it is refused.
 * @throws LocalFileError `FILE_EXISTS`, `FILE_UNWRITABLE`
 */
export async function writeNewFile(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await placeFile(path, { write: async (handle) => await handle.writeFile(bytes).catch(unwritable), over: false })
  } catch (error) {
    const same = error instanceof LocalFileError && error.code === 'FILE_EXISTS' && (await readFile(path).then((there) => there.equals(bytes), () => false))
    if (!same) throw error
  }
}

/** Throws for whatever the file system threw while writing. @throws LocalFileError `FILE_EXISTS`, `FILE_UNWRITABLE` */
export function unwritable(cause: unknown): never {
  if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw new LocalFileError('FILE_EXISTS', 'there is a file of that name with another content', { cause })
  throw fileFault('FILE_UNWRITABLE', cause)
}

async function resemble(handle: FileHandle, { mode, uid, gid }: Stats): Promise<void> {
  // Only root may give a file away; to anybody else it belongs as every file does that they write.
  await Promise.allSettled([handle.chown(uid, gid)])
  await handle.chmod(mode & 0o777).catch(unwritable)
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path)
  await directory.sync()
}
