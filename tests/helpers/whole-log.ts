import type { Test } from 'tap'
import {
  appendLeaves, emptyRange, formatTilePath, hashLeaf, openCheckpoint, parseBundle, parseEntry, parseProof, parseVerifierKey, rangeRoot, tilesOfTree, verifyProof,
} from '../../formats/index.ts'
import type { Checkpoint, CheckpointTrust, LogEntry } from '../../formats/index.ts'
import type { FoundSignature } from '../../server/schemas/signatures.ts'
import type { Signature } from '../../server/schemas/signature.ts'
import type { Client } from './client.ts'

/** A log, fetched whole and rebuilt: its entries as bytes and read, and the state that they give. */
export type WholeLog = Readonly<{ checkpoint: Checkpoint; trust: CheckpointTrust; leaves: readonly Buffer[]; entries: readonly LogEntry[]; signatures: ReadonlyMap<string, number> }>

/**
 * Fetches the whole log, as somebody would who does not trust its server: the entries give the tree of the signed checkpoint, every tile
 * is that of this tree, and the tree goes on from an `earlier` one. Throws when anything is not so.
 */
export async function fetchLog(client: Client, earlier?: WholeLog): Promise<WholeLog> {
  const trust: CheckpointTrust = { keys: [parseVerifierKey((await get(client, '/log/key')).toString().trim())] }
  const checkpoint = openCheckpoint(await get(client, '/log/checkpoint'), trust)
  const positions = [...tilesOfTree(checkpoint.size)]
  const tiles = await Promise.all(positions.map(async (tile) => [tile, await get(client, `/log/${formatTilePath({ kind: 'hashes', ...tile })}`)] as const))
  const bundles = await Promise.all(positions.filter(({ level }) => level === 0).map(async ({ index, width }) => parseBundle(await get(client, `/log/${formatTilePath({ kind: 'entries', index, width })}`), width)))
  const leaves = bundles.flat()
  const { range, nodes } = appendLeaves(emptyRange(), leaves.map(hashLeaf))
  if (!rangeRoot(range).equals(checkpoint.root) || range.size !== checkpoint.size) throw new Error('the entries do not give the tree of the checkpoint')
  checkTiles(tiles, nodes)
  if (earlier !== undefined) checkConsistency(earlier.checkpoint, leaves)
  const entries = leaves.map((leaf) => parseEntry(leaf))
  const signatures = new Map(entries.flatMap((entry, index) => (entry.kind === 'signature' ? [[entry.id, index] as const] : [])))
  return { checkpoint, trust, leaves, entries, signatures }
}

type Nodes = ReturnType<typeof appendLeaves>['nodes']
type Tiles = readonly (readonly [Readonly<{ level: number; index: number; width: number }>, Buffer])[]

function checkTiles(tiles: Tiles, nodes: Nodes): void {
  const hashes = new Map(nodes.map(({ level, index, hash }) => [`${level}/${index}`, hash]))
  for (const [{ level, index, width }, bytes] of tiles) {
    const want = Buffer.concat(Array.from({ length: width }, (_, at) => hashes.get(`${level * 8}/${index * 256 + at}`) ?? Buffer.alloc(0)))
    if (!want.equals(bytes)) throw new Error(`tile ${level}/${index} is not that of the entries`)
  }
}

function checkConsistency({ size, root }: Checkpoint, leaves: readonly Buffer[]): void {
  if (leaves.length < size) throw new Error(`the log has shrunk from ${size} to ${leaves.length} entries`)
  if (!rangeRoot(appendLeaves(emptyRange(), leaves.slice(0, size).map(hashLeaf)).range).equals(root)) throw new Error('the log does not go on from the earlier checkpoint')
}

async function get(client: Client, path: string): Promise<Buffer> {
  const answer = await client.ask(path)
  if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.text}`)
  return answer.bytes
}

/** The digests of each fileset level, by `package fileset vrmf type`, as the log has them. */
export function digestsByLevel({ entries }: WholeLog): ReadonlyMap<string, ReadonlySet<string>> {
  const levels = new Map<string, Set<string>>()
  for (const entry of entries) {
    if (entry.kind !== 'signature' || !('records' in entry)) continue
    for (const { package: name, fileset, vrmf, ftype } of entry.records) {
      const level = `${name} ${fileset} ${vrmf} ${ftype}`
      levels.set(level, (levels.get(level) ?? new Set()).add(entry.sha256))
    }
  }
  return levels
}

/** Every signature of the catalogue by id, as the search gives it. */
export async function fetchCatalogue(client: Client): Promise<ReadonlyMap<string, Signature>> {
  const { status, text } = await client.ask('/signatures', { headers: { accept: 'application/x-ndjson' } })
  if (status !== 200) throw new Error(`GET /signatures: ${status} ${text}`)
  const lines = text.trimEnd().split('\n').map((line) => JSON.parse(line) as FoundSignature | Readonly<Record<string, unknown>>)
  return new Map(lines.flatMap((line) => ('signature' in line ? [[(line as FoundSignature).signature.id, (line as FoundSignature).signature] as const] : [])))
}

/** Fails the test unless each signature stands in catalogue and log just as it was answered, and its receipt proves so offline. */
export function checkRecorded(t: Test, answered: readonly Signature[], { log, catalogue }: Readonly<{ log: WholeLog; catalogue: ReadonlyMap<string, Signature> }>): void {
  const wrong = answered.flatMap((signature): string[] => {
    const { id, receipt } = signature
    const kept = catalogue.get(id)
    if (kept === undefined) return [`${id} is not in the catalogue`]
    if (JSON.stringify({ ...kept, replayed: false }) !== JSON.stringify({ ...signature, replayed: false })) return [`${id} is another one in the catalogue`]
    if (log.signatures.get(id) !== receipt.index || log.leaves[receipt.index]?.toString() !== receipt.entry) return [`${id} is not in the log where its receipt says`]
    const proof = { index: receipt.index, path: receipt.path.map((hash) => Buffer.from(hash, 'base64')), checkpoint: receipt.checkpoint }
    return verifyProof({ proof, trust: log.trust, entry: Buffer.from(receipt.entry) }).index === receipt.index ? [] : [`the receipt of ${id} proves another entry`]
  })
  t.strictSame(wrong, [], `${answered.length} answered signatures are in catalogue and log`)
}

/** Fetches the proof of a signature and verifies it offline: the index of its entry. */
export async function provenIndex(client: Client, id: string, { trust }: WholeLog): Promise<number> {
  return verifyProof({ proof: parseProof(await get(client, `/signatures/${id}/proof`)), trust }).index
}
