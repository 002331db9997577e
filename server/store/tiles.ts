import { Buffer } from 'node:buffer'
import type { Kysely } from 'kysely'
import { createTileReader, formatBundle, HASH_BYTES, TILE_WIDTH, tilesOfNodes, type HashReader, type NodePosition, type TilePosition } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import { TILE_LEVELS } from './leaves.ts'
import type { StoreTables } from './tables.ts'

/** Returns the bytes of a tile of hashes; the log must be long enough for it. @throws SigningError `STORE_FAILED` where hashes are gone */
export async function readTile(db: Kysely<StoreTables>, { level, index, width }: TilePosition): Promise<Buffer> {
  const first = index * TILE_WIDTH
  const rows = level === 0
    ? await db.selectFrom('log_leaves').select('hash').where('leaf_index', '>=', first).where('leaf_index', '<', first + width).orderBy('leaf_index').execute()
    : await db.selectFrom('log_nodes').select('hash').where('level', '=', level * TILE_LEVELS).where('node_index', '>=', first).where('node_index', '<', first + width).orderBy('node_index').execute()
  const tile = Buffer.concat(rows.map(({ hash }) => Buffer.from(hash, 'base64')))
  if (tile.length !== width * HASH_BYTES) throw gone()
  return tile
}

/** Returns the bytes of a bundle of entries; the log must be long enough for it. @throws SigningError `STORE_FAILED` where entries are gone */
export async function readBundle(db: Kysely<StoreTables>, { index, width }: Readonly<{ index: number; width: number }>): Promise<Buffer> {
  const first = index * TILE_WIDTH
  const rows = await db.selectFrom('log_leaves').select('entry').where('leaf_index', '>=', first).where('leaf_index', '<', first + width).orderBy('leaf_index').execute()
  if (rows.length !== width) throw gone()
  return formatBundle(rows.map(({ entry }) => Buffer.from(entry)))
}

/** Returns a reader of these nodes of a log that has at least `size` leaves. Each tile is read once, each node computed once. */
export async function readNodes(db: Kysely<StoreTables>, size: number, nodes: readonly NodePosition[]): Promise<HashReader> {
  const tiles = new Map<string, Buffer>()
  for (const tile of tilesOfNodes(size, nodes)) tiles.set(`${tile.level}/${tile.index}`, await readTile(db, tile))
  const read = createTileReader(size, ({ level, index }) => tiles.get(`${level}/${index}`) as Buffer)
  const computed = new Map<string, Uint8Array>()
  return (level, index) => {
    const key = `${level}/${index}`
    const hash = computed.get(key) ?? read(level, index)
    computed.set(key, hash)
    return hash
  }
}

function gone(): SigningError {
  return new SigningError('STORE_FAILED', 'a part of the log is gone: somebody changed the database')
}
