import { realpath, stat, type FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { parseDsb } from '../formats/index.ts'
import { describeFile, describeOpened, formatFault, type DescribedFile, type ReadOptions } from './describe-file.ts'
import { fileFault, LocalFileError } from './local-error.ts'
import { placeFile, unwritable } from './place-file.ts'
import { changed, fileChunks, openRegular, regularStats, type OpenedFile } from './read-file.ts'

/** Where a package goes: into a new file, or in the place of the old one. */
export type Destination = Readonly<{ output: string } | { inPlace: true }>

/** How a block is attached. */
export type AttachOptions = Destination & ReadOptions & Readonly<{
  /** What the signature in the block is over: SHA-256 of the package without a block, 64 lower-case hexadecimal digits. */
  sha256: string
  /** Replaces a block that is there already and is another one; without it that is refused. */
  replace?: boolean
}>

/**
 * Appends a Digital Signature Block to a package, and returns the path of the file that has it. That file is complete, on the disk and
 * read again (its block is this one, what stands in front has the digest) before it has its name; the original stays until then, and
 * its mode goes over. Where the file with this block is there already, it is left alone.
 * @throws LocalFileError `FILE_…`, `NOT_A_PACKAGE`, `PACKAGE_MALFORMED`; `DSB_MALFORMED`, also for `block`; `DSB_STACKED`; `DSB_PRESENT`
 * for a package with another block; `DSB_MISMATCH` when the package is not the one that was signed
 */
export async function attachDsb(path: string, block: Uint8Array, options: AttachOptions): Promise<string> {
  checkBlock(block)
  return await rewrite(path, options, (found) => {
    if (found.digest.sha256 !== options.sha256) throw new LocalFileError('DSB_MISMATCH', 'the package does not have the digest that was signed')
    if (found.dsb !== undefined && !found.dsb.bytes.equals(block) && options.replace !== true) throw new LocalFileError('DSB_PRESENT', 'the package ends in another Digital Signature Block')
    return block
  })
}

/** A package without its block, and the block. */
export type Detached = Readonly<{ path: string; block: Buffer }>

/**
 * Removes the Digital Signature Block from the end of a package, with the care of {@link attachDsb}. A block that is damaged is not
 * removed: nobody knows how much of the end belongs to it.
 * @throws LocalFileError `FILE_…`, `NOT_A_PACKAGE`, `PACKAGE_MALFORMED`, `DSB_MALFORMED`, `DSB_STACKED`, `DSB_MISSING`
 */
export async function detachDsb(path: string, options: Destination & ReadOptions): Promise<Detached> {
  let block: Buffer = Buffer.alloc(0)
  const written = await rewrite(path, options, ({ dsb }) => {
    if (dsb === undefined) throw new LocalFileError('DSB_MISSING', 'the package has no Digital Signature Block')
    block = dsb.bytes
    return Buffer.alloc(0)
  })
  return { path: written, block }
}

/** Writes a package with the end that `endFor` wants. */
async function rewrite(path: string, options: Destination & ReadOptions, endFor: (found: DescribedFile) => Uint8Array): Promise<string> {
  // A link keeps pointing to the file; the file is what is replaced.
  const source = await realpath(path).catch((cause: unknown) => {
    throw fileFault('FILE_UNREADABLE', cause)
  })
  const opened = await openRegular(source)
  try {
    const found = await describeOpened(opened, basename(source), options)
    if (found.format !== 'installp') throw new LocalFileError('NOT_A_PACKAGE', 'only an installp package can end in a Digital Signature Block')
    const want = { end: endFor(found), found }
    const target = 'output' in options ? options.output : source
    if (await isAlready(target, want, options)) return target
    await placeFile(target, { like: opened.stats, over: 'inPlace' in options, write: async (handle) => await writePackage(handle, { source, opened, ...want }, options) })
    return target
  } finally {
    await opened.handle.close()
  }
}

type Want = Readonly<{ end: Uint8Array; found: DescribedFile }>

/** Whether the file is there as it is wanted. What is there and is something else, or cannot be read, is for the placing to say. */
async function isAlready(target: string, want: Want, { signal }: ReadOptions): Promise<boolean> {
  try {
    return isWanted(await describeFile(target, { signal }), want)
  } catch (error) {
    if (error instanceof LocalFileError) return false
    throw error
  }
}

function isWanted({ digest, dsb }: DescribedFile, { end, found }: Want): boolean {
  return digest.sha256 === found.digest.sha256 && (dsb?.bytes ?? Buffer.alloc(0)).equals(end)
}

async function writePackage(handle: FileHandle, { source, opened, end, found }: Want & Readonly<{ source: string; opened: OpenedFile }>, { signal }: ReadOptions): Promise<void> {
  for await (const chunk of fileChunks(opened.handle, { end: found.sizeBytes, signal })) await handle.writeFile(chunk).catch(unwritable)
  await handle.writeFile(end).catch(unwritable)
  if (!isWanted(await describeOpened({ handle, stats: await regularStats(handle) }, '', { signal }), { end, found })) throw changed()
  // The last look before the name changes hands: the name still means the file that was read, and nobody wrote to it.
  const now = await stat(source).catch(() => undefined)
  const { stats } = opened
  if (now?.ino !== stats.ino || now.dev !== stats.dev || now.size !== stats.size || now.mtimeMs !== stats.mtimeMs) throw changed()
}

function checkBlock(block: Uint8Array): void {
  try {
    parseDsb(block, { keyDirectory: false })
  } catch (error) {
    throw formatFault(error, 'DSB_MALFORMED', 'what should be attached is no Digital Signature Block')
  }
}
