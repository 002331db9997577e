import t from 'tap'
import { writePackage } from '../../../formats/installp/package-writer.ts'
import { createDsbDetector } from '../../../formats/signature/dsb-detector.ts'
import { DSB_TAIL_BYTES, findDsb } from '../../../formats/signature/dsb-find.ts'
import { DSB_BYTES_MAX, DSB_EYE_CATCHER, formatDsb } from '../../../formats/signature/dsb.ts'
import type { DsbFinding } from '../../../formats/signature/dsb-find.ts'

const PACKAGE = writePackage({ package: 'PkgA', type: 'I', filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }], builtAt: 1_375_425_475 })
const SIGNATURE = Buffer.alloc(256, 7)
const KEY = { form: 'LOC', path: '/etc/security/certificates/k.pem' } as const
const BLOCK = formatDsb({ signature: SIGNATURE, key: KEY })
const MARK = Buffer.from(DSB_EYE_CATCHER)

function find(...parts: readonly Uint8Array[]): DsbFinding {
  const file = Buffer.concat(parts)
  return findDsb(file.subarray(-DSB_TAIL_BYTES), file.length)
}

/** The last bytes of a block: a length and the eye catcher. */
function ending(total: number): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(total)
  return Buffer.concat([length, MARK])
}

function withTotal(total: number, at: readonly number[]): Buffer {
  const block = Buffer.from(BLOCK)
  for (const place of at) block.writeUInt32BE(total, place)
  return block
}

void t.test('a block at the end of a package is found, and where the package ends', async (t) => {
  const found = { kind: 'dsb', block: { signature: SIGNATURE, key: KEY }, totalBytes: 1024, unsignedBytes: PACKAGE.length }
  t.strictSame(find(PACKAGE, BLOCK), found)
  t.strictSame(findDsb(Buffer.concat([PACKAGE, BLOCK]), PACKAGE.length + 1024), found, 'the whole file as its tail')
  const wide = formatDsb({ signature: Buffer.alloc(512, 7), key: KEY })
  t.match(find(PACKAGE, wide), { totalBytes: 1280, unsignedBytes: PACKAGE.length })
  t.match(find(Buffer.alloc(1), BLOCK), { unsignedBytes: 1 }, 'a package of one byte')
})

void t.test('a file of many gibibytes needs only its tail', async (t) => {
  const fileBytes = 16 * 1024 ** 3
  const tail = Buffer.concat([Buffer.alloc(DSB_TAIL_BYTES - 1024), BLOCK])
  t.match(findDsb(tail, fileBytes), { kind: 'dsb', totalBytes: 1024, unsignedBytes: fileBytes - 1024 })
})

void t.test('the longest block and the eye catcher in front of it are seen in the tail', async (t) => {
  const longest = formatDsb({ signature: Buffer.alloc(DSB_BYTES_MAX - 0x300, 1), key: KEY })
  t.match(find(PACKAGE, longest), { kind: 'dsb', totalBytes: DSB_BYTES_MAX, unsignedBytes: PACKAGE.length })
  t.throws(() => find(PACKAGE, BLOCK, longest), { name: 'FormatError', code: 'DSB_STACKED' })
  t.throws(() => find(BLOCK, longest), { code: 'DSB_STACKED' })
})

void t.test('a file that does not end in the eye catcher has no block', async (t) => {
  const without: [string, readonly Uint8Array[]][] = [
    ['no bytes', []], ['seven bytes', [MARK.subarray(1)]], ['a package', [PACKAGE]], ['a byte behind the block', [PACKAGE, BLOCK, Buffer.alloc(1)]],
    ['seven of eight', [PACKAGE, MARK.subarray(0, 7)]], ['a block in the middle', [PACKAGE, BLOCK, PACKAGE]],
    ['lower case', [PACKAGE, Buffer.from('inutueye')]],
  ]
  for (const [name, parts] of without) t.strictSame(find(...parts), { kind: 'none' }, name)
})

void t.test('a file that ends in the eye catcher and not in a block is refused with DSB_MALFORMED and what is wrong', async (t) => {
  const ends = [0x08, 0x3f4]
  const malformed: [string, readonly Uint8Array[], RegExp][] = [
    ['the eye catcher alone', [MARK], /too short/],
    ['the eye catcher and three bytes', [Buffer.alloc(3), MARK], /too short/],
    ['the eye catcher behind a package', [PACKAGE, MARK], /signature block has the length/],
    ['the eye catcher twice', [MARK, MARK], /has the length 1430608197; the longest/],
    ['an ending without a block', [PACKAGE, ending(1024)], /no eye catcher at its start/],
    ['length 0', [PACKAGE, withTotal(0, ends)], /has the length 0; the shortest/],
    ['length 768', [PACKAGE, withTotal(768, ends)], /has the length 768; the shortest/],
    ['length 0x1000000', [PACKAGE, withTotal(0x1000000, ends)], /has the length 16777216; the longest/],
    ['length 0xffffffff', [PACKAGE, withTotal(0xffffffff, ends)], /has the length 4294967295; the longest/],
    ['length 1025', [PACKAGE, withTotal(1025, ends)], /no multiple of 256/],
    ['length 1280 at both ends', [PACKAGE, withTotal(1280, ends)], /no eye catcher at its start/],
    ['another length in front', [PACKAGE, withTotal(1280, [0x08])], /length 1280 at its start and 1024 at its end/],
    ['another length at the end', [Buffer.alloc(256), MARK, withTotal(1280, [0x3f4])], /no eye catcher at its start/],
    ['longer than the file', [ending(1024)], /has the length 1024 and the file 12 bytes/],
    ['longer than the file by one byte', [BLOCK.subarray(1)], /has the length 1024 and the file 1023 bytes/],
    ['region past the block', [PACKAGE, withTotal(0x400, [0x1c])], /key region that reaches past its end/],
    ['no package in front', [BLOCK], /without a package/],
  ]
  for (const [name, parts, message] of malformed) {
    t.throws(() => find(...parts), { name: 'FormatError', code: 'DSB_MALFORMED', message }, name)
  }
})

void t.test('stacked blocks are refused, however the lower one looks', async (t) => {
  for (const below of [[PACKAGE, BLOCK], [BLOCK], [PACKAGE, MARK], [MARK]]) {
    t.throws(() => find(...below, BLOCK), { name: 'FormatError', code: 'DSB_STACKED' })
  }
  t.match(find(PACKAGE, BLOCK, Buffer.alloc(1), BLOCK), { kind: 'dsb', unsignedBytes: PACKAGE.length + 1025 }, 'any byte between makes it content')
})

void t.test('the options go on to the reading of the block', async (t) => {
  const file = Buffer.concat([PACKAGE, formatDsb({ signature: Buffer.alloc(256, 7), key: { form: 'LOC', path: '/k.pem' } }, { keyDirectory: '/' })])
  t.throws(() => findDsb(file, file.length), { code: 'DSB_KEY_PATH' })
  t.match(findDsb(file, file.length, { keyDirectory: '/' }), { block: { key: { path: '/k.pem' } } })
  t.throws(() => findDsb(file, file.length, { keyDirectory: '/', signatureBytes: 512 }), { code: 'SIGNATURE_LENGTH_WRONG' })
})

void t.test('a tail that cannot be the end of such a file is a TypeError', async (t) => {
  t.throws(() => findDsb(BLOCK, 1023), { name: 'TypeError' })
  t.throws(() => findDsb(BLOCK, 1025), { name: 'TypeError' })
  t.throws(() => findDsb(Buffer.alloc(DSB_TAIL_BYTES - 1), DSB_TAIL_BYTES), { name: 'TypeError' })
  t.strictSame(findDsb(Buffer.alloc(DSB_TAIL_BYTES), DSB_TAIL_BYTES + 1), { kind: 'none' })
})

void t.test('the detector of a stream goes by the last eight bytes, however they come', async (t) => {
  const files: [Buffer, boolean][] = [
    [Buffer.concat([PACKAGE, BLOCK]), true], [MARK, true], [Buffer.concat([PACKAGE, BLOCK, Buffer.alloc(1)]), false], [MARK.subarray(1), false],
  ]
  for (const [file, isDetected] of files) {
    for (const size of [1, 3, 7, 8, 9, 5000]) {
      const detector = createDsbDetector()
      for (let at = 0; at < file.length; at += size) detector.push(file.subarray(at, at + size))
      t.equal(detector.isDetected(), isDetected, `${file.length} bytes by ${size}`)
    }
  }
})
