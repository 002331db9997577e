import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  FILE_TYPE, RECORD_MAGIC,
  checkHeaderChecksum, decodeFile, decodePrefix, decodeVolume, encodeEnd, encodeFile, encodeVolume, headerChecksum,
} from '../../../formats/installp/bff-record.ts'
import { baseTrailer, decodeTrailerLengths, encodeTrailer } from '../../../formats/installp/bff-trailer.ts'
import { bffChunks, writeBff } from '../../../formats/installp/bff-writer.ts'
import { createBffReader } from '../../../formats/installp/bff.ts'
import type { FileRecord } from '../../../formats/installp/bff-record.ts'
import type { BffMember } from '../../../formats/installp/bff-writer.ts'

// Headers that AIX wrote: two volume records, the record of an lpp_name with its trailer, an end record.
const VOLUME_PKGA = Buffer.from('09006beae8d70100c353fb51c353fb51ffffff7f6279206e616d650000000000000000006279206e616d65000000000000000000726f6f7400000000000000000000000064000000', 'hex')
const VOLUME_TEST = Buffer.from('09006bea74fb0100b25a5466b25a5466ffffff7f6279206e616d650000000000000000006279206e616d65000000000000000000726f6f7400000000000000000000000064000000', 'hex')
const LPP_NAME = Buffer.from('0a0b6bea8c79010000000000a481000000000000000000009f000000c353fb51c353fb51c353fb510a0000000700000000000000000000009f000000000000002e2f6c70705f6e616d6500000000000002000000020000001000000000000000656d06000400040010000000a48100000000000000000000', 'hex')
const END = Buffer.from('01076bea840a0100', 'hex')
const HEADER_BYTES = 80

const DIRECTORY = 0o240755
const REGULAR = 0o100644

type Seen = { events: string[]; data: Map<string, Buffer> }

/** Feeds `file` in pieces of `size` bytes, each in a buffer that is overwritten afterwards, and returns what the reader said. */
function read(file: Buffer, size = file.length, wants: (member: FileRecord) => boolean = () => true): Seen {
  const seen: Seen = { events: [], data: new Map() }
  let name = ''
  const reader = createBffReader({
    onVolume: (volume) => { seen.events.push(`volume ${volume.date}`) },
    onMember: (member) => {
      name = member.name
      seen.events.push(name)
      return wants(member)
    },
    onData: (chunk) => { seen.data.set(name, Buffer.concat([seen.data.get(name) ?? Buffer.alloc(0), chunk])) },
    onMemberEnd: () => { seen.events.push('.') },
    onEnd: () => { seen.events.push('end') },
  })
  for (let at = 0; at < file.length; at += size) {
    const chunk = Buffer.from(file.subarray(at, at + size))
    reader.push(chunk)
    chunk.fill(0xee)
  }
  reader.end()
  return seen
}

function member(changes: Partial<FileRecord> = {}): Buffer {
  const base = decodeFile(LPP_NAME.subarray(0, HEADER_BYTES), 0)
  const name = changes.name ?? base.name
  return encodeFile({ ...base, slack: Buffer.alloc(7 - (name.length % 8)), ...changes })
}

function packageOf(...parts: Buffer[]): Buffer {
  return Buffer.concat([VOLUME_PKGA, ...parts, END])
}

const TRAILER = encodeTrailer(baseTrailer(REGULAR))

void t.test('the checksum of every sample header is the one AIX wrote', async (t) => {
  t.equal(headerChecksum(VOLUME_PKGA), 0xd7e8)
  t.equal(headerChecksum(VOLUME_TEST), 0xfb74)
  t.equal(headerChecksum(LPP_NAME.subarray(0, HEADER_BYTES)), 0x798c)
  t.equal(headerChecksum(END), 0x0a84)
})

void t.test('every sample record encodes to the bytes it was decoded from', async (t) => {
  for (const volume of [VOLUME_PKGA, VOLUME_TEST]) t.ok(encodeVolume(decodeVolume(volume)).equals(volume))
  t.strictSame(decodeVolume(VOLUME_PKGA), {
    volume: 1, date: 1375425475, dumpDate: 1375425475, wordCount: 0x7fffffff, disk: 'by name', fileSystem: 'by name', user: 'root', level: 100,
  })
  const header = LPP_NAME.subarray(0, HEADER_BYTES)
  const file = decodeFile(header, 0)
  t.match(file, { name: './lpp_name', packed: false, mode: REGULAR, nlink: 1, inode: 0, sizeBytes: 159, storedBytes: 159, mtime: 1375425475 })
  t.ok(encodeFile(file).equals(header))
  t.ok(encodeEnd().equals(END))
  t.strictSame(decodePrefix(header, 0), { headerBytes: 80, type: 11, magic: RECORD_MAGIC.plain })

  const trailer = LPP_NAME.subarray(HEADER_BYTES)
  t.strictSame(decodeTrailerLengths(trailer, 0), { aclBytes: 16, pclBytes: 16 })
  t.ok(encodeTrailer({ acl: trailer.subarray(8, 24), pcl: trailer.subarray(24) }).equals(trailer))
})

void t.test('a name field of sixteen bytes needs no NUL and a longer one is refused', async (t) => {
  const user = 'u'.repeat(16)
  t.equal(decodeVolume(encodeVolume({ ...decodeVolume(VOLUME_PKGA), user })).user, user)
  t.throws(() => encodeVolume({ ...decodeVolume(VOLUME_PKGA), user: `${user}u` }), { name: 'RangeError' })
  t.throws(() => decodeVolume(Buffer.concat([VOLUME_PKGA, Buffer.alloc(8)])), { code: 'BFF_RECORD_MALFORMED' })
  t.throws(() => member({ name: 'n'.repeat(2000) }), { name: 'RangeError' })
})

const MEMBERS: BffMember[] = [
  { name: './', mode: DIRECTORY, mtime: 1375425475, nlink: 2 },
  { name: './lpp_name', mode: REGULAR, mtime: 1375425475, data: Buffer.from('eight by') },
  { name: './empty', mode: REGULAR, mtime: 1375425476, data: Buffer.alloc(0) },
  { name: './usr/a', mode: REGULAR, mtime: 1375425477, data: { sizeBytes: 5, chunks: [Buffer.from('ab'), Buffer.alloc(0), Buffer.from('cde')] } },
  { name: './usr/packed', mode: REGULAR, mtime: 0, uid: 2, gid: 3, data: Buffer.from('packed '.repeat(40)), packed: true },
]

void t.test('what is written reads back, whole and in pieces of any length', async (t) => {
  const file = writeBff(MEMBERS, { date: 1375425475 })
  const want = ['volume 1375425475', './', '.', './lpp_name', '.', './empty', '.', './usr/a', '.', './usr/packed', '.', 'end']
  t.equal(file.length % 512, 0)
  t.ok(file.subarray(0, 72).equals(VOLUME_PKGA))
  for (const size of [file.length, 1, 7, 8, 64, 100]) {
    const { events, data } = read(file, size)
    t.strictSame(events, want, `pieces of ${size}`)
    t.equal(data.get('./lpp_name')?.toString(), 'eight by')
    t.equal(data.get('./usr/a')?.toString(), 'abcde')
    t.equal(data.get('./usr/packed')?.toString(), 'packed '.repeat(40))
    t.equal(data.get('./empty'), undefined)
  }
  t.ok(Buffer.concat([...bffChunks(MEMBERS, { date: 1375425475 })]).equals(file))
})

void t.test('a written member carries the fields and lists that AIX writes', async (t) => {
  const file = writeBff([{ name: './lpp_name', mode: REGULAR, mtime: 1375425475, data: Buffer.alloc(159) }], { date: 1375425475 })
  const wanted = Buffer.from(LPP_NAME)
  wanted.fill(0, HEADER_BYTES + 16, HEADER_BYTES + 18) // two bytes of old memory in the sample's access list
  t.ok(file.subarray(72, 72 + LPP_NAME.length).equals(wanted))
  t.ok(file.subarray(72 + LPP_NAME.length + 160, 72 + LPP_NAME.length + 168).equals(END))
  t.equal(decodeVolume(writeBff([], { date: 1, user: 'BUILD' }).subarray(0, 72)).user, 'BUILD')

  const directories = writeBff([{ name: './', mode: DIRECTORY, mtime: 0 }, { name: './usr', mode: DIRECTORY, mtime: 0 }], { date: 0 })
  const inodes = [72, 72 + 112].map((at) => decodeFile(directories.subarray(at, at + 72), at).inode)
  t.strictSame(inodes, [0xffffffff, 0xfffffffe])
})

void t.test('unwanted data is passed over, wherever the pieces are cut', async (t) => {
  const file = writeBff(MEMBERS, { date: 0 })
  for (const size of [file.length, 1, 13]) {
    const { events, data } = read(file, size, (found) => found.name === './usr/a')
    t.strictSame(events.filter((event) => event === '.').length, 1)
    t.strictSame([...data.keys()], ['./usr/a'])
  }
  const silent = createBffReader({})
  silent.push(file)
  silent.end()
  const deaf = createBffReader({ onMember: () => true })
  deaf.push(file)
  deaf.end()
})

void t.test('a reader that is stopped ignores the rest, garbage included', async (t) => {
  const file = writeBff(MEMBERS, { date: 0 })
  const names: string[] = []
  const reader = createBffReader({
    onMember: (found) => {
      names.push(found.name)
      if (found.name === './empty') reader.stop()
      return true
    },
  })
  reader.push(file)
  reader.push(Buffer.alloc(1000, 0xff))
  reader.end()
  t.strictSame(names, ['./', './lpp_name', './empty'])
})

void t.test('a directory has no data, whatever its stored size says', async (t) => {
  const directory = member({ mode: DIRECTORY, name: './usr', storedBytes: 4096, sizeBytes: 512, packed: true })
  t.strictSame(read(packageOf(directory, TRAILER), 1, () => false).events, ['volume 1375425475', './usr', 'end'])
})

void t.test('a symbolic link is read with a trailer and without one', async (t) => {
  const link = member({ name: './usr/link', mode: FILE_TYPE.link | 0o777, sizeBytes: 11, storedBytes: 11 })
  const target = Buffer.concat([Buffer.from('/usr/target'), Buffer.alloc(5)])
  const next = Buffer.concat([member({ name: './next', sizeBytes: 0, storedBytes: 0 }), TRAILER])
  for (const size of [1, 1000]) {
    const want = ['volume 1375425475', './usr/link', '.', './next', '.', 'end']
    const bare = read(packageOf(link, target, next), size)
    t.strictSame(bare.events, want)
    t.equal(bare.data.get('./usr/link')?.toString(), '/usr/target')
    t.strictSame(read(packageOf(link, target, TRAILER, next), size).events, want)
    t.strictSame(read(packageOf(link, target), size).events, ['volume 1375425475', './usr/link', '.', 'end'])
  }
})

void t.test('whatever follows the end record is ignored', async (t) => {
  const garbage = Buffer.concat([member(), Buffer.alloc(100, 0xff), Buffer.from('INUTUEYE')])
  t.strictSame(read(Buffer.concat([packageOf(), garbage]), 9).events, ['volume 1375425475', 'end'])
})

void t.test('access lists of any real length are passed over and longer ones refused', async (t) => {
  const file = member({ sizeBytes: 0, storedBytes: 0 })
  const extended = encodeTrailer({ acl: Buffer.alloc(40, 1), pcl: Buffer.alloc(16, 1) })
  t.strictSame(read(packageOf(file, extended), 3).events, ['volume 1375425475', './lpp_name', '.', 'end'])
  t.strictSame(read(packageOf(file, Buffer.alloc(8)), 3).events, ['volume 1375425475', './lpp_name', '.', 'end'])
  for (const at of [0, 4]) {
    const lengths = Buffer.alloc(8)
    lengths.writeUInt32LE(4097, at)
    t.throws(() => read(packageOf(file, lengths)), { code: 'BFF_RECORD_MALFORMED' })
  }
})

void t.test('malformed packages are refused, each with its code and offset', async (t) => {
  const good = packageOf(member({ sizeBytes: 3, storedBytes: 3 }), TRAILER, Buffer.from('abc\0\0\0\0\0'))
  const unchecked = Buffer.from(VOLUME_PKGA)
  unchecked.writeUInt16LE(0, 4)
  const nameless = member({ name: '', slack: Buffer.alloc(7) })
  const endless = encodeFile({ ...decodeFile(LPP_NAME.subarray(0, HEADER_BYTES), 0), slack: Buffer.alloc(5, 0x61) })
  endless[64 + 10] = 0x61
  endless.writeUInt16LE(headerChecksum(endless), 4)
  const short = Buffer.from([2, 11, 0x6b, 0xea, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  short.writeUInt16LE(headerChecksum(short), 4)
  const malformed: [string, Buffer, string, number][] = [
    ['nothing', Buffer.alloc(0), 'BFF_TRUNCATED', 0],
    ['half a volume record', good.subarray(0, 40), 'BFF_TRUNCATED', 40],
    ['half a member', good.subarray(0, 150), 'BFF_TRUNCATED', 150],
    ['data that ends early', good.subarray(0, 193), 'BFF_TRUNCATED', 193],
    ['no end record', good.subarray(0, -8), 'BFF_TRUNCATED', good.length - 8],
    ['another magic', Buffer.from('PK\u0003\u0004aaaaaaaa'), 'BFF_MAGIC_UNKNOWN', 0],
    ['the other backup magic', Buffer.concat([Buffer.from('09006fea', 'hex'), VOLUME_PKGA.subarray(4)]), 'BFF_MAGIC_UNSUPPORTED', 0],
    ['checksum zero in the volume record', unchecked, 'BFF_CHECKSUM_WRONG', 0],
    ['a record of magic 60013', packageOf(Buffer.from('0a0b6dea00000000', 'hex')), 'BFF_MAGIC_UNSUPPORTED', 72],
    ['no record where one must be', packageOf(Buffer.from('0a0b6aea00000000', 'hex')), 'BFF_RECORD_MALFORMED', 72],
    ['a record of no length', packageOf(Buffer.from('000b6bea00000000', 'hex')), 'BFF_RECORD_MALFORMED', 72],
    ['a record of a backup by i-node', packageOf(Buffer.from('0a016bea00000000', 'hex')), 'BFF_RECORD_UNSUPPORTED', 72],
    ['a second volume record', packageOf(VOLUME_TEST), 'BFF_RECORD_UNSUPPORTED', 72],
    ['a member without a name', packageOf(nameless), 'BFF_RECORD_MALFORMED', 72],
    ['a name without an end', packageOf(endless), 'BFF_RECORD_MALFORMED', 72],
    ['a file record too short for its fields', packageOf(short), 'BFF_RECORD_MALFORMED', 72],
  ]
  for (const [name, file, code, offset] of malformed) {
    t.throws(() => read(file), { name: 'FormatError', code, offset }, name)
    t.throws(() => read(file, 1), { name: 'FormatError', code, offset }, `${name}, byte by byte`)
  }
})

void t.test('a flipped bit in any header byte is found', async (t) => {
  const header = LPP_NAME.subarray(0, HEADER_BYTES)
  for (let at = 0; at < header.length; at += 1) {
    const changed = Buffer.from(header)
    changed[at] = (changed[at] as number) ^ 0x80
    // The sum counts (byte << (byte & 7)): a high bit is lost beyond 16 bits only where it was shifted there, which bit 7 never is.
    t.throws(() => checkHeaderChecksum(changed, 0), { code: 'BFF_CHECKSUM_WRONG' })
  }
})

void t.test('a reader that has thrown goes on throwing', async (t) => {
  const reader = createBffReader({})
  t.throws(() => reader.push(Buffer.alloc(8)), { code: 'BFF_MAGIC_UNKNOWN' })
  t.throws(() => reader.push(VOLUME_PKGA), { code: 'BFF_MAGIC_UNKNOWN' })
  t.throws(() => reader.end(), { code: 'BFF_MAGIC_UNKNOWN' })
})

void t.test('a packed member that does not unpack to its size is refused', async (t) => {
  const packed = member({ packed: true, sizeBytes: 4, storedBytes: 0 })
  t.throws(() => read(packageOf(packed, TRAILER)), { code: 'PACKED_MALFORMED' })
  t.strictSame(read(packageOf(member({ packed: true, sizeBytes: 0, storedBytes: 0 }), TRAILER)).events, ['volume 1375425475', './lpp_name', '.', 'end'])
})

void t.test('the writer refuses data that is not as long as announced', async (t) => {
  for (const sizeBytes of [4, 6]) {
    const data = { sizeBytes, chunks: [Buffer.from('abcde')] }
    t.throws(() => writeBff([{ name: './a', mode: REGULAR, mtime: 0, data }], { date: 0 }), { name: 'RangeError' })
  }
  const chunked = { sizeBytes: 1, chunks: [Buffer.from('a')] }
  t.throws(() => writeBff([{ name: './a', mode: REGULAR, mtime: 0, data: chunked, packed: true }], { date: 0 }), { name: 'TypeError' })
  t.throws(() => writeBff([{ name: './a', mode: REGULAR, mtime: -1 }], { date: 0 }), { name: 'RangeError' })
})

const folder = process.env.SIGNING_FIXTURES
const sample = join(folder ?? '', 'bff', 'PkgA.1.0.0.0.bff')

// A real package that is not ours to pass on. Whoever has it names its folder; nobody else misses anything that the vectors do not show.
if (folder !== undefined) void t.test('the sample package PkgA has its members where they are known to be, and every record encodes to the same bytes', async (t) => {
  const file = readFileSync(sample)
  t.equal(file.length, 3584)
  const names = ['./', './lpp_name', './usr', './usr/lpp', './usr/lpp/PkgA', './usr/lpp/PkgA/liblpp.a', './usr/doc/PkgA',
    './usr/doc/PkgA/README', './usr/PkgA', './usr/PkgA/bin', './usr/PkgA/bin/acommand']
  const { events, data } = read(file, 1)
  t.strictSame(events.filter((event) => event.startsWith('./')), names)
  t.equal(data.get('./usr/lpp/PkgA/liblpp.a')?.length, 1628)
  t.equal(data.get('./usr/lpp/PkgA/liblpp.a')?.toString('latin1', 0, 8), '<aiaff>\n')
  for (const at of [0x48, 0xb8, 0x1d0, 0x240, 0x2b8, 0x330, 0xa10, 0xa88, 0xb20, 0xb98, 0xc10]) {
    const header = file.subarray(at, at + decodePrefix(file.subarray(at), at).headerBytes)
    t.ok(encodeFile(decodeFile(header, at)).equals(header), `record at ${at}`)
    const { aclBytes, pclBytes } = decodeTrailerLengths(file.subarray(at + header.length), at)
    const lists = file.subarray(at + header.length + 8)
    const trailer = encodeTrailer({ acl: lists.subarray(0, aclBytes), pcl: lists.subarray(aclBytes, aclBytes + pclBytes) })
    t.ok(trailer.equals(file.subarray(at + header.length, at + header.length + trailer.length)), `trailer of the record at ${at}`)
  }
  t.ok(encodeEnd().equals(file.subarray(0xcc0, 0xcc8)))
})
