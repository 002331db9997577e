import { createHash } from 'node:crypto'
import { readSync, writeSync } from 'node:fs'
import { FormatError, createPackageScanner } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import type { InstallpScan, PackageScan } from '../../formats/index.ts'
import type { PackageInfo } from './package-info.ts'

/**
 * A file that another thread holds open. `sizeBytes` is its size when it was opened: a file that turns out longer or shorter has
 * changed, and no more than that is ever read. `cancel`, where given, is shared memory: anything but 0 in its first cell ends the reading.
 */
export type OpenFd = Readonly<{ fd: number; sizeBytes: number; cancel?: Int32Array }>

/** The tasks of a worker thread that read a file. */
export type ReadTask = Readonly<
  ({ kind: 'inspect' } & OpenFd) | ({ kind: 'copy'; targetFd: number } & OpenFd) | ({ kind: 'hash' } & OpenFd)
>

// Large enough that the calls do not count beside the hashing, small enough to stay in the processor's cache. One per thread, for a
// module is loaded once in each.
const buffer = Buffer.allocUnsafeSlow(256 * 1024)

// The server is out of room, or the user it runs as is.
const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT'])

/**
 * Returns what a file is and its SHA-256, in one pass. Synchronous: for a worker thread.
 * @throws SigningError `FILE_CHANGED`, `PATH_UNREADABLE`, `PACKAGE_MALFORMED`, `PACKAGE_HAS_DSB`
 */
export function inspectFile(file: OpenFd): PackageInfo {
  const hash = createHash('sha256')
  const scanner = createPackageScanner()
  try {
    eachChunk(file, (chunk) => {
      hash.update(chunk)
      scanner.push(chunk)
    })
    return { sizeBytes: file.sizeBytes, sha256: hash.digest(), ...describe(scanner.end()) }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    const facts = { format: error.code, offset: error.offset }
    throw new SigningError('PACKAGE_MALFORMED', `the file starts like an installp package but is none: ${error.message} (${error.code})`, facts)
  }
}

/**
 * Returns the SHA-256 of a file, 32 raw bytes. Synchronous: for a worker thread.
 * @throws SigningError `FILE_CHANGED`, `PATH_UNREADABLE`
 */
export function hashFile(file: OpenFd): Buffer {
  const hash = createHash('sha256')
  eachChunk(file, (chunk) => hash.update(chunk))
  return hash.digest()
}

/**
 * Writes a file to the start of `targetFd` and returns the SHA-256 of the bytes that were written, 32 raw bytes. Synchronous: for a
 * worker thread.
 * @throws SigningError `FILE_CHANGED`, `PATH_UNREADABLE`, `STORAGE_FULL`, and `INTERNAL` when the target cannot be written otherwise
 */
export function copyFile(file: OpenFd, targetFd: number): Buffer {
  const hash = createHash('sha256')
  eachChunk(file, (chunk, position) => {
    hash.update(chunk)
    writeAll(targetFd, chunk, position)
  })
  return hash.digest()
}

// Every read names its position: the handle may be read by others, and its own position is never moved.
function eachChunk({ fd, sizeBytes, cancel }: OpenFd, use: (chunk: Buffer, position: number) => void): void {
  let position = 0
  for (let bytes = readAt(fd, 0); bytes > 0; bytes = readAt(fd, position)) {
    if (cancel !== undefined && Atomics.load(cancel, 0) !== 0) throw new Error('the reading was cancelled')
    if (position + bytes > sizeBytes) throw changed(sizeBytes)
    use(buffer.subarray(0, bytes), position)
    position += bytes
  }
  if (position < sizeBytes) throw changed(sizeBytes)
}

function changed(sizeBytes: number): SigningError {
  return new SigningError('FILE_CHANGED', 'the file changed while it was read', { sizeBytes })
}

function readAt(fd: number, position: number): number {
  try {
    return readSync(fd, buffer, 0, buffer.length, position)
  } catch (cause) {
    throw new SigningError('PATH_UNREADABLE', 'the file could not be read', { cause })
  }
}

function writeAll(fd: number, chunk: Buffer, position: number): void {
  try {
    for (let written = 0; written < chunk.length;) {
      written += writeSync(fd, chunk, written, chunk.length - written, position + written)
    }
  } catch (cause) {
    const isFull = FULL.has((cause as NodeJS.ErrnoException).code)
    if (isFull) throw new SigningError('STORAGE_FULL', 'there is no room for a private copy of the package', { cause })
    throw new SigningError('INTERNAL', 'the private copy of the package could not be written', { cause })
  }
}

type Described = Readonly<Pick<PackageInfo & { kind: 'installp' }, 'kind' | 'installp'> | { kind: 'toc' } | { kind: 'other' }>

function describe(scan: PackageScan): Described {
  return scan.kind === 'installp' ? describeInstallp(scan) : { kind: scan.kind }
}

function describeInstallp({ dsb, kind, package: name, ftype, filesets, builtAt, lppNameModifiedAt }: InstallpScan): Described {
  if (dsb) throw new SigningError('PACKAGE_HAS_DSB', 'the package already ends in a digital signature block')
  return { kind, installp: { package: name, ftype, filesets, builtAt, lppNameModifiedAt } }
}
