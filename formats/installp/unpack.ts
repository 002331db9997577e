import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'

/** Takes packed bytes, hands on plain ones. `end` says that the packed bytes are complete. */
export type Unpacker = Readonly<{ push(chunk: Uint8Array): void; end(): void }>

/** The deepest tree of packed data. */
export const PACKED_LEVELS_MAX = 24

// The symbols of one level stand in a row; `leaves` of the deepest one counts the end mark, which has a code but no stored symbol.
type Level = { leaves: number; interior: number; readonly symbols: number[] }

const OUTPUT_BYTES = 16_384

/**
 * Returns a decoder for one packed member (magic 60012), the canonical Huffman coding of the old `pack` program without its header:
 * a byte with the number of levels, a byte with the leaf count of each (of the deepest one the count minus 2), the symbols level by
 * level, then the codes, most significant bit first, up to the end mark.
 *
 * `emit` gets plain bytes in pieces of at most 16 KiB, each valid only during the call. Never more than `sizeBytes` are emitted: a
 * member that unpacks to another length is refused. Memory does not depend on the input; bytes behind the end mark are ignored.
 * Both functions throw FormatError `PACKED_MALFORMED`.
 * @see docs/formats/bff.md#packed-data
 */
export function createUnpacker(sizeBytes: number, emit: (chunk: Uint8Array) => void): Unpacker {
  const output = Buffer.alloc(OUTPUT_BYTES)
  let filled = 0
  let left = sizeBytes
  let reader: ByteReader = tableReader(startCodes)

  function startCodes(levels: readonly Level[]): void {
    reader = codeReader(levels, write, () => { reader = ignoreRest })
  }

  function write(symbol: number): void {
    if (left === 0) throw malformed('unpacks to more bytes than its header says')
    left -= 1
    output[filled] = symbol
    filled += 1
    if (filled === OUTPUT_BYTES) flush()
  }

  function flush(): void {
    if (filled > 0) emit(output.subarray(0, filled))
    filled = 0
  }

  function end(): void {
    if (reader !== ignoreRest) throw malformed('ends in the middle')
    if (left > 0) throw malformed('unpacks to fewer bytes than its header says')
    flush()
  }

  function push(chunk: Uint8Array): void {
    for (const byte of chunk) {
      reader(byte)
      if (reader === ignoreRest) return
    }
  }
  return { push, end }
}

type ByteReader = (byte: number) => void

function ignoreRest(): void {
  // The end mark was read: what follows are the unused bits of the last byte, and padding.
}

/** Reads the level count, the leaf counts and the symbols; then the tree is known. */
function tableReader(done: (levels: readonly Level[]) => void): ByteReader {
  const levels: Level[] = []
  const seen = new Set<number>()
  let levelCount = 0
  let filling = 0

  return (byte) => {
    if (levelCount === 0) {
      if (byte === 0 || byte > PACKED_LEVELS_MAX) throw malformed(`has a tree of no or more than ${PACKED_LEVELS_MAX} levels`)
      levelCount = byte
      return
    }
    if (levels.length < levelCount) {
      levels.push({ leaves: byte, interior: 0, symbols: [] })
      if (levels.length === levelCount) completeTree(levels)
      return
    }
    if (seen.has(byte)) throw malformed('has two codes for one byte')
    seen.add(byte)
    while (isFull(levels, filling)) filling += 1
    ;(levels[filling] as Level).symbols.push(byte)
    // The deepest level always takes at least one symbol, so the table ends exactly there.
    if (filling === levelCount - 1 && isFull(levels, filling)) done(levels)
  }
}

function isFull(levels: readonly Level[], index: number): boolean {
  const level = levels[index] as Level
  const isDeepest = index === levels.length - 1
  return level.symbols.length === level.leaves - (isDeepest ? 1 : 0)
}

/**
 * Counts the interior nodes of each level from the deepest up. Only a tree whose nodes pair up to one root has a meaning for every bit
 * string; with such a tree no code can lead outside the tables.
 */
function completeTree(levels: readonly Level[]): void {
  ;(levels.at(-1) as Level).leaves += 2
  let nodes = 0
  for (const level of levels.toReversed()) {
    level.interior = nodes
    nodes += level.leaves
    if (nodes % 2 !== 0) throw malformed('has an impossible tree')
    nodes /= 2
  }
  if (nodes !== 1) throw malformed('has an impossible tree')
}

/** Reads codes: at each level the interior nodes have the low numbers and the leaves those above. */
function codeReader(levels: readonly Level[], write: (symbol: number) => void, done: () => void): ByteReader {
  const deepest = levels.length - 1
  let depth = 0
  let code = 0

  return (byte) => {
    for (let bit = 7; bit >= 0; bit -= 1) {
      code = code * 2 + ((byte >> bit) & 1)
      const level = levels[depth] as Level
      const leaf = code - level.interior
      if (leaf < 0) {
        depth += 1
        continue
      }
      if (depth === deepest && leaf === level.leaves - 1) return done()
      write(level.symbols[leaf] as number)
      depth = 0
      code = 0
    }
  }
}

function malformed(fault: string): FormatError {
  return new FormatError('PACKED_MALFORMED', `a packed member of the package ${fault}`)
}
