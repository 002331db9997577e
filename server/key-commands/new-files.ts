import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { flushFolder } from '../flush-folder.ts'
import { KeyCommandFault } from './fault.ts'

/** A file to make: its whole content, and its permissions whatever the umask is. */
export type NewFile = Readonly<{ path: string; content: string; mode: 0o600 | 0o644 }>

/**
 * Makes files that are not there yet, all of them or none: on disk with their names when it resolves. Nothing is ever written over.
 * @throws KeyCommandFault
 */
export async function writeNewFiles(files: readonly NewFile[]): Promise<void> {
  const made: NewFile[] = []
  try {
    for (const file of files) {
      await writeNewFile(file, () => made.push(file))
    }
    for (const folder of new Set(files.map(({ path }) => dirname(path)))) await flushFolder(folder)
  } catch (error) {
    await removeFiles(made)
    throw error
  }
}

/** Takes files away again that {@link writeNewFiles} made. */
export async function removeFiles(files: readonly Pick<NewFile, 'path'>[]): Promise<void> {
  for (const { path } of files) await rm(path, { force: true })
}

async function writeNewFile({ path, content, mode }: NewFile, made: () => void): Promise<void> {
  try {
    await using handle = await open(path, 'wx', 0o600)
    made()
    await handle.writeFile(content)
    await handle.chmod(mode)
    await handle.sync()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new KeyCommandFault(code === 'EEXIST' ? `${path} is there already, and nothing is written over; remove it, or name another folder with --out` : `${path} cannot be made (${code})`, { cause })
  }
}
