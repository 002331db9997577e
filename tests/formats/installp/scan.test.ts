import t from 'tap'
import { encodeFile } from '../../../formats/installp/bff-record.ts'
import { writeBff } from '../../../formats/installp/bff-writer.ts'
import { writePackage } from '../../../formats/installp/package-writer.ts'
import { LPP_NAME_BYTES_MAX, createPackageScanner } from '../../../formats/installp/scan.ts'
import type { BffMember } from '../../../formats/installp/bff-writer.ts'
import type { PackageScan } from '../../../formats/installp/scan.ts'

const LPP_NAME = '4 R I PkgA {\nPkgA.rte 01.00.0000.0000 01 N U en_US My runtime fileset\n[\n%\n]\n}\n'
const PKG_A: PackageScan = {
  kind: 'installp', package: 'PkgA', ftype: 'I', filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }],
  builtAt: 1_375_425_475, lppNameModifiedAt: 1_375_425_000, dsb: false,
}

function scan(file: Uint8Array | string, size = 262_144): PackageScan {
  const bytes = Buffer.from(file)
  const scanner = createPackageScanner()
  for (let at = 0; at < bytes.length; at += size) {
    const chunk = Buffer.from(bytes.subarray(at, at + size))
    scanner.push(chunk)
    chunk.fill(0xee)
  }
  return scanner.end()
}

const file = (name: string, data: string | Uint8Array): BffMember => ({ name, mode: 0o100644, mtime: 1_375_425_000, data: Buffer.from(data) })
const directory = (name: string): BffMember => ({ name, mode: 0o240755, mtime: 0 })
const image = (...members: BffMember[]): Buffer => writeBff(members, { date: 1_375_425_475 })

void t.test('a package is told by its content, however it is cut into chunks', async (t) => {
  const bytes = image(directory('./'), file('./lpp_name', LPP_NAME), directory('./usr'), file('./usr/big', Buffer.alloc(5000)))
  for (const size of [262_144, 1, 3, 8, 511, 1024, 1025]) t.strictSame(scan(bytes, size), PKG_A, `chunks of ${size}`)
})

void t.test('a package of the writer gives its filesets and type', async (t) => {
  const filesets = [{ fileset: 'bos.a', vrmf: '7.3.2.1' }, { fileset: 'bos.b', vrmf: '0.9999.32767.0' }]
  const result = scan(writePackage({ package: 'bos', type: 'ML', builtAt: 9, filesets }))
  t.strictSame(result, { kind: 'installp', package: 'bos', ftype: 'ML', filesets, builtAt: 9, lppNameModifiedAt: 9, dsb: false })
})

void t.test('a packed lpp_name is unpacked', async (t) => {
  const members = [directory('./'), file('./other', 'x'.repeat(100)), { ...file('./lpp_name', LPP_NAME), packed: true }]
  for (const size of [262_144, 1]) t.strictSame(scan(image(...members), size), PKG_A)
})

void t.test('bytes behind lpp_name do not matter, whatever the chunks', async (t) => {
  const bytes = image(directory('./'), file('./lpp_name', LPP_NAME))
  const lppNameEnd = bytes.indexOf('}\n\0') + 2
  const broken = Buffer.concat([bytes.subarray(0, lppNameEnd), Buffer.alloc(3000, 0xff)])
  for (const size of [262_144, 1, 100]) {
    t.strictSame(scan(broken, size), PKG_A)
    t.strictSame(scan(bytes.subarray(0, lppNameEnd), size), PKG_A)
  }
})

void t.test('a digital signature block is detected by its last eight bytes', async (t) => {
  const bytes = image(directory('./'), file('./lpp_name', LPP_NAME))
  const block = Buffer.concat([Buffer.from('INUTUEYE'), Buffer.alloc(1008), Buffer.from('INUTUEYE')])
  for (const size of [262_144, 1, 3, 5, 7, 8, 9, 1000]) {
    t.strictSame(scan(Buffer.concat([bytes, block]), size), { ...PKG_A, dsb: true }, `chunks of ${size}`)
    t.match(scan(Buffer.concat([bytes, Buffer.from('INUTUEYE')]), size), { dsb: true }, 'the eye catcher alone')
    t.match(scan(Buffer.concat([bytes, block, Buffer.from('\n')]), size), { dsb: false }, 'not at the end')
    t.match(scan(Buffer.concat([bytes, Buffer.from('NUTUEYE')]), size), { dsb: false }, 'seven of eight')
  }
})

void t.test('a table of contents is told by its content', async (t) => {
  const toc = `0 041299112026 2\nU843218.bff 4 R S bos.iocp {\nbos.iocp.rte 5.2.0.10 1 N U en_US I/O\n[\n%\n]\n}\n`
  const long = `0 041299112026 2\n${'i'.repeat(255)} 3 N ML ${'p'.repeat(144)} {\n${'x'.repeat(2000)}`
  for (const size of [262_144, 1, 10]) {
    t.strictSame(scan(toc, size), { kind: 'toc' })
    t.strictSame(scan(long, size), { kind: 'toc' })
    t.strictSame(scan('0 041299112026 2\n', size), { kind: 'toc' }, 'of an empty directory')
  }
})

void t.test('anything else is other, and a table of contents must be exact', async (t) => {
  const stamp = '0 041299112026 2\n'
  const others: [string, string | Uint8Array][] = [
    ['nothing', ''], ['three bytes of the magic', Buffer.from('09006b', 'hex')], ['magic in the wrong order', Buffer.from('ea6b000900000000', 'hex')],
    ['text', 'hello\n'],
    ['stamp without a line end', '0 041299112026 2'], ['stamp of words', '0 today 2\n'], ['stamp with CRLF', '0 041299112026 2\r\n'],
    ['stamp and an unfinished entry', `${stamp}U843218.bff 4 R S bos.iocp {`], ['stamp and text', `${stamp}hello\n`],
    ['stamp and a blank line', `${stamp}\nU843218.bff 4 R S bos.iocp {\n`], ['entry without a stamp', 'U843218.bff 4 R S bos.iocp {\n'],
    ['entry without an image name', `${stamp}4 R S bos.iocp {\n`], ['large file', Buffer.alloc(5000, 'INUTUEYE')],
    ['magic behind the start', Buffer.concat([Buffer.from([0]), image(file('./lpp_name', LPP_NAME))])],
  ]
  for (const [name, bytes] of others) {
    for (const size of [262_144, 1]) t.strictSame(scan(bytes, size), { kind: 'other', format: 'other' }, name)
  }
})

void t.test('another format is other and named, short or long', async (t) => {
  const tar = Buffer.alloc(10_240)
  tar.write('ustar', 257)
  const formats: [string, Buffer][] = [['compress', Buffer.from('1f9d90', 'hex')], ['rpm', Buffer.alloc(3000, Buffer.from('edabeedb', 'hex'))], ['tar', tar]]
  for (const [format, bytes] of formats) {
    for (const size of [262_144, 1, 700]) t.strictSame(scan(bytes, size), { kind: 'other', format }, format)
  }
})

void t.test('the verdict on a package is there after four bytes, on anything else after a kibibyte or at the end', async (t) => {
  const first = (bytes: Buffer, kind: string): number => {
    const scanner = createPackageScanner()
    for (let at = 0; at < bytes.length; at += 1) {
      scanner.push(bytes.subarray(at, at + 1))
      if (scanner.verdict() !== 'undecided') {
        t.equal(scanner.verdict(), kind)
        return at + 1
      }
    }
    t.equal(scanner.end().kind, kind)
    t.equal(scanner.verdict(), kind, 'the end decides')
    return Infinity
  }
  const toc = Buffer.from(`0 041299112026 2\nU843218.bff 4 R S bos.iocp {\n${'x'.repeat(2000)}`)
  t.equal(first(image(file('./lpp_name', LPP_NAME)), 'installp'), 4)
  t.equal(first(Buffer.from('09006fea', 'hex'), 'installp'), 4, 'it starts like one; whether it is one, end() says')
  t.equal(first(toc, 'toc'), 1024)
  t.equal(first(toc.subarray(0, 1023), 'toc'), Infinity)
  t.equal(first(Buffer.alloc(5000, Buffer.from('edabeedb', 'hex')), 'other'), 1024)
  t.equal(first(Buffer.from('hello'), 'other'), Infinity)
  t.equal(createPackageScanner().verdict(), 'undecided')
})

void t.test('a file that starts like a package and is none is refused, however it is cut', async (t) => {
  const good = image(directory('./'), file('./lpp_name', LPP_NAME))
  const badChecksum = Buffer.from(good)
  badChecksum.writeUInt16LE(0, 4)
  const sixteen = Array.from({ length: 16 }, (_, index) => file(`./f${index}`, 'x'))
  const tooLong = encodeFile({
    packed: false, nlink: 1, inode: 0, mode: 0o100644, uid: 0, gid: 0, sizeBytes: LPP_NAME_BYTES_MAX + 1, atime: 0, mtime: 0, ctime: 0,
    devMajor: 0, devMinor: 0, rdevMajor: 0, rdevMinor: 0, storedBytes: 0, name: './lpp_name', slack: Buffer.alloc(5),
  })
  const refused: [string, Buffer, string][] = [
    ['the magic alone', good.subarray(0, 4), 'BFF_TRUNCATED'],
    ['the other magic', Buffer.from('09006fea', 'hex'), 'BFF_TRUNCATED'],
    ['the other magic with more', Buffer.concat([Buffer.from('09006fea', 'hex'), good.subarray(4)]), 'BFF_MAGIC_UNSUPPORTED'],
    ['checksum zero', badChecksum, 'BFF_CHECKSUM_WRONG'],
    ['lpp_name cut short', good.subarray(0, good.indexOf('}\n\0')), 'BFF_TRUNCATED'],
    ['no member', image(), 'LPP_NAME_MISSING'],
    ['no lpp_name', image(directory('./'), file('./usr/lpp_name', LPP_NAME), file('lpp_name', LPP_NAME)), 'LPP_NAME_MISSING'],
    ['lpp_name after sixteen members', image(...sixteen, file('./lpp_name', LPP_NAME)), 'LPP_NAME_MISSING'],
    ['lpp_name that is a directory', image(directory('./lpp_name')), 'LPP_NAME_MISSING'],
    ['lpp_name that is empty', image(file('./lpp_name', '')), 'LPP_NAME_MALFORMED'],
    ['lpp_name that is not one', image(file('./lpp_name', 'hello')), 'LPP_NAME_MALFORMED'],
    ['lpp_name above a mebibyte', Buffer.concat([good.subarray(0, 72), tooLong]), 'LPP_NAME_TOO_LONG'],
  ]
  for (const [name, bytes, code] of refused) {
    for (const size of [262_144, 1]) t.throws(() => scan(bytes, size), { name: 'FormatError', code }, name)
  }
  t.match(scan(image(...sixteen.slice(1), file('./lpp_name', LPP_NAME))), { kind: 'installp' }, 'the sixteenth member is near enough')
  t.match(scan(image(file('./lpp_name', LPP_NAME.replace('}', `${'\n'.repeat(LPP_NAME_BYTES_MAX - LPP_NAME.length)}}`)))), { kind: 'installp' })
})

void t.test('a scanner that has refused a file goes on refusing it', async (t) => {
  const scanner = createPackageScanner()
  const bad = Buffer.from(image(file('./lpp_name', 'x')))
  t.throws(() => scanner.push(bad), { code: 'LPP_NAME_MALFORMED' })
  t.throws(() => scanner.push(Buffer.alloc(1)), { code: 'LPP_NAME_MALFORMED' })
  t.throws(() => scanner.end(), { code: 'LPP_NAME_MALFORMED' })
})
