import { appendLeaves, formatEntry, hashLeaf, inclusionProof, rangeNodes, type CompactRange, type HashReader, type LogEntry } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import type { Receipt } from '../schemas/receipt.ts'
import { checkpointOf, type LogIdentity } from './head.ts'
import type { Ledger } from './ledger.ts'
import type { LogLeafRow, LogNodeRow } from './tables.ts'

/** How many levels of the tree one level of tiles spans: the nodes between are computed. */
export const TILE_LEVELS = 8

/** Entries on their way into the log, in the order of their leaves. */
export type Leaves = Readonly<{
  /** Takes an entry and returns the index of its leaf. */
  add(entry: LogEntry): number
  /** Writes what was added and returns the range of the longer log. */
  write(ledger: Ledger): Promise<CompactRange>
  /** The receipt of a leaf that was added, once they are written. */
  receipt(index: number): Receipt
}>

/** Returns leaves to append behind a range. */
export function createLeaves(before: CompactRange, identity: LogIdentity): Leaves {
  const rows: LogLeafRow[] = []
  const hashes: Buffer[] = []
  let written: Readonly<{ range: CompactRange; read: HashReader; checkpoint: string }> | undefined
  return {
    add: (entry) => {
      const bytes = formatEntry(entry)
      const hash = hashLeaf(bytes)
      const index = before.size + rows.length
      rows.push({ leaf_index: index, kind: entry.kind, hash: hash.toString('base64'), entry: bytes.toString() })
      hashes.push(hash)
      return index
    },
    write: async (ledger) => {
      const { range, nodes } = appendLeaves(before, hashes)
      await ledger.insert('log_leaves', rows)
      const kept = nodes.filter(({ level }) => level > 0 && level % TILE_LEVELS === 0)
      await ledger.insert('log_nodes', kept.map(({ level, index, hash }): LogNodeRow => ({ level, node_index: index, hash: hash.toString('base64') })))
      // What a proof of a new leaf needs is new itself, or was at the right edge.
      const edge = rangeNodes(before.size).map(({ level, index }, at) => ({ level, index, hash: before.hashes[at] as Buffer }))
      const known = new Map([...edge, ...nodes].map(({ level, index, hash }) => [`${level}/${index}`, hash]))
      written = { range, read: (level, index) => known.get(`${level}/${index}`) as Buffer, checkpoint: checkpointOf(range, identity) }
      return range
    },
    receipt: (index) => {
      if (written === undefined) throw new SigningError('INTERNAL', 'a receipt was asked for before the log was written')
      const { range, read, checkpoint } = written
      return receiptOf({ index, entry: (rows[index - before.size] as LogLeafRow).entry, size: range.size, checkpoint }, read)
    },
  }
}

type Proven = Readonly<{ index: number; entry: string; size: number; checkpoint: string }>

/** Returns the receipt of a leaf in a log of this size. */
export function receiptOf({ index, entry, size, checkpoint }: Proven, read: HashReader): Receipt {
  return { index, entry, path: inclusionProof({ index, size }, read).map((hash) => hash.toString('base64')), checkpoint }
}
