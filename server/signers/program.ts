import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { SigningError } from '../errors.ts'

/**
 * Resolves with the absolute path of an executable program. A name without a slash is looked up in the folders of `path` (the syntax of
 * PATH); one with a slash is relative to the working directory of the server. It is never left to the system to look for it: a command
 * runs in a folder of its own, where a relative name, or a relative folder in PATH, would mean something else.
 * @throws SigningError `SIGNER_NOT_AVAILABLE`
 */
export async function resolveProgram(name: string, path: string | undefined): Promise<string> {
  const candidates = name.includes('/') ? [resolve(name)] : foldersOf(path).map((folder) => join(folder, name))
  for (const candidate of candidates) {
    if (await isExecutable(candidate)) return candidate
  }
  throw new SigningError('SIGNER_NOT_AVAILABLE', 'the signing command is missing or not executable', { command: name, path })
}

function foldersOf(path = ''): string[] {
  return path.split(delimiter).filter(isAbsolute)
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    // Root may "execute" what has no execute bit at all on some systems, and folders have one everywhere.
    const { mode } = await stat(file).then((found) => (found.isFile() ? found : { mode: 0 }))
    await access(file, constants.X_OK)
    return (mode & 0o111) !== 0
  } catch {
    return false
  }
}
