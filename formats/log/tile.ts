import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import { HASH_BYTES, checkTreeSize, joinHashes } from './merkle.ts'
import type { HashReader, NodePosition } from './merkle.ts'

/** How many hashes, or entries, a full tile or bundle has. */
export const TILE_WIDTH = 256

/** How many levels of the tree one level of tiles spans. */
const TILE_HEIGHT = 8
const LEVEL_MAX = 63

/** A tile of hashes: level of tiles, index in the level from 0, and width, 256 when it is full and 1 to 255 when it is partial. */
export type TilePosition = Readonly<{ level: number; index: number; width: number }>

/** What a path below the log's address names: a tile of hashes or a bundle of entries. */
export type TileResource = (TilePosition & Readonly<{ kind: 'hashes' }>) | Readonly<{ kind: 'entries'; index: number; width: number }>

/**
 * Formats the path of a tile or a bundle, such as `tile/0/x001/x234/067`, `tile/1/000.p/17` or `tile/entries/273.p/112`.
 * @throws FormatError `LOG_TILE_PATH_MALFORMED` for a level above 63, an index above 2^53 - 1, a width outside 1 to 256
 * @see https://c2sp.org/tlog-tiles
 */
export function formatTilePath(resource: TileResource): string {
  const { index, width } = resource
  const isSound = isBetween(index, 0, Number.MAX_SAFE_INTEGER) && isBetween(width, 1, TILE_WIDTH)
  if (!isSound || (resource.kind === 'hashes' && !isBetween(resource.level, 0, LEVEL_MAX))) throw pathError()
  const digits = String(index)
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) as string[]
  const name = groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join('/')
  const level = resource.kind === 'hashes' ? resource.level : 'entries'
  return `tile/${level}/${name}${width === TILE_WIDTH ? '' : `.p/${width}`}`
}

/**
 * Parses the path of a tile or a bundle, as {@link formatTilePath} formats it and in no other spelling.
 * @throws FormatError `LOG_TILE_PATH_MALFORMED`
 */
export function parseTilePath(path: string): TileResource {
  const [, level, name, width = String(TILE_WIDTH)] = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path) ?? []
  if (level === undefined || name === undefined) throw pathError()
  const place = { index: Number(name.replaceAll(/\D/g, '')), width: Number(width) }
  const resource: TileResource = level === 'entries' ? { kind: 'entries', ...place } : { kind: 'hashes', level: Number(level), ...place }
  if (formatTilePath(resource) !== path) throw pathError()
  return resource
}

/** Returns the tile as wide as it is in a tree of this size, or undefined where such a tree has none. @throws TypeError for no tree size */
export function tileInTree(size: number, level: number, index: number): TilePosition | undefined {
  const width = Math.min(TILE_WIDTH, hashesAt(checkTreeSize(size), level) - index * TILE_WIDTH)
  return width < 1 ? undefined : { level, index, width }
}

/**
 * Yields every tile of a tree of this size, level by level from the leaves, each level from left to right. Those of level 0 are also the
 * bundles of entries.
 * @throws TypeError for no tree size
 */
export function* tilesOfTree(size: number): Generator<TilePosition, undefined> {
  for (let level = 0; hashesAt(checkTreeSize(size), level) > 0; level += 1) {
    const tiles = Math.ceil(hashesAt(size, level) / TILE_WIDTH)
    for (let index = 0; index < tiles; index += 1) yield tileInTree(size, level, index) as TilePosition
  }
}

/** Returns the tiles of a tree of this size that hold these nodes, each once. @throws TypeError for a node that the tree does not have */
export function tilesOfNodes(size: number, nodes: readonly NodePosition[]): TilePosition[] {
  const tiles = nodes.map((node) => placeOf(size, node).tile)
  return [...new Map(tiles.map((tile) => [tileKey(tile), tile])).values()]
}

/**
 * Returns a reader of the hashes of a tree of this size, over its tiles. Each tile is asked for once, as wide as it is in this tree.
 * The reader throws FormatError `LOG_TILE_MALFORMED` for a tile of another length, TypeError for a node that the tree does not have.
 */
export function createTileReader(size: number, readTile: (tile: TilePosition) => Uint8Array): HashReader {
  const tiles = new Map<string, readonly Buffer[]>()
  return (level, index) => {
    const { tile, from, to } = placeOf(size, { level, index })
    const key = tileKey(tile)
    const hashes = tiles.get(key) ?? parseTile(readTile(tile), tile.width)
    tiles.set(key, hashes)
    return joinLevel(hashes.slice(from, to))
  }
}

/**
 * Returns the hashes of a tile: `width` times 32 bytes, views of `bytes`.
 * @throws FormatError `LOG_TILE_MALFORMED` for another length
 */
export function parseTile(bytes: Uint8Array, width: number): Buffer[] {
  if (bytes.length !== width * HASH_BYTES) throw new FormatError('LOG_TILE_MALFORMED', `the tile does not have ${width} hashes of ${HASH_BYTES} bytes`)
  const tile = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: width }, (_, at) => tile.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES))
}

/** How many hashes a level of tiles has: the complete subtrees of 256^level leaves. */
function hashesAt(size: number, level: number): number {
  return Math.floor(size / TILE_WIDTH ** level)
}

function placeOf(size: number, { level, index }: NodePosition): Readonly<{ tile: TilePosition; from: number; to: number }> {
  const tileLevel = Math.floor(level / TILE_HEIGHT)
  const count = 2 ** (level % TILE_HEIGHT)
  const first = index * count
  const tile = tileInTree(size, tileLevel, Math.floor(first / TILE_WIDTH))
  const from = first % TILE_WIDTH
  if (tile === undefined || from + count > tile.width) throw new TypeError('the tree has no such node')
  return { tile, from, to: from + count }
}

/** The hash over a power of two of hashes. */
function joinLevel(hashes: readonly Buffer[]): Buffer {
  if (hashes.length <= 2) return joinHashes(hashes)
  const half = hashes.length / 2
  return joinHashes([joinLevel(hashes.slice(0, half)), joinLevel(hashes.slice(half))])
}

function tileKey({ level, index }: TilePosition): string {
  return `${level}/${index}`
}

function isBetween(value: number, low: number, high: number): boolean {
  return Number.isSafeInteger(value) && value >= low && value <= high
}

function pathError(): FormatError {
  return new FormatError('LOG_TILE_PATH_MALFORMED', 'a tile path is tile/LEVEL/INDEX or tile/entries/INDEX, the index in groups of three digits, with .p/WIDTH for a partial one')
}
