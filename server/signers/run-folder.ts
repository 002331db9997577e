import { createHash } from 'node:crypto'
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { SigningError } from '../errors.ts'

// signing-server-run-<host>-<pid>-<start of the process>-<random>
const PREFIX = 'signing-server-run'
const FOLDER = new RegExp(`^${PREFIX}-([0-9a-f]{8})-([1-9]\\d{0,9})-(\\d{1,16})-[A-Za-z0-9]{6}$`)
const HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
const STARTED_AT = Math.round(performance.timeOrigin)

/**
 * Makes a private folder (mode 0700) for one run below `workDir`, resolves with what `use` makes of it, and removes it whatever happens.
 * Its name says which process of which host it belongs to, so that {@link removeStaleRunFolders} of a later process can tell what a
 * crash left behind.
 * @throws SigningError `STORAGE_FULL`; `SIGNER_NOT_AVAILABLE` when no folder can be made there; and what `use` throws
 */
export async function inRunFolder<T>(workDir: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await makeFolder(workDir)
  try {
    return await use(folder)
  } finally {
    await removeFolder(folder)
  }
}

/**
 * Removes the folders that runs of dead processes left below `workDir` and resolves with their names. A folder is left alone unless its name
 * is whole, it is a real folder of this user, it was made on this host, and the process that made it is gone.
 */
export async function removeStaleRunFolders(workDir: string): Promise<string[]> {
  const removed: string[] = []
  for (const name of await readdir(workDir).catch(() => [])) {
    const match = FOLDER.exec(name)
    if (match === null || isInUse(match) || !(await isOwnFolder(join(workDir, name)))) continue
    await removeFolder(join(workDir, name))
    removed.push(name)
  }
  return removed
}

/** Returns the SigningError for a work folder in which nothing can be made: `STORAGE_FULL` when it is full, else `SIGNER_NOT_AVAILABLE`. */
export function workFolderFault(cause: unknown): SigningError {
  const isFull = ['ENOSPC', 'EDQUOT'].includes(String((cause as NodeJS.ErrnoException).code))
  if (isFull) return new SigningError('STORAGE_FULL', 'the server has no room for a private copy of the package', { cause })
  return new SigningError('SIGNER_NOT_AVAILABLE', 'the work folder of the signing command cannot be used', { cause })
}

async function makeFolder(workDir: string): Promise<string> {
  try {
    return await mkdtemp(join(workDir, `${PREFIX}-${HOST}-${process.pid}-${STARTED_AT}-`))
  } catch (cause) {
    throw workFolderFault(cause)
  }
}

// What cannot be removed stays for the next start: the outcome of the run matters more.
async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => {})
}

function isInUse([, host, pid, startedAt]: RegExpExecArray): boolean {
  if (host !== HOST) return true
  // In a container a server often has the same pid as the one before it.
  if (Number(pid) === process.pid) return Number(startedAt) === STARTED_AT
  try {
    process.kill(Number(pid), 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

async function isOwnFolder(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  return found?.isDirectory() === true && found.uid === process.getuid?.()
}
