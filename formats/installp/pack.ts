import { Buffer } from 'node:buffer'
import { PACKED_LEVELS_MAX } from './unpack.ts'

const END_MARK = 256

/**
 * Returns `data` packed as a member of magic 60012, the counterpart of `createUnpacker`. The result may be longer than `data`; whoever
 * writes a package decides. No bytes at all pack to no bytes: the coding has no tree for an end mark alone.
 */
export function pack(data: Uint8Array): Buffer {
  if (data.length === 0) return Buffer.alloc(0)
  const levels = symbolsByLevel(countBytes(data))
  return Buffer.concat([encodeTable(levels), encodeCodes(data, assignCodes(levels))])
}

type Code = Readonly<{ bits: number; length: number }>

function countBytes(data: Uint8Array): number[] {
  const counts = Array.from({ length: END_MARK + 1 }, () => 0)
  for (const byte of data) counts[byte] = (counts[byte] as number) + 1
  return counts
}

/**
 * Returns the symbols of each level, the end mark last on the deepest. Code lengths go to symbols by frequency: the multiset of lengths
 * is that of a Huffman tree, so giving the rarest, the end mark, the longest costs nothing.
 */
function symbolsByLevel(counts: readonly number[]): number[][] {
  const used = counts.flatMap((count, symbol) => (count > 0 ? [symbol] : [])).sort((a, b) => (counts[b] as number) - (counts[a] as number))
  const lengths = codeLengths(used.map((symbol) => counts[symbol] as number))
  const levels: number[][] = Array.from({ length: Math.max(...lengths) }, () => [])
  for (const [index, symbol] of [...used, END_MARK].entries()) (levels[(lengths[index] as number) - 1] as number[]).push(symbol)
  return levels
}

/** Returns ascending code lengths for `weights` (descending) and one end mark, none above the 24 levels of the format. */
function codeLengths(weights: readonly number[]): number[] {
  const lengths = huffmanLengths([...weights, 1]).sort((a, b) => a - b)
  // Only inputs with Fibonacci-like counts get here. Halving the counts flattens the tree; equal counts give at most 9 levels.
  if ((lengths.at(-1) as number) > PACKED_LEVELS_MAX) return codeLengths(weights.map((weight) => Math.ceil(weight / 2)))
  return lengths
}

function huffmanLengths(weights: readonly number[]): number[] {
  const lengths = weights.map(() => 0)
  const trees = weights.map((weight, index) => ({ weight, members: [index] }))
  while (trees.length > 1) {
    trees.sort((a, b) => b.weight - a.weight)
    const [one, other] = trees.splice(-2) as [(typeof trees)[number], (typeof trees)[number]]
    const members = [...one.members, ...other.members]
    for (const member of members) lengths[member] = (lengths[member] as number) + 1
    trees.push({ weight: one.weight + other.weight, members })
  }
  return lengths
}

function encodeTable(levels: readonly (readonly number[])[]): Buffer {
  const counts = levels.map((symbols) => symbols.length)
  // The deepest level has at least two leaves; its count is stored minus 2, its last leaf (the end mark) has no stored symbol.
  counts[counts.length - 1] = (counts.at(-1) as number) - 2
  return Buffer.from([levels.length, ...counts, ...levels.flat().filter((symbol) => symbol !== END_MARK)])
}

function assignCodes(levels: readonly (readonly number[])[]): Map<number, Code> {
  const codes = new Map<number, Code>()
  let nodes = 0
  for (const [index, symbols] of [...levels.entries()].toReversed()) {
    for (const [leaf, symbol] of symbols.entries()) codes.set(symbol, { bits: nodes + leaf, length: index + 1 })
    nodes = (nodes + symbols.length) / 2
  }
  return codes
}

function encodeCodes(data: Uint8Array, codes: ReadonlyMap<number, Code>): Buffer {
  const output: number[] = []
  let pending = 0
  let pendingBits = 0

  function put(symbol: number): void {
    const { bits, length } = codes.get(symbol) as Code
    // At most 7 bits wait and a code has at most 24, so 31 bits are enough; >>> keeps them unsigned.
    pending = ((pending << length) | bits) >>> 0
    pendingBits += length
    while (pendingBits >= 8) {
      pendingBits -= 8
      output.push((pending >>> pendingBits) & 0xff)
      pending &= (1 << pendingBits) - 1
    }
  }
  for (const byte of data) put(byte)
  put(END_MARK)
  if (pendingBits > 0) output.push((pending << (8 - pendingBits)) & 0xff)
  return Buffer.from(output)
}
