import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { createPackageScanner, DSB_TAIL_BYTES, findDsb, FORMAT_HEAD_BYTES, FormatError, recogniseFormat } from '../formats/index.ts'
import type { DsbKey, FileFormat, InstallpScan } from '../formats/index.ts'
import { LocalFileError, type LocalFileErrorCode } from './local-error.ts'
import { checkUnchanged, eachChunk, hashFile, openRegular, readPart, type OpenedFile } from './read-file.ts'

/** The Digital Signature Block at the end of a package: all its bytes, the signature with its NUL padding, and the key or its place. */
export type AttachedDsb = Readonly<{ bytes: Buffer; signature: Buffer; key: DsbKey }>

/**
 * What a local file is, by its content. `sizeBytes` and `digest` are of the bytes that a signature covers: the whole file, without a
 * block at the end of a package. `builtAt` is in seconds since 1970. The members about the package are there for `installp` alone.
 */
export type DescribedFile = Readonly<{
  filename: string
  sizeBytes: number
  digest: Readonly<{ sha256: string }>
  format: FileFormat
  package?: string
  ftype?: string
  filesets?: readonly Readonly<{ fileset: string; vrmf: string }>[]
  builtAt?: number
  dsb?: AttachedDsb
}>

/** `signal` ends the reading with its reason. */
export type ReadOptions = Readonly<{ signal?: AbortSignal | undefined }>

/**
 * Returns what a file on this machine is, in flat memory: its end is read first, then the bytes in front of a block, once.
 * @throws LocalFileError `FILE_UNREADABLE`, `FILE_KIND_REFUSED`, `FILE_CHANGED`, `PACKAGE_MALFORMED`, `DSB_MALFORMED`, `DSB_STACKED`
 */
export async function describeFile(path: string, options: ReadOptions = {}): Promise<DescribedFile> {
  const opened = await openRegular(path)
  try {
    return await describeOpened(opened, basename(path), options)
  } finally {
    await opened.handle.close()
  }
}

/**
 * Returns what a signature over a file is judged by, whatever the file is. A package that was damaged is other bytes than those that
 * were signed, and no error; a block is looked for at the end of anything.
 * @throws LocalFileError `FILE_UNREADABLE`, `FILE_KIND_REFUSED`, `FILE_CHANGED`, `DSB_MALFORMED`, `DSB_STACKED`
 */
export async function examineFile(path: string, options: ReadOptions = {}): Promise<DescribedFile> {
  const opened = await openRegular(path)
  try {
    const found = await describeOpened(opened, basename(path), options).catch((error: unknown) => {
      if (error instanceof LocalFileError && error.code === 'PACKAGE_MALFORMED') return undefined
      throw error
    })
    if (found?.package !== undefined) return found
    const { filename = basename(path), format = 'installp' } = found ?? {}
    return { filename, format, ...(await describeBytes(opened, options)) }
  } finally {
    await opened.handle.close()
  }
}

/** As {@link describeFile}, for a file that is open already. */
export async function describeOpened(opened: OpenedFile, filename: string, options: ReadOptions = {}): Promise<DescribedFile> {
  const { handle, stats } = opened
  const format = recogniseFormat(await readPart(handle, { end: Math.min(FORMAT_HEAD_BYTES, stats.size) }))
  const described = format === 'installp' ? await describePackage(opened, options) : await describeOther(opened, format, options)
  await checkUnchanged(handle, stats)
  return { filename, ...described }
}

type Described = Omit<DescribedFile, 'filename'>

async function describeOther({ handle, stats }: OpenedFile, format: FileFormat, { signal }: ReadOptions): Promise<Described> {
  const sha256 = await hashFile(handle, { end: stats.size, signal })
  return { sizeBytes: stats.size, digest: { sha256: sha256.toString('hex') }, format }
}

/** The bytes in front of a block, and the block. */
async function describeBytes(opened: OpenedFile, { signal }: ReadOptions): Promise<Omit<Described, 'format'>> {
  const dsb = await readDsb(opened)
  const sizeBytes = opened.stats.size - (dsb?.bytes.length ?? 0)
  const sha256 = await hashFile(opened.handle, { end: sizeBytes, signal })
  return { sizeBytes, digest: { sha256: sha256.toString('hex') }, ...(dsb === undefined ? {} : { dsb }) }
}

async function describePackage(opened: OpenedFile, { signal }: ReadOptions): Promise<Described> {
  const dsb = await readDsb(opened)
  const sizeBytes = opened.stats.size - (dsb?.bytes.length ?? 0)
  const hash = createHash('sha256')
  const scanner = createPackageScanner()
  const feed = eachChunk(opened.handle, { end: sizeBytes, signal }, (chunk) => {
    hash.update(chunk)
    scanner.push(chunk)
  })
  // The mark of a package was seen, so what the scanner returns, if it returns, is one.
  const { package: name, ftype, filesets, builtAt } = await feed.then(() => scanner.end() as InstallpScan).catch((error: unknown) => {
    throw formatFault(error, 'PACKAGE_MALFORMED', 'the file starts like an installp package but is none')
  })
  return { sizeBytes, digest: { sha256: hash.digest('hex') }, format: 'installp', package: name, ftype, filesets, builtAt, ...(dsb === undefined ? {} : { dsb }) }
}

async function readDsb({ handle, stats: { size } }: OpenedFile): Promise<AttachedDsb | undefined> {
  const tail = await readPart(handle, { start: Math.max(0, size - DSB_TAIL_BYTES), end: size })
  try {
    // Which key paths AIX accepts matters to who appends a block, not to who finds one.
    const finding = findDsb(tail, size, { keyDirectory: false })
    if (finding.kind === 'none') return undefined
    const { block: { signature, key }, totalBytes } = finding
    return { bytes: Buffer.from(tail.subarray(-totalBytes)), signature: Buffer.from(signature), key }
  } catch (error) {
    throw formatFault(error, error instanceof FormatError && error.code === 'DSB_STACKED' ? 'DSB_STACKED' : 'DSB_MALFORMED', 'the file ends like a Digital Signature Block but has none')
  }
}

/** Returns the LocalFileError for what the parsers of `formats` threw; every other error stays as it is. */
export function formatFault(error: unknown, code: LocalFileErrorCode, sentence: string): unknown {
  return error instanceof FormatError ? new LocalFileError(code, `${sentence}: ${error.message} (${error.code})`, { cause: error }) : error
}
