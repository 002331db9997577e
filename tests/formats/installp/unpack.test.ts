import t from 'tap'
import { pack } from '../../../formats/installp/pack.ts'
import { createUnpacker } from '../../../formats/installp/unpack.ts'

function unpack(packed: Uint8Array, sizeBytes: number, piece = Math.max(1, packed.length)): Buffer {
  const plain: Buffer[] = []
  const unpacker = createUnpacker(sizeBytes, (chunk) => { plain.push(Buffer.from(chunk)) })
  for (let at = 0; at < packed.length; at += piece) unpacker.push(packed.subarray(at, at + piece))
  unpacker.end()
  return Buffer.concat(plain)
}

// By hand: two levels. "a" is alone on level 1 (code 1); level 2 has the codes 00 = "b" and 01 = end mark (one interior node, number 0,
// on level 1). Stored: 2 levels, counts 1 and 2 - 2 = 0, symbols a and b; then "aab" + end = 1 1 00 01 = 110001, filled up to 11000100.
const AAB = Buffer.from([2, 1, 0, 0x61, 0x62, 0b1100_0100])

void t.test('packed data worked out by hand unpacks to its text', async (t) => {
  t.equal(unpack(AAB, 3).toString(), 'aab')
  t.equal(unpack(AAB, 3, 1).toString(), 'aab')
  for (const piece of [1, 13]) t.equal(unpack(Buffer.concat([AAB, Buffer.alloc(7, 0xff)]), 3, piece).toString(), 'aab', 'with padding behind it')
})

void t.test('the encoder finds the encoding worked out by hand', async (t) => {
  t.ok(pack(Buffer.from('aab')).equals(AAB))
  t.ok(pack(Buffer.from('zzz')).equals(Buffer.from([1, 0, 0x7a, 0b0001_0000])), 'one symbol: code 0, end mark 1')
  t.equal(pack(Buffer.alloc(0)).length, 0)
})

// Counts 0, 1, 2, 7, 0 on five levels, as in a file that AIX packed: 1 + 2 + 7 + 1 symbols and the end mark.
void t.test('a table with the level counts of a real file is a whole tree', async (t) => {
  const table = Buffer.from([5, 0, 1, 2, 7, 0, ...Buffer.from(' 1234567890')])
  // Level 5 has no interior nodes and two leaves, level 4 one interior node, level 3 four, level 2 three.
  // " " is level 2, number 3: 11. The end mark is level 5, number 1: 00001. Together 1100001, filled up with 0.
  t.equal(unpack(Buffer.concat([table, Buffer.from([0b1100_0010])]), 1).toString(), ' ')
  // "1" is level 3, number 4: 100. "3" is level 4, number 1: 0001. "0" is level 5, number 0: 00000.
  t.equal(unpack(Buffer.concat([table, Buffer.from([0b1000_0010, 0b0000_0000, 0b1000_0000])]), 3).toString(), '130')
})

void t.test('packing and unpacking gives the same bytes, in pieces of any length', async (t) => {
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
  const skewed = Buffer.concat(Array.from({ length: 16 }, (_, index) => Buffer.alloc(2 ** index, index)))
  const long = Buffer.alloc(70_000, 'The quick brown fox. ')
  for (const data of [Buffer.from('x'), everyByte, skewed, long, Buffer.concat([everyByte, skewed, long])]) {
    const packed = pack(data)
    for (const piece of [packed.length, 1, 5]) t.ok(unpack(packed, data.length, piece).equals(data))
  }
  t.ok(pack(long).length < long.length * 0.6)
})

void t.test('counts that would need more than 24 levels are flattened', async (t) => {
  const fibonacci = [1, 1]
  while (fibonacci.length < 27) fibonacci.push((fibonacci.at(-1) as number) + (fibonacci.at(-2) as number))
  const data = Buffer.concat(fibonacci.map((count, symbol) => Buffer.alloc(count, symbol)))
  const packed = pack(data)
  t.ok((packed[0] as number) <= 24)
  t.ok(unpack(packed, data.length).equals(data))
})

void t.test('the plain bytes come in pieces of at most 16 KiB', async (t) => {
  const sizes: number[] = []
  const unpacker = createUnpacker(40_000, (chunk) => { sizes.push(chunk.length) })
  unpacker.push(pack(Buffer.alloc(40_000, 'ab')))
  unpacker.end()
  t.strictSame(sizes, [16_384, 16_384, 7232])
})

void t.test('malformed packed data is refused', async (t) => {
  const malformed: [string, number[], number][] = [
    ['nothing', [], 1],
    ['no levels', [0], 1],
    ['25 levels', [25], 1],
    ['only the level count', [2], 1],
    ['half a table', [2, 1, 0, 0x61], 1],
    ['no codes', [2, 1, 0, 0x61, 0x62], 1],
    ['no end mark', [2, 1, 0, 0x61, 0x62, 0b1111_1111], 8],
    ['an odd number of nodes', [1, 1], 1],
    ['too few leaves for a root', [2, 0, 0], 1],
    ['too many leaves for a root', [2, 3, 0], 1],
    ['a byte with two codes', [2, 1, 0, 0x61, 0x61], 1],
    ['more bytes than announced', [...AAB], 2],
    ['fewer bytes than announced', [...AAB], 4],
  ]
  for (const [name, bytes, sizeBytes] of malformed) {
    t.throws(() => unpack(Buffer.from(bytes), sizeBytes), { name: 'FormatError', code: 'PACKED_MALFORMED' }, name)
  }
})

void t.test('a packed bomb stops at the announced size', async (t) => {
  let emitted = 0
  const unpacker = createUnpacker(100_000, (chunk) => { emitted += chunk.length })
  unpacker.push(Buffer.from([1, 0, 0x61]))
  t.throws(() => unpacker.push(Buffer.alloc(1_000_000)), { code: 'PACKED_MALFORMED' })
  t.ok(emitted <= 100_000)
})
