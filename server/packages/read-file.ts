import { createHash, hash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { fstatSync, readSync, writeSync } from 'node:fs'
import { createPackageScanner, DSB_TAIL_BYTES, findDsb, FORMAT_HEAD_BYTES, FormatError, recogniseFormat } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import type { InstallpScan } from '../../formats/index.ts'
import type { Format } from '../schemas/format.ts'
import type { DsbInfo, Examined, InstallpInfo, PackageInfo } from './package-info.ts'

/**
 * A file that another thread holds open. `fileBytes` is its size when it was opened: a file of another size has changed. `sizeBytes`
 * is how many of its first bytes are wanted. `cancel`, where given, is shared memory: anything but 0 in its first cell ends the reading.
 */
export type OpenFd = Readonly<{ fd: number; fileBytes: number; sizeBytes: number; cancel?: Int32Array }>

/** The tasks of a worker thread that read a file. `accept` are the formats that are signed; others are not read to their end. */
export type ReadTask = Readonly<
  | ({ kind: 'inspect'; accept: readonly Format[]; sha256?: Uint8Array } & OpenFd)
  | ({ kind: 'examine'; sha256?: Uint8Array } & OpenFd)
  | ({ kind: 'copy'; targetFd: number } & OpenFd)
  | ({ kind: 'hash' } & OpenFd)
  | ({ kind: 'verifyMessage'; publicKey: KeyObject; signature: Uint8Array; sha256: Uint8Array } & OpenFd)
>

// Large enough that the calls do not count beside the hashing, small enough to stay in the processor's cache. One per thread, for a
// module is loaded once in each.
const buffer = Buffer.allocUnsafeSlow(256 * 1024)

// The server is out of room, or the user it runs as is.
const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT'])

/** What is known beforehand: the formats that are signed, and the SHA-256 of the whole file where it was computed already. */
export type Inspecting = Readonly<{ accept: readonly Format[]; sha256?: Uint8Array | undefined }>

/**
 * Returns what a file is and the SHA-256 of what is signed of it. Its format and a signature block at its end are looked at first, so
 * that one pass suffices. Synchronous: for a worker thread.
 * @throws SigningError `FILE_CHANGED`, `PATH_UNREADABLE`, `PACKAGE_MALFORMED`, `DSB_MALFORMED`, `DSB_STACKED`
 */
export function inspectFile(file: OpenFd, { accept, sha256 }: Inspecting): PackageInfo {
  const format = formatOf(file)
  if (format === 'toc') return { kind: 'toc' }
  if (!accept.includes(format)) return { kind: 'refused', format }
  if (format === 'installp') return inspectInstallp(file, sha256)
  return { kind: 'detached', format, sizeBytes: file.fileBytes, sha256: sha256 === undefined ? hashFile(file) : Buffer.from(sha256) }
}

/**
 * Returns what a signature over a file is judged by, whatever the file is: a package that was damaged is other bytes, and the answer
 * about its signature is that they are not those that were signed. `known` is the SHA-256 of the whole file. Synchronous.
 * @throws SigningError `FILE_CHANGED`, `PATH_UNREADABLE`, `DSB_MALFORMED`, `DSB_STACKED`
 */
export function examineFile(file: OpenFd, known?: Uint8Array): Examined {
  if (formatOf(file) === 'installp') {
    try {
      const { kind: _kind, ...examined } = inspectInstallp(file, known)
      return examined
    } catch (error) {
      if (!(error instanceof SigningError) || error.code !== 'PACKAGE_MALFORMED') throw error
    }
  }
  // The block is looked for in anything: a package whose first byte was changed is not recognised any more.
  const { unsignedBytes, dsb } = withFormatErrors(() => readDsb(file))
  const sha256 = dsb === undefined && known !== undefined ? Buffer.from(known) : hashFile({ ...file, sizeBytes: unsignedBytes })
  return { sizeBytes: unsignedBytes, sha256, ...(dsb === undefined ? {} : { dsb }) }
}

function formatOf(file: OpenFd): ReturnType<typeof recogniseFormat> {
  const format = recogniseFormat(readPart(file, 0, Math.min(FORMAT_HEAD_BYTES, file.fileBytes)))
  // Also for what is read no further: one that was empty when it was opened may be about to become a package.
  checkUnchanged(file)
  return format
}

function inspectInstallp(file: OpenFd, known: Uint8Array | undefined): Extract<PackageInfo, { kind: 'installp' }> {
  return withFormatErrors(() => {
    const { unsignedBytes, dsb } = readDsb(file)
    // The digest of the whole file is that of what is signed, unless a block at the end is not.
    const whole = dsb === undefined ? known : undefined
    const hashing = createHash('sha256')
    const scanner = createPackageScanner()
    eachChunk({ ...file, sizeBytes: unsignedBytes }, (chunk) => {
      if (whole === undefined) hashing.update(chunk)
      scanner.push(chunk)
    })
    // The magic was seen, so what the scanner returns, if it returns, is a package.
    const installp = describe(scanner.end() as InstallpScan)
    return { kind: 'installp', sizeBytes: unsignedBytes, sha256: whole === undefined ? hashing.digest() : Buffer.from(whole), installp, ...(dsb === undefined ? {} : { dsb }) }
  })
}

function readDsb(file: OpenFd): Readonly<{ unsignedBytes: number; dsb?: DsbInfo }> {
  const tailBytes = Math.min(DSB_TAIL_BYTES, file.fileBytes)
  const finding = findDsb(readPart(file, file.fileBytes - tailBytes, tailBytes), file.fileBytes, { keyDirectory: false })
  if (finding.kind === 'none') return { unsignedBytes: file.fileBytes }
  const { signature, key } = finding.block
  const dsb = { signature: Buffer.from(signature), ...(key.form === 'LOC' ? { keyPath: key.path } : {}) }
  return { unsignedBytes: finding.unsignedBytes, dsb }
}

function describe({ package: name, ftype, filesets, builtAt, lppNameModifiedAt }: InstallpScan): InstallpInfo {
  return { package: name, ftype, filesets, builtAt, lppNameModifiedAt }
}

function withFormatErrors<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    const facts = { format: error.code, offset: error.offset }
    if (error.code === 'DSB_STACKED') throw new SigningError('DSB_STACKED', error.message, facts)
    // Its key region as well: a block is what it must be in every part.
    if (error.code.startsWith('DSB_')) throw new SigningError('DSB_MALFORMED', error.message, facts)
    throw new SigningError('PACKAGE_MALFORMED', `the file starts like an installp package but is none: ${error.message} (${error.code})`, facts)
  }
}

/**
 * Returns the SHA-256 of a file, 32 raw bytes. Synchronous: for a worker thread.
 * @throws SigningError `FILE_CHANGED`, `PATH_UNREADABLE`
 */
export function hashFile(file: OpenFd): Buffer {
  const hashing = createHash('sha256')
  eachChunk(file, (chunk) => hashing.update(chunk))
  return hashing.digest()
}

/**
 * Returns the bytes of a file as a whole, which must be those whose SHA-256 is known. Whoever asks has looked at the size. Synchronous:
 * for a worker thread.
 * @throws SigningError `FILE_CHANGED`, `PATH_UNREADABLE`
 */
export function readWhole(file: OpenFd, sha256: Uint8Array): Buffer {
  const whole = Buffer.allocUnsafeSlow(file.sizeBytes)
  eachChunk(file, (chunk, position) => chunk.copy(whole, position))
  if (!hash('sha256', whole, 'buffer').equals(sha256)) throw changed(file.fileBytes)
  return whole
}

/**
 * Writes a file to the start of `targetFd` and returns the SHA-256 of the bytes that were written, 32 raw bytes. Synchronous: for a
 * worker thread.
 * @throws SigningError `FILE_CHANGED`, `PATH_UNREADABLE`, `STORAGE_FULL`, and `INTERNAL` when the target cannot be written otherwise
 */
export function copyFile(file: OpenFd, targetFd: number): Buffer {
  const hashing = createHash('sha256')
  eachChunk(file, (chunk, position) => {
    hashing.update(chunk)
    writeAll(targetFd, chunk, position)
  })
  return hashing.digest()
}

// Every read names its position: the handle may be read by others, and its own position is never moved.
function eachChunk({ fd, fileBytes, sizeBytes, cancel }: OpenFd, use: (chunk: Buffer, position: number) => void): void {
  let position = 0
  while (position < sizeBytes) {
    if (cancel !== undefined && Atomics.load(cancel, 0) !== 0) throw new Error('the reading was cancelled')
    const bytes = readAt(fd, buffer, { position, length: Math.min(buffer.length, sizeBytes - position) })
    if (bytes === 0) throw changed(fileBytes)
    use(buffer.subarray(0, bytes), position)
    position += bytes
  }
  checkUnchanged({ fd, fileBytes })
}

function checkUnchanged({ fd, fileBytes }: Pick<OpenFd, 'fd' | 'fileBytes'>): void {
  if (fstatSync(fd).size !== fileBytes) throw changed(fileBytes)
}

function readPart({ fd, fileBytes }: OpenFd, start: number, length: number): Buffer {
  const part = Buffer.alloc(length)
  for (let filled = 0; filled < length;) {
    const bytes = readAt(fd, part.subarray(filled), { position: start + filled, length: length - filled })
    if (bytes === 0) throw changed(fileBytes)
    filled += bytes
  }
  return part
}

function changed(fileBytes: number): SigningError {
  return new SigningError('FILE_CHANGED', 'the file changed while it was read', { fileBytes })
}

function readAt(fd: number, target: Buffer, { position, length }: Readonly<{ position: number; length: number }>): number {
  try {
    return readSync(fd, target, 0, length, position)
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
