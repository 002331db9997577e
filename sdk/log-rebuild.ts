import {
  appendLeaves, emptyRange, FormatError, formatTilePath, hashLeaf, parseBundle, parseEntry, parseTile, rangeNodes, rangeRoot, TILE_WIDTH, tilesOfTree,
  type CompactRange, type LogEntry, type TilePosition, type TileResource,
} from '../formats/index.ts'
import { attempt } from './log-attempt.ts'
import type { LogFindings } from './log-finding.ts'

/** Returns a tile or a bundle of the log, not verified. */
export type ReadTile = (resource: TileResource) => Promise<Buffer>

/** Returns how the API calls a tile or a bundle: its path without `tile/`. */
export function tileName(resource: TileResource): string {
  return formatTilePath(resource).slice('tile/'.length)
}

/** How many tiles are asked for at once. */
const AHEAD = 8
/** A full tile is the complete subtree of this level. */
const TILE_LEVEL = 8

/** What was read of a resource. */
export type Fetched<T> = Readonly<{ item: T; bytes: readonly Buffer[] }>

/** Yields what was read, in the order of `items`, with a few under way at once. @throws what `read` throws */
export async function* readAhead<T>(items: Iterable<T>, read: (item: T) => Promise<readonly Buffer[]>): AsyncGenerator<Fetched<T>, void, undefined> {
  const waiting: { item: T; reading: Promise<readonly Buffer[]> }[] = []
  const take = async (): Promise<Fetched<T>> => {
    const { item, reading } = waiting.shift()!
    return { item, bytes: await reading }
  }
  for (const item of items) {
    const reading = read(item)
    // It is awaited when its turn comes; until then a fault is not unhandled.
    reading.catch(() => undefined)
    waiting.push({ item, reading })
    if (waiting.length >= AHEAD) yield await take()
  }
  while (waiting.length > 0) yield await take()
}

/**
 * A log that was rebuilt from its entries. What is kept of it is its right edge, the subtrees of full bundles and what stands above them, 32
 * bytes for 128 entries, and the leaves of the last bundle where that is not full.
 */
export type RebuiltLog = Readonly<{
  size: number
  root: Buffer
  /** The hash of a complete subtree of level 8 or above. */
  node: (level: number, index: number) => Buffer
  /** The leaf hashes of a partial last bundle. */
  lastLeaves: readonly Buffer[]
  /** The root that the tree had at each of the sizes that were asked for. */
  rootsAt: ReadonlyMap<number, Buffer>
  /** How many entries there are of each kind. */
  kinds: Readonly<Record<string, number>>
}>

/** What is rebuilt: so many entries; `sizes` at which the root is wanted; `onEntries` is told how many are done. */
export type Rebuilding = Readonly<{ read: ReadTile; size: number; sizes: readonly number[]; findings: LogFindings; onEntries?: ((done: number) => void) | undefined }>

/**
 * Rebuilds the tree of a log from its entries alone, and compares it with the tiles of every level. What differs, and an entry that is none,
 * goes to `findings`.
 * @throws FormatError for a bundle or tile that is none, which ends it; what `read` throws
 */
export async function rebuildLog({ read, size, sizes, findings, onEntries }: Rebuilding): Promise<RebuiltLog> {
  const higher = new Map<number, Buffer[]>()
  const rootsAt = new Map<number, Buffer>()
  const kinds: Record<string, number> = {}
  let range: CompactRange = emptyRange()
  let leaves: readonly Buffer[] = []
  for await (const { item: { index, width }, bytes: [bundle, tile] } of readAhead(bundlesOf(size), readBoth(read))) {
    const entries = parseBundle(bundle!, width)
    leaves = entries.map(hashLeaf)
    entries.forEach((entry, at) => count(kinds, entry, { findings, index: index * TILE_WIDTH + at }))
    compareTile(leaves, parseTile(tile!, width), { level: 0, index, width }, findings)
    noteRoots(rootsAt, sizes, range, leaves)
    const appended = appendLeaves(range, leaves)
    range = appended.range
    for (const { level, hash } of appended.nodes) if (level >= TILE_LEVEL) listAt(higher, level).push(hash)
    onEntries?.(range.size)
  }
  noteRoots(rootsAt, sizes, range, [])
  await compareHigher({ read, size, findings }, higher)
  return { size, root: rangeRoot(range), node: (level, index) => higher.get(level)![index]!, lastLeaves: size % TILE_WIDTH === 0 ? [] : leaves, rootsAt, kinds }
}

/** The bundles of a log, from the first entry on. */
export function bundlesOf(size: number): TilePosition[] {
  return [...tilesOfTree(size)].filter(({ level }) => level === 0)
}

function readBoth(read: ReadTile): (tile: TilePosition) => Promise<readonly Buffer[]> {
  return async (tile) => await Promise.all([read({ kind: 'entries', index: tile.index, width: tile.width }), read({ kind: 'hashes', ...tile })])
}

function count(kinds: Record<string, number>, bytes: Buffer, { findings, index }: Readonly<{ findings: LogFindings; index: number }>): void {
  const entry = readEntry(bytes)
  if (entry === undefined) return findings.add({ kind: 'entry-malformed', index, detail: `entry ${index} is no entry of a log` })
  kinds[entry.kind] = (kinds[entry.kind] ?? 0) + 1
}

/** Returns an entry, or undefined for bytes that are none. */
export function readEntry(bytes: Buffer): LogEntry | undefined {
  const entry = attempt(() => parseEntry(bytes))
  return entry instanceof FormatError ? undefined : entry
}

function compareTile(rebuilt: readonly Buffer[], hashes: readonly Buffer[], { level, index }: TilePosition, findings: LogFindings): void {
  hashes.forEach((hash, at) => {
    if (hash.equals(rebuilt[at]!)) return
    const place = index * TILE_WIDTH + at
    const detail = level === 0 ? `entry ${place} is not the one that the tree was made of` : `hash ${place} of level ${level} is not that of the entries below it`
    findings.add({ kind: 'tile-differs', level, index: place, detail })
  })
}

function noteRoots(rootsAt: Map<number, Buffer>, sizes: readonly number[], range: CompactRange, leaves: readonly Buffer[]): void {
  for (const size of sizes) {
    if (size < range.size || (size >= range.size + leaves.length && size !== range.size)) continue
    rootsAt.set(size, rangeRoot(appendLeaves(range, leaves.slice(0, size - range.size)).range))
  }
}

function listAt(higher: Map<number, Buffer[]>, level: number): Buffer[] {
  const list = higher.get(level) ?? []
  higher.set(level, list)
  return list
}

async function compareHigher({ read, size, findings }: Pick<Rebuilding, 'read' | 'size' | 'findings'>, higher: ReadonlyMap<number, readonly Buffer[]>): Promise<void> {
  const tiles = [...tilesOfTree(size)].filter(({ level }) => level > 0)
  for await (const { item: tile, bytes: [bytes] } of readAhead(tiles, async (tile) => [await read({ kind: 'hashes', ...tile })])) {
    const first = tile.index * TILE_WIDTH
    compareTile(higher.get(tile.level * TILE_LEVEL)!.slice(first, first + tile.width), parseTile(bytes!, tile.width), tile, findings)
  }
}

/** The leaf hashes of one bundle and the subtrees over them. */
export type BundleTree = Readonly<{ index: number; hash: (level: number, index: number) => Buffer }>

/** Returns the subtrees of a bundle, by their place in the whole tree. */
export function bundleTree(index: number, leaves: readonly Buffer[]): BundleTree {
  const { nodes } = appendLeaves(emptyRange(), leaves)
  const hashes = new Map(nodes.map((node) => [`${node.level}/${node.index}`, node.hash]))
  return { index, hash: (level, place) => hashes.get(`${level}/${place - index * 2 ** (TILE_LEVEL - level)}`)! }
}

/** Returns the root that a rebuilt log had at a size; `tree` is the bundle in which that size ends. */
export function rootAt({ node }: Pick<RebuiltLog, 'node'>, size: number, tree: BundleTree | undefined): Buffer {
  const hashes = rangeNodes(size).map(({ level, index }) => (level >= TILE_LEVEL ? node(level, index) : tree!.hash(level, index)))
  return rangeRoot({ size, hashes })
}
