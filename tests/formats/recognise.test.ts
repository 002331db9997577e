import { gzipSync } from 'node:zlib'
import t from 'tap'
import { writePackage } from '../../formats/installp/package-writer.ts'
import { FORMAT_HEAD_BYTES, recogniseFormat } from '../../formats/recognise.ts'
import type { FileFormat } from '../../formats/recognise.ts'

const PACKAGE = writePackage({ package: 'PkgA', type: 'I', filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }], builtAt: 1_375_425_475 })
const TOC = '0 041299112026 2\nU843218.bff 4 R S bos.iocp {\n'

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex')
}

function tarHead(magic: string): Buffer {
  const block = Buffer.alloc(FORMAT_HEAD_BYTES)
  block.write('usr/bin/x', 0)
  block.write(magic, 257, 'latin1')
  return block
}

void t.test('each format is told by its first bytes', async (t) => {
  const heads: [FileFormat, string, Uint8Array][] = [
    ['installp', 'a package', PACKAGE], ['installp', 'the magic alone', hex('09006bea')], ['installp', 'the other magic', hex('09006fea0000')],
    ['toc', 'a table of contents', Buffer.from(TOC)], ['toc', 'of an empty directory', Buffer.from('0 041299112026 2\n')],
    ['toc', 'with a tar magic where tar has it', Buffer.from(`${TOC}${'x'.repeat(257 - TOC.length)}ustar and more`)],
    ['rpm', 'an RPM lead', hex('edabeedb0300000000ff')], ['compress', 'an interim fix', hex('1f9d90000102')], ['compress', 'two bytes', hex('1f9d')],
    ['gzip', 'gzip', gzipSync('x')], ['zip', 'an archive', hex('504b03041400')], ['zip', 'an empty archive', hex('504b050600000000')],
    ['zip', 'an archive in parts', hex('504b0708504b0304')], ['xz', 'xz', hex('fd377a585a000004')],
    ['tar', 'POSIX', tarHead('ustar\u000000')], ['tar', 'GNU', tarHead('ustar  \0')], ['tar', 'no more than the magic', tarHead('ustar').subarray(0, 262)],
  ]
  for (const [format, name, head] of heads) {
    t.equal(recogniseFormat(head), format, name)
    t.equal(recogniseFormat(Buffer.concat([head, Buffer.alloc(2000)]).subarray(0, FORMAT_HEAD_BYTES)), format === 'toc' && name === 'of an empty directory' ? 'other' : format)
  }
})

void t.test('a head that is a view of other bytes is looked at alone', async (t) => {
  const around = Uint8Array.from([1, 2, 0x1f, 0x9d, 3])
  t.equal(recogniseFormat(around.subarray(2)), 'compress')
  t.equal(recogniseFormat(around), 'other')
  t.equal(recogniseFormat(around.subarray(2, 3)), 'other')
})

void t.test('anything else is other: no extension, no byte further in, no half of a mark', async (t) => {
  const others: [string, Uint8Array][] = [
    ['nothing', Buffer.alloc(0)], ['text', Buffer.from('hello\n')], ['zeros', Buffer.alloc(FORMAT_HEAD_BYTES)], ['a magic in the other order', hex('ea6b0009')],
    ['three bytes of a package', hex('09006b')], ['three bytes of an RPM', hex('edabee')], ['gzip of another method', hex('1f8b07')], ['pack', hex('1f1e')],
    ['two bytes of a zip', Buffer.from('PK')], ['five bytes of an xz', hex('fd377a585a')], ['a byte before the mark', Buffer.concat([hex('00'), PACKAGE])],
    ['a tar magic one byte early', tarHead('').fill('ustar', 256, 261)], ['half of a tar magic', tarHead('ustar').subarray(0, 261)],
    ['an old tar without a magic', tarHead('')],
  ]
  for (const [name, head] of others) t.equal(recogniseFormat(head), 'other', name)
})
