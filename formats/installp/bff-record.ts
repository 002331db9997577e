import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'

/** Everything in the container is counted in words of this many bytes, and every record starts on such a boundary. */
export const WORD_BYTES = 8

/** The magic numbers of a record. What 60013 means is not publicly known; it is recognised and refused. */
export const RECORD_MAGIC = { plain: 60_011, packed: 60_012, unknown: 60_013 } as const

/** The record types of a backup by name. Others belong to backups by i-node. */
export const RECORD_TYPE = { volume: 0, end: 7, file: 11 } as const

/** The file types in a mode, as everywhere on UNIX; AIX keeps flags of its own above bit 16. */
export const FILE_TYPE = { mask: 0o170000, directory: 0o040000, regular: 0o100000, link: 0o120000 } as const

/** The first six bytes of any record; `headerBytes` counts from the first of them. */
export type RecordPrefix = Readonly<{ headerBytes: number; type: number; magic: number }>

/** The volume record, the first of a file. Dates are seconds since 1970; the three names have up to 16 Latin-1 bytes. */
export type VolumeRecord = Readonly<{
  volume: number
  date: number
  dumpDate: number
  wordCount: number
  disk: string
  fileSystem: string
  user: string
  level: number
}>

/**
 * The header of a member. Times are seconds since 1970, sizes are bytes: `sizeBytes` of the file, `storedBytes` of what is stored (for
 * directories a number without meaning). `slack` is what stands behind the NUL of the name; AIX leaves old memory there, and as the
 * checksum covers it, it is kept.
 */
export type FileRecord = Readonly<{
  packed: boolean
  nlink: number
  inode: number
  mode: number
  uid: number
  gid: number
  sizeBytes: number
  atime: number
  mtime: number
  ctime: number
  devMajor: number
  devMinor: number
  rdevMajor: number
  rdevMinor: number
  storedBytes: number
  name: string
  slack: Uint8Array
}>

/** The length of a volume record in bytes. */
const VOLUME_RECORD_BYTES = 72

/** The longest record header: its length in words is one byte. */
export const HEADER_BYTES_MAX = 255 * WORD_BYTES

const FIXED_BYTES = 64
const NAME_FIELD_BYTES = 16

/** Reads the first six bytes of a record at `offset` of the file. @throws FormatError `BFF_RECORD_MALFORMED` for an unknown magic */
export function decodePrefix(bytes: Buffer, offset: number): RecordPrefix {
  const magic = bytes.readUInt16LE(2)
  if (magic === RECORD_MAGIC.unknown) {
    throw new FormatError('BFF_MAGIC_UNSUPPORTED', 'the package has a record of a kind whose meaning is not known', { offset })
  }
  const headerBytes = bytes.readUInt8(0) * WORD_BYTES
  if ((magic !== RECORD_MAGIC.plain && magic !== RECORD_MAGIC.packed) || headerBytes === 0) {
    throw new FormatError('BFF_RECORD_MALFORMED', 'the package has no record where one must start', { offset })
  }
  return { headerBytes, type: bytes.readUInt8(1), magic }
}

/**
 * Returns the checksum of a record header: the sum of `byte << (byte & 7)` over all its bytes, with those of the checksum itself
 * (4 and 5) taken as zero, modulo 65536.
 */
export function headerChecksum(header: Uint8Array): number {
  let sum = 0
  for (let at = 0; at < header.length; at += 1) {
    const byte = at === 4 || at === 5 ? 0 : (header[at] as number)
    sum += byte << (byte & 7)
  }
  return sum & 0xffff
}

/** Refuses a header whose checksum is not the one it carries, zero included. @throws FormatError `BFF_CHECKSUM_WRONG` */
export function checkHeaderChecksum(header: Buffer, offset: number): void {
  if (headerChecksum(header) === header.readUInt16LE(4)) return
  throw new FormatError('BFF_CHECKSUM_WRONG', 'the checksum of a record header is wrong', { offset })
}

/** Reads a volume record. @throws FormatError `BFF_RECORD_MALFORMED` when it is not 72 bytes long */
export function decodeVolume(header: Buffer): VolumeRecord {
  if (header.length !== VOLUME_RECORD_BYTES) {
    throw new FormatError('BFF_RECORD_MALFORMED', `a volume record is ${VOLUME_RECORD_BYTES} bytes long`, { offset: 0 })
  }
  return {
    volume: header.readUInt16LE(0x06),
    date: header.readUInt32LE(0x08),
    dumpDate: header.readUInt32LE(0x0c),
    wordCount: header.readUInt32LE(0x10),
    disk: nameField(header, 0x14),
    fileSystem: nameField(header, 0x24),
    user: nameField(header, 0x34),
    level: header.readUInt16LE(0x44),
  }
}

/** Writes a volume record (72 bytes), its checksum included. @throws RangeError for a number that does not fit its field */
export function encodeVolume(volume: VolumeRecord): Buffer {
  const header = startHeader(VOLUME_RECORD_BYTES, RECORD_TYPE.volume, RECORD_MAGIC.plain)
  header.writeUInt16LE(volume.volume, 0x06)
  putUint32(header, volume.date, 0x08)
  putUint32(header, volume.dumpDate, 0x0c)
  putUint32(header, volume.wordCount, 0x10)
  writeNameField(header, volume.disk, 0x14)
  writeNameField(header, volume.fileSystem, 0x24)
  writeNameField(header, volume.user, 0x34)
  header.writeUInt16LE(volume.level, 0x44)
  return seal(header)
}

// The u32 fields of a file record in their order from 0x08 on; 0x3c, behind them, is padding.
const FILE_FIELDS = [
  'inode', 'mode', 'uid', 'gid', 'sizeBytes', 'atime', 'mtime', 'ctime',
  'devMajor', 'devMinor', 'rdevMajor', 'rdevMinor', 'storedBytes',
] as const

/** Reads the header of a member. @throws FormatError `BFF_RECORD_MALFORMED` when its name is empty or does not end */
export function decodeFile(header: Buffer, offset: number): FileRecord {
  const end = header.indexOf(0, FIXED_BYTES)
  if (end <= FIXED_BYTES) throw new FormatError('BFF_RECORD_MALFORMED', 'a member of the package has no name', { offset })
  const fields = Object.fromEntries(FILE_FIELDS.map((field, index) => [field, header.readUInt32LE(0x08 + 4 * index)]))
  return {
    ...(fields as Record<(typeof FILE_FIELDS)[number], number>),
    packed: header.readUInt16LE(2) === RECORD_MAGIC.packed,
    nlink: header.readUInt16LE(0x06),
    name: header.toString('latin1', FIXED_BYTES, end),
    slack: Buffer.from(header.subarray(end + 1)),
  }
}

/** Writes the header of a member, its checksum included. @throws RangeError for a number or a name that does not fit */
export function encodeFile(file: FileRecord): Buffer {
  const nameBytes = file.name.length + 1 + file.slack.length
  const headerBytes = FIXED_BYTES + alignUp(nameBytes, WORD_BYTES)
  const header = startHeader(headerBytes, RECORD_TYPE.file, file.packed ? RECORD_MAGIC.packed : RECORD_MAGIC.plain)
  header.writeUInt16LE(file.nlink, 0x06)
  for (const [index, field] of FILE_FIELDS.entries()) putUint32(header, file[field], 0x08 + 4 * index)
  header.write(file.name, FIXED_BYTES, 'latin1')
  header.set(file.slack, FIXED_BYTES + file.name.length + 1)
  return seal(header)
}

/** Writes the end record (8 bytes). Its last field is not understood; every sample carries 1. */
export function encodeEnd(): Buffer {
  const header = startHeader(WORD_BYTES, RECORD_TYPE.end, RECORD_MAGIC.plain)
  header.writeUInt16LE(1, 0x06)
  return seal(header)
}

/** Returns `value` rounded up to a multiple of `unit`. */
export function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}

function startHeader(headerBytes: number, type: number, magic: number): Buffer {
  const header = Buffer.alloc(headerBytes)
  // A header of more than 255 words is a name of more than 1975 bytes; writeUInt8 refuses it with a RangeError.
  header.writeUInt8(headerBytes / WORD_BYTES, 0)
  header.writeUInt8(type, 1)
  header.writeUInt16LE(magic, 2)
  return header
}

function putUint32(header: Buffer, value: number, at: number): void {
  // writeUInt32LE looks at the range only: it would write 0 for NaN, the seconds of an invalid Date.
  if (!Number.isInteger(value)) throw new RangeError('a number in a record header is an integer')
  header.writeUInt32LE(value, at)
}

function seal(header: Buffer): Buffer {
  header.writeUInt16LE(headerChecksum(header), 4)
  return header
}

function nameField(header: Buffer, at: number): string {
  const text = header.toString('latin1', at, at + NAME_FIELD_BYTES)
  const end = text.indexOf('\0')
  return end === -1 ? text : text.slice(0, end)
}

function writeNameField(header: Buffer, text: string, at: number): void {
  if (text.length > NAME_FIELD_BYTES) throw new RangeError(`a name in a volume record has at most ${NAME_FIELD_BYTES} bytes`)
  header.write(text, at, 'latin1')
}
