import { fstatSync } from 'node:fs'
import { SigningError } from '../errors.ts'
import { isUnchanged, openFileAtOnce, closeOpened, type OpenedFile, type Place } from '../roots/open.ts'
import type { Format } from '../schemas/format.ts'
import type { PackageInfo } from './package-info.ts'
import { hashFile, inspectFile } from './read-file.ts'

/** The task of a worker thread that opens a file, and inspects it at once where it is small: `maxBytes` at most. */
export type OpenTask = Readonly<{ kind: 'open'; place: Place; accept: readonly Format[]; maxBytes: number }>

/** The task of a worker thread that makes sure that a file is still what was opened, and was read. `sizeBytes` and `sha256` are of what was signed. */
export type SettleTask = Readonly<{ kind: 'settle'; file: OpenedPackage; sizeBytes: number; sha256: Uint8Array }>

/** An open file, and when it was opened (milliseconds since 1970). */
export type OpenedPackage = OpenedFile & Readonly<{ openedAtMs: number }>

/**
 * A file that is this young when it is opened may have been opened in the middle of one long write: its time is set when that begins, and
 * the clock of a file system ticks every 10 ms at the slowest; but there are some that keep times to a second, or to two.
 */
const YOUNG_MS = 100
const YOUNG_COARSE_MS = 2_100

/**
 * Opens a file, and inspects it where it is small, so that one message does for both. Synchronous: for a worker thread. Whoever asked closes it.
 * @throws SigningError what {@link openFileAtOnce} and {@link inspectFile} throw
 */
export function openPackage({ place, accept, maxBytes }: OpenTask): OpenedPackage & Readonly<{ info?: PackageInfo }> {
  const openedAtMs = Date.now()
  const opened = openFileAtOnce(place)
  const { fd, state: { size } } = opened
  if (size > maxBytes) return { ...opened, openedAtMs }
  try {
    return { ...opened, openedAtMs, info: inspectFile({ fd, fileBytes: size, sizeBytes: size }, { accept }) }
  } catch (error) {
    closeOpened({ fd })
    throw error
  }
}

/**
 * Makes sure that a file has not changed since it was opened. Of one that was written just before, the bytes are read again: they may have
 * been half of a write then, and its times would not tell. Synchronous: for a worker thread.
 * @throws SigningError `FILE_CHANGED`, `PATH_UNREADABLE`
 */
export function settlePackage({ file: { fd, state, openedAtMs }, sizeBytes, sha256 }: SettleTask): void {
  if (!isUnchanged(state, fstatSync(fd))) throw changed()
  if (isYoung({ state, openedAtMs }) && !hashFile({ fd, fileBytes: state.size, sizeBytes }).equals(sha256)) throw changed()
}

/** Whether a file was so young when it was opened that {@link settlePackage} reads it again. */
export function isYoung({ state: { mtimeMs }, openedAtMs }: Pick<OpenedPackage, 'state' | 'openedAtMs'>): boolean {
  return openedAtMs - mtimeMs < (mtimeMs % 1000 === 0 ? YOUNG_COARSE_MS : YOUNG_MS)
}

function changed(): SigningError {
  return new SigningError('FILE_CHANGED', 'the file changed while it was being signed')
}
