import { Buffer } from 'node:buffer'
import {
  FILE_TYPE, WORD_BYTES,
  alignUp, encodeEnd, encodeFile, encodeVolume,
} from './bff-record.ts'
import { baseTrailer, encodeTrailer } from './bff-trailer.ts'
import { pack } from './pack.ts'

/** Data too large to hold: its exact length and a fresh pass over its bytes. */
export type SizedChunks = Readonly<{ sizeBytes: number; chunks: Iterable<Uint8Array> }>

/** A member to write. `name` is as it stands in the package (`./usr/lpp`); `mode` holds the file type too; `mtime` is in seconds since 1970. */
export type BffMember = Readonly<{
  name: string
  mode: number
  mtime: number
  nlink?: number
  uid?: number
  gid?: number
  data?: Uint8Array | SizedChunks
  /** Store the data Huffman packed; only for data that is in memory. */
  packed?: boolean
}>

/** `date` is the date of the volume record in seconds since 1970; `user` its user (`root` when absent). */
export type BffOptions = Readonly<{ date: number; user?: string }>

/** A package is a whole number of these, as `mkinstallp` writes it. */
const BFF_BLOCK_BYTES = 512

const WORD_COUNT_UNKNOWN = 0x7fffffff
const LEVEL_BY_NAME = 100
// A directory's stored size is that of the directory on the disk it came from; this is the smallest there is.
const DIRECTORY_BYTES = 256
const DEVICE = { devMajor: 10, devMinor: 7, rdevMajor: 0, rdevMinor: 0 } as const
const NO_DATA = new Uint8Array(0)

/**
 * Returns a backup by name that holds `members` in the given order, as AIX writes it: volume record, each member with its access lists
 * and data, end record, zeros up to a multiple of 512 bytes.
 * @throws RangeError for a number or name that does not fit its field
 */
export function writeBff(members: Iterable<BffMember>, options: BffOptions): Buffer {
  return Buffer.concat([...bffChunks(members, options)])
}

/**
 * Yields the same bytes as {@link writeBff} piece by piece, so that a package of any size can be written without holding it.
 * A yielded chunk is valid until the next one is asked for.
 * @throws RangeError as {@link writeBff}, and where the chunks of a member are not as long as its size says
 */
export function* bffChunks(members: Iterable<BffMember>, options: BffOptions): Generator<Uint8Array, void, undefined> {
  let written = 0
  let directories = 0
  function counted(chunk: Uint8Array): Uint8Array {
    written += chunk.length
    return chunk
  }

  yield counted(volumeRecord(options))
  for (const member of members) {
    const isDirectory = isType(member, FILE_TYPE.directory)
    // Directories count down from the highest number, files have none.
    if (isDirectory) directories += 1
    for (const chunk of memberChunks(member, isDirectory ? 2 ** 32 - directories : 0)) yield counted(chunk)
  }
  yield counted(encodeEnd())
  yield Buffer.alloc(alignUp(written, BFF_BLOCK_BYTES) - written)
}

function volumeRecord({ date, user = 'root' }: BffOptions): Buffer {
  return encodeVolume({
    volume: 1, date, dumpDate: date, wordCount: WORD_COUNT_UNKNOWN, disk: 'by name', fileSystem: 'by name', user, level: LEVEL_BY_NAME,
  })
}

function* memberChunks(member: BffMember, inode: number): Generator<Uint8Array, void, undefined> {
  const { name, mode, mtime, nlink = 1, uid = 0, gid = 0 } = member
  const { sizeBytes, storedBytes, chunks } = storedData(member)
  const times = { atime: mtime, mtime, ctime: mtime }
  const sizes = { sizeBytes, storedBytes: isType(member, FILE_TYPE.directory) ? DIRECTORY_BYTES : storedBytes }
  const packed = member.packed ?? false
  yield encodeFile({ packed, nlink, inode, mode, uid, gid, ...sizes, ...times, ...DEVICE, name, slack: nameSlack(name) })
  yield encodeTrailer(baseTrailer(mode))
  let length = 0
  for (const chunk of chunks) {
    length += chunk.length
    yield chunk
  }
  if (length !== storedBytes) throw new RangeError(`the data of a member is ${length} bytes long, not ${storedBytes} as announced`)
  yield Buffer.alloc(alignUp(length, WORD_BYTES) - length)
}

function storedData({ data = NO_DATA, packed = false }: BffMember): SizedChunks & Readonly<{ storedBytes: number }> {
  if (!(data instanceof Uint8Array)) {
    if (packed) throw new TypeError('only data that is in memory can be packed')
    return { ...data, storedBytes: data.sizeBytes }
  }
  const stored = packed ? pack(data) : data
  return { sizeBytes: data.length, storedBytes: stored.length, chunks: [stored] }
}

function nameSlack(name: string): Buffer {
  return Buffer.alloc(alignUp(name.length + 1, WORD_BYTES) - name.length - 1)
}

function isType(member: BffMember, type: number): boolean {
  return (member.mode & FILE_TYPE.mask) === type
}
