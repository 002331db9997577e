import { createHash } from 'node:crypto'
import t from 'tap'
import { createBffReader } from '../../../formats/installp/bff.ts'
import { rotatingSum, sizeLines } from '../../../formats/installp/inventory.ts'
import { writeArchive } from '../../../formats/installp/liblpp.ts'
import { parseLppName } from '../../../formats/installp/lpp-name.ts'
import { packageChunks, writePackage } from '../../../formats/installp/package-writer.ts'
import { createPackageScanner } from '../../../formats/installp/scan.ts'
import type { FileRecord } from '../../../formats/installp/bff-record.ts'
import type { PackageSource } from '../../../formats/installp/package-writer.ts'

/** The source of a package that mkinstallp once built; what it made of it is known byte for byte. */
const PKG_A: PackageSource = {
  package: 'PkgA', type: 'I', builtAt: 1_375_425_475,
  filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0', description: 'My runtime fileset' }],
  payload: [
    { path: './usr/doc/PkgA/README', bytes: Buffer.from('This is the PkgA README\n') },
    { path: '/usr/PkgA/bin/acommand', mode: 0o744, bytes: Buffer.from('#!/bin/sh\n\necho "Here is my PkgA command"\n') },
  ],
}

function members(file: Uint8Array): Map<string, Readonly<{ record: FileRecord; data: Buffer }>> {
  const found = new Map<string, { record: FileRecord; data: Buffer }>()
  let current = { data: Buffer.alloc(0) }
  const reader = createBffReader({
    onMember: (record) => {
      const entry = { record, data: Buffer.alloc(0) }
      found.set(record.name, entry)
      current = entry
      return true
    },
    onData: (chunk) => { current.data = Buffer.concat([current.data, chunk]) },
  })
  reader.push(file)
  reader.end()
  return found
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

void t.test('a package is written with the members, control file and archive that mkinstallp made of the same source', async (t) => {
  const file = writePackage(PKG_A)
  t.equal(file.length, 3584)
  const found = members(file)
  t.strictSame([...found.keys()], [
    './', './lpp_name', './usr', './usr/lpp', './usr/lpp/PkgA', './usr/lpp/PkgA/liblpp.a', './usr/doc/PkgA',
    './usr/doc/PkgA/README', './usr/PkgA', './usr/PkgA/bin', './usr/PkgA/bin/acommand',
  ])
  t.equal(found.get('./lpp_name')?.data.toString(), [
    '4 R I PkgA {', 'PkgA.rte 1.0.0.0 01 N U en_US My runtime fileset', '[', '%',
    '/usr/PkgA 0', '/usr/PkgA/bin 8', '/usr/doc/PkgA 8', '/usr/lib/objrepos 5', 'INSTWORK 16 16',
    '%', '%', '%', '%', '%', ']', '}', '',
  ].join('\n'))
  const library = found.get('./usr/lpp/PkgA/liblpp.a')?.data as Buffer
  t.equal(library.length, 1628)
  t.equal(sha256(library), '98c72492ff84fbdea627c9522e3071ec6662baf07a42a8a493fd19584c9ef601')
  t.equal(found.get('./usr/PkgA/bin/acommand')?.record.mode, 0o100744)
  t.equal(found.get('./usr')?.record.mode, 0o240755)
})

void t.test('the chunks of a package are its bytes, and a date means the same as its seconds', async (t) => {
  const dated = { ...PKG_A, builtAt: new Date(1_375_425_475_999) }
  t.ok(Buffer.concat([...packageChunks(dated)]).equals(writePackage(PKG_A)))
})

void t.test('an update keeps one liblpp.a per fileset below fileset and VRMF', async (t) => {
  const source: PackageSource = {
    package: 'bos', type: 'S', platform: 'N', builtAt: 0,
    filesets: [{ fileset: 'bos.a', vrmf: '7.3.2.1' }, { fileset: 'bos.b', vrmf: '7.3.2.2' }],
    payload: [
      { path: '/opt/a/one', bytes: Buffer.from('1') },
      { path: '/opt/a/two', fileset: 'bos.b', bytes: Buffer.from('2') },
      { path: '/vmlinux', fileset: 'bos.b', bytes: Buffer.from('3') },
    ],
  }
  const found = members(writePackage(source))
  t.strictSame([...found.keys()].filter((name) => name.startsWith('./usr/lpp/bos')), [
    './usr/lpp/bos',
    './usr/lpp/bos/bos.a', './usr/lpp/bos/bos.a/7.3.2.1', './usr/lpp/bos/bos.a/7.3.2.1/liblpp.a',
    './usr/lpp/bos/bos.b', './usr/lpp/bos/bos.b/7.3.2.2', './usr/lpp/bos/bos.b/7.3.2.2/liblpp.a',
  ])
  const second = found.get('./usr/lpp/bos/bos.b/7.3.2.2/liblpp.a')?.data.toString('latin1') ?? ''
  t.match(second, 'bos.b.inventory')
  t.match(second, './opt/a/two\n./vmlinux\n')
  t.notMatch(second, '/opt/a/one')
  const lppName = parseLppName(found.get('./lpp_name')?.data as Buffer)
  t.match(lppName, { platform: 'N', type: 'S', filesets: [{ description: 'bos.a' }, { fileset: 'bos.b' }] })
  t.ok(lppName.filesets[1]?.body.includes('/ 8'), 'a file in the root directory counts there')
})

void t.test('a package without payload has empty lists', async (t) => {
  const found = members(writePackage({ package: 'P', type: 'I', builtAt: 1, filesets: [{ fileset: 'P.rte', vrmf: '1.0.0.0' }] }))
  t.equal([...found.keys()].length, 6)
  t.match(found.get('./usr/lpp/P/liblpp.a')?.data.toString('latin1'), /^<aiaff>\n/)
})

void t.test('a payload of zeros is written without being held, and scanned in flat memory', async (t) => {
  const size = 64 * 1024 * 1024 + 5
  const source: PackageSource = {
    package: 'Big', type: 'I', builtAt: 0, filesets: [{ fileset: 'Big.rte', vrmf: '1.0.0.0' }], payload: [{ path: '/usr/Big/zeros', size }],
  }
  const scanner = createPackageScanner()
  let total = 0
  let longest = 0
  for (const chunk of packageChunks(source)) {
    scanner.push(chunk)
    total += chunk.length
    longest = Math.max(longest, chunk.length)
  }
  t.equal(total % 512, 0)
  t.ok(total > size && total < size + 8192)
  t.ok(longest <= 262_144)
  t.match(scanner.end(), { kind: 'installp', package: 'Big' })

  const small = members(writePackage({ ...source, payload: [{ path: '/usr/Big/zeros', size: 5 }] }))
  t.ok(small.get('./usr/Big/zeros')?.data.equals(Buffer.alloc(5)))
  const given = writePackage({ ...source, payload: [{ path: '/usr/Big/zeros', bytes: Buffer.alloc(5) }] })
  t.ok(given.equals(writePackage({ ...source, payload: [{ path: '/usr/Big/zeros', size: 5 }] })))
})

void t.test('what no package can hold is refused', async (t) => {
  const bytes = Buffer.alloc(0)
  const paths = ['usr/x', '/', '', './', '/usr/../etc', '/usr/./x', '/usr//x', '/usr/x/', '/usr/a\nb', '/usr/a\0b', '/usr/\u20ac', '/lpp_name']
  for (const path of paths) {
    t.throws(() => writePackage({ ...PKG_A, payload: [{ path, bytes }] }), { name: 'TypeError' }, JSON.stringify(path))
  }
  t.throws(() => writePackage({ ...PKG_A, payload: [{ path: '/a', bytes }, { path: './a', bytes }] }), { name: 'TypeError' })
  t.throws(() => writePackage({ ...PKG_A, payload: [{ path: '/a', fileset: 'PkgB.rte', bytes }] }), { name: 'TypeError' })
  t.throws(() => writePackage({ ...PKG_A, package: 'a/b' }), { code: 'NAME_MALFORMED' })
  t.throws(() => writePackage({ ...PKG_A, type: 'lower' }), { code: 'FTYPE_MALFORMED' })
  t.throws(() => writePackage({ ...PKG_A, payload: [], filesets: [] }), { code: 'LPP_NAME_EMPTY' })
  t.throws(() => writePackage({ ...PKG_A, filesets: [{ fileset: 'PkgA.rte', vrmf: '01.0.0.0' }] }), { code: 'LPP_NAME_MALFORMED' })
  t.throws(() => writePackage({ ...PKG_A, builtAt: new Date(Number.NaN) }), { name: 'RangeError' })
})

void t.test('the rotating sum is that of the sum command', async (t) => {
  t.equal(rotatingSum(Buffer.from('This is the PkgA README\n')), 8645)
  t.equal(rotatingSum(Buffer.from('#!/bin/sh\n\necho "Here is my PkgA command"\n')), 23_244)
  t.equal(rotatingSum(Buffer.alloc(1000)), 0)
})

void t.test('sizes are counted in file system blocks of eight units', async (t) => {
  const file = { kind: 'file', mode: 0o644, sum: 0 } as const
  const lines = sizeLines([
    { ...file, path: '/usr/b/x', sizeBytes: 4097 }, { ...file, path: '/usr/b/y', sizeBytes: 1 },
    { kind: 'directory', path: '/usr/a', mode: 0o755 }, { ...file, path: '/usr/a/empty', sizeBytes: 0 },
  ])
  t.strictSame(lines, ['/usr/a 0', '/usr/b 24', '/usr/lib/objrepos 4', 'INSTWORK 16 16'])
})

void t.test('an archive chains its members and names them in a table', async (t) => {
  const archive = writeArchive([{ name: 'ab', data: Buffer.from('even') }, { name: 'abc', data: Buffer.from('odd') }], 7).toString('latin1')
  const tableAt = Number(archive.slice(8, 20))
  const last = Number(archive.slice(44, 56))
  t.equal(Number(archive.slice(32, 44)), 68)
  t.equal(Number(archive.slice(68 + 12, 68 + 24)), last)
  t.equal(Number(archive.slice(last + 12, last + 24)), tableAt)
  t.equal(Number(archive.slice(last + 24, last + 36)), 68)
  t.equal(archive.slice(tableAt + 90, tableAt + 90 + 36), ['2', '68', String(last)].map((text) => text.padEnd(12)).join(''))
  t.match(archive, /ab\0abc\0\0?$/)
  t.equal(archive.length % 2, 0)
  t.equal(writeArchive([], 0).toString('latin1', 8, 68), ['68', '0', '0', '0', '0'].map((text) => text.padEnd(12)).join(''))
  t.throws(() => writeArchive([], 0) && writeArchive([{ name: 'a', data: Buffer.alloc(0) }], 1e13), { name: 'RangeError' })
})
