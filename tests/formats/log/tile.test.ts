import t from 'tap'
import { ENTRY_BYTES_MAX, formatBundle, parseBundle } from '../../../formats/log/bundle.ts'
import { appendLeaves, emptyRange, hashLeaf, rangeRoot, readRange } from '../../../formats/log/merkle.ts'
import { inclusionNodes, inclusionProof, verifyInclusion } from '../../../formats/log/merkle-proof.ts'
import { createTileReader, formatTilePath, parseTile, parseTilePath, tileInTree, tilesOfNodes, tilesOfTree } from '../../../formats/log/tile.ts'
import type { TilePosition, TileResource } from '../../../formats/log/tile.ts'

const paths: readonly (readonly [string, TileResource])[] = [
  // 1234067 is the example of the specification.
  ['tile/0/x001/x234/067', { kind: 'hashes', level: 0, index: 1_234_067, width: 256 }],
  ['tile/0/000', { kind: 'hashes', level: 0, index: 0, width: 256 }],
  ['tile/1/000.p/1', { kind: 'hashes', level: 1, index: 0, width: 1 }],
  ['tile/63/999.p/255', { kind: 'hashes', level: 63, index: 999, width: 255 }],
  ['tile/10/x001/000', { kind: 'hashes', level: 10, index: 1000, width: 256 }],
  ['tile/entries/273.p/112', { kind: 'entries', index: 273, width: 112 }],
  ['tile/entries/x001/x234/067', { kind: 'entries', index: 1_234_067, width: 256 }],
  ['tile/0/x009/x007/x199/x254/x740/991', { kind: 'hashes', level: 0, index: Number.MAX_SAFE_INTEGER, width: 256 }],
]

void t.test('tile paths read and print as the specification shows them', async (t) => {
  for (const [path, resource] of paths) {
    t.equal(formatTilePath(resource), path)
    t.strictSame(parseTilePath(path), resource)
  }
})

void t.test('a tile path in any other spelling is refused', async (t) => {
  const wrong = [
    '', 'tile', 'tile/0', 'tile/0/', 'tile/0/0', 'tile/0/00', 'tile/0/0000', 'tile/0/x000/000', 'tile/0/001/000', 'tile/0/x001', 'tile/0/x001/x000', 'tile/0/X001/000',
    'tile/00/000', 'tile/64/000', 'tile/-1/000', 'tile/100/000', 'tile/1e1/000', 'tile//000', 'tile/entries/', 'tile/data/000', 'tile/Entries/000',
    'tile/0/000.p/0', 'tile/0/000.p/256', 'tile/0/000.p/01', 'tile/0/000.p/', 'tile/0/000.p', 'tile/0/000.p/1/', 'tile/0/000.p/-1', 'tile/0/000.p/1000', 'tile/0/000/', '/tile/0/000', ' tile/0/000',
    'tile/0/000\n', 'tile/0/000.p/1\n', 'tile/0/../000', 'tile/0/%30%30%30', 'tile/0/x001/x234/x067/x000/x000/x000/000', 'tile/0/x009/x007/x199/x254/x740/992', 'tile/0/٠٠٠',
  ]
  for (const path of wrong) t.throws(() => parseTilePath(path), { name: 'FormatError', code: 'LOG_TILE_PATH_MALFORMED' }, JSON.stringify(path))
})

void t.test('a tile that cannot be has no path', async (t) => {
  const wrong: readonly TileResource[] = [
    { kind: 'hashes', level: 64, index: 0, width: 256 }, { kind: 'hashes', level: -1, index: 0, width: 256 }, { kind: 'hashes', level: 0.5, index: 0, width: 256 },
    { kind: 'hashes', level: 0, index: -1, width: 256 }, { kind: 'entries', index: 2 ** 53, width: 256 }, { kind: 'entries', index: 0, width: 0 }, { kind: 'entries', index: 0, width: 257 },
  ]
  for (const resource of wrong) t.throws(() => formatTilePath(resource), { code: 'LOG_TILE_PATH_MALFORMED' })
})

void t.test('a tree of 70,000 leaves, and one of 256, have the tiles that the specification counts', async (t) => {
  const tiles = [...tilesOfTree(70_000)]
  const of = (level: number): TilePosition[] => tiles.filter((tile) => tile.level === level)
  t.equal(of(0).filter(({ width }) => width === 256).length, 273)
  t.strictSame(of(0).at(-1), { level: 0, index: 273, width: 112 })
  t.strictSame(of(1), [{ level: 1, index: 0, width: 256 }, { level: 1, index: 1, width: 17 }])
  t.strictSame(of(2), [{ level: 2, index: 0, width: 1 }])
  t.equal(tiles.length, 277)
  t.strictSame([...tilesOfTree(256)], [{ level: 0, index: 0, width: 256 }, { level: 1, index: 0, width: 1 }])
  t.strictSame([...tilesOfTree(1)], [{ level: 0, index: 0, width: 1 }])
  t.strictSame([...tilesOfTree(0)], [])
  t.throws(() => [...tilesOfTree(-1)], TypeError)
})

void t.test('a tile is as wide as its tree makes it', async (t) => {
  t.strictSame(tileInTree(70_000, 0, 272), { level: 0, index: 272, width: 256 })
  t.strictSame(tileInTree(70_000, 1, 1), { level: 1, index: 1, width: 17 })
  t.strictSame(tileInTree(2 ** 53 - 1, 6, 0), { level: 6, index: 0, width: 31 })
  for (const [size, level, index] of [[70_000, 0, 274], [256, 0, 1], [255, 1, 0], [0, 0, 0], [5, 63, 0]] as const) t.equal(tileInTree(size, level, index), undefined)
})

// 1000 leaves: three full tiles and one of 232 at the bottom, one of 3 above.
const SIZE = 1000
const leaves = Array.from({ length: SIZE }, (_, at) => Buffer.from(String(at)))
const { range, nodes } = appendLeaves(emptyRange(), leaves.map(hashLeaf))
const stored = new Map<string, Buffer>()
for (const { level, index, width } of tilesOfTree(SIZE)) {
  const hashes = nodes.filter((node) => node.level === level * 8).slice(index * 256, index * 256 + width)
  stored.set(`${level}/${index}`, Buffer.concat(hashes.map(({ hash }) => hash)))
}

void t.test('tiles give every hash of the tree, and each tile is read once', async (t) => {
  const asked: string[] = []
  const read = createTileReader(SIZE, ({ level, index }) => {
    asked.push(`${level}/${index}`)
    return stored.get(`${level}/${index}`) as Buffer
  })
  for (const { level, index, hash } of nodes) if (!hash.equals(read(level, index))) t.fail(`${level}/${index}`)
  t.strictSame(asked.sort(), ['0/0', '0/1', '0/2', '0/3', '1/0'])
  t.ok(rangeRoot(readRange(SIZE, read)).equals(rangeRoot(range)))
})

void t.test('the tiles of a proof are known beforehand', async (t) => {
  const wanted = tilesOfNodes(SIZE, inclusionNodes({ index: 300, size: SIZE }))
  t.strictSame(wanted, [{ level: 0, index: 1, width: 256 }, { level: 1, index: 0, width: 3 }, { level: 0, index: 3, width: 232 }])
  const fetched = new Map(wanted.map(({ level, index }) => [`${level}/${index}`, stored.get(`${level}/${index}`) as Buffer]))
  const read = createTileReader(SIZE, ({ level, index }) => fetched.get(`${level}/${index}`) as Buffer)
  const path = inclusionProof({ index: 300, size: SIZE }, read)
  verifyInclusion({ index: 300, size: SIZE, leafHash: hashLeaf(leaves[300] as Buffer), path, root: rangeRoot(range) })
})

void t.test('a tile of another length is refused, and a node outside the tree is a mistake of the caller', async (t) => {
  const tile = stored.get('0/3') as Buffer
  t.strictSame(Buffer.concat(parseTile(tile, 232)), tile)
  t.strictSame(parseTile(new Uint8Array(tile), 232)[231], tile.subarray(-32))
  for (const length of [0, 1, 231 * 32, tile.length - 1]) {
    t.throws(() => parseTile(tile.subarray(0, length), 232), { name: 'FormatError', code: 'LOG_TILE_MALFORMED' }, `${length}`)
    t.throws(() => createTileReader(SIZE, () => tile.subarray(0, length))(0, 999), { code: 'LOG_TILE_MALFORMED' }, `${length}`)
  }
  for (const [level, index] of [[0, 1000], [3, 125], [8, 3], [9, 1], [16, 0], [70, 0]] as const) {
    t.throws(() => createTileReader(SIZE, ({ level: at, index: place }) => stored.get(`${at}/${place}`) as Buffer)(level, index), TypeError, `${level}/${index}`)
  }
})

void t.test('a bundle is its entries behind their lengths, 16 bits, big-endian', async (t) => {
  const entries = [Buffer.from('ab'), Buffer.alloc(0), Buffer.alloc(258, 0x78)]
  const bundle = formatBundle(entries)
  t.equal(bundle.toString('latin1'), `\u0000\u0002ab\u0000\u0000\u0001\u0002${'x'.repeat(258)}`)
  t.strictSame(parseBundle(bundle, 3), entries)
  t.strictSame(parseBundle(new Uint8Array(bundle), 3), entries)
  const longest = [Buffer.alloc(ENTRY_BYTES_MAX, 1)]
  t.strictSame(parseBundle(formatBundle(longest), 1), longest)
  const full = Array.from({ length: 256 }, (_, at) => Buffer.of(at))
  t.strictSame(parseBundle(formatBundle(full), 256), full)
})

void t.test('a bundle with too few or too many entries, or with too long a one, is not written', async (t) => {
  t.throws(() => formatBundle([]), { code: 'LOG_BUNDLE_MALFORMED' })
  t.throws(() => formatBundle(Array.from({ length: 257 }, () => Buffer.alloc(0))), { code: 'LOG_BUNDLE_MALFORMED' })
  t.throws(() => formatBundle([Buffer.alloc(ENTRY_BYTES_MAX + 1)]), { code: 'LOG_ENTRY_TOO_LONG' })
})

void t.test('a bundle cut anywhere, or longer than its path says, is refused', async (t) => {
  const bundle = formatBundle([Buffer.from('abc'), Buffer.from('d')])
  for (let length = 0; length < bundle.length; length += 1) t.throws(() => parseBundle(bundle.subarray(0, length), 2), { name: 'FormatError', code: 'LOG_BUNDLE_MALFORMED' }, `${length}`)
  t.throws(() => parseBundle(Buffer.concat([bundle, Buffer.alloc(1)]), 2), { code: 'LOG_BUNDLE_MALFORMED' })
  t.throws(() => parseBundle(bundle, 1), { code: 'LOG_BUNDLE_MALFORMED' })
  t.throws(() => parseBundle(bundle, 3), { code: 'LOG_BUNDLE_MALFORMED' })
  t.throws(() => parseBundle(bundle.subarray(0, 4), 1), { code: 'LOG_BUNDLE_MALFORMED', offset: 0 })
})
