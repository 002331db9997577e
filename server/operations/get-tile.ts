import { parseTilePath, type FormatError, type TileResource } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import type { Store } from '../store/store.ts'

type Deps = Readonly<{ store: Pick<Store, 'tile' | 'entries'> }>

/** A piece of the log, which never changes: hashes of the tree, or a bundle of entries. */
export type Tile = Readonly<{ kind: TileResource['kind']; bytes: Buffer }>

/**
 * Returns a tile or a bundle of the log by its path, such as `tile/0/x001/x234/067`, `tile/1/000.p/17` or `tile/entries/273.p/112`.
 * @throws SigningError `TILE_NOT_FOUND` for another spelling, or what the tree does not have; `STORE_FAILED`
 * @see https://c2sp.org/tlog-tiles
 */
export async function getTile({ store }: Deps, path: string): Promise<Tile> {
  const resource = parsed(path)
  const { kind, ...position } = resource
  const bytes = resource.kind === 'entries' ? await store.entries(resource) : await store.tile(resource)
  if (bytes === undefined) throw new SigningError('TILE_NOT_FOUND', 'the log has no such tile', position)
  return { kind, bytes }
}

function parsed(path: string): TileResource {
  try {
    return parseTilePath(path)
  } catch (cause) {
    throw new SigningError('TILE_NOT_FOUND', (cause as FormatError).message, { cause })
  }
}
