import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'

/** The length of every hash of the tree: SHA-256. */
export const HASH_BYTES = 32

/** A complete subtree: the leaves from `index * 2^level` up to, not including, `(index + 1) * 2^level`. Level 0 is the leaves. */
export type NodePosition = Readonly<{ level: number; index: number }>

/** A complete subtree with its Merkle Tree Hash (32 bytes). */
export type TreeNode = NodePosition & Readonly<{ hash: Buffer }>

/** Returns the hash of a complete subtree, 32 bytes, from wherever the tree is kept. */
export type HashReader = (level: number, index: number) => Uint8Array

/**
 * The right edge of a tree: the hashes of the complete subtrees that its leaves fall into, from left to right, the largest first; one for
 * each 1 in the binary form of `size`. It is all that is needed to append leaves and to compute the root.
 */
export type CompactRange = Readonly<{ size: number; hashes: readonly Buffer[] }>

// Before what is hashed, so that no leaf can pass for an inner node: RFC 6962, section 2.1.
const LEAF_PREFIX = Buffer.of(0)
const NODE_PREFIX = Buffer.of(1)

/** Returns the hash of a leaf: SHA-256(0x00 || data). @see RFC 6962, section 2.1; RFC 9162, section 2.1.1 */
export function hashLeaf(data: Uint8Array): Buffer {
  return createHash('sha256').update(LEAF_PREFIX).update(data).digest()
}

/** Returns the hash of an inner node: SHA-256(0x01 || left || right). @see RFC 6962, section 2.1; RFC 9162, section 2.1.1 */
export function hashNode(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(NODE_PREFIX).update(left).update(right).digest()
}

/** Returns the range of a tree without leaves. */
export function emptyRange(): CompactRange {
  return { size: 0, hashes: [] }
}

/** Returns the positions of the hashes of a compact range of this size, from left to right. @throws TypeError for no tree size */
export function rangeNodes(size: number): NodePosition[] {
  checkTreeSize(size)
  return spanNodes({ start: 0, end: size })
}

/** Returns the compact range of a tree of this size, read from its stored hashes: at most 53 of them. @throws TypeError */
export function readRange(size: number, read: HashReader): CompactRange {
  return { size, hashes: rangeNodes(size).map(({ level, index }) => checkHash(read(level, index))) }
}

/**
 * Returns the range with these leaves (hashes of {@link hashLeaf}) behind its own, and every complete subtree that they completed, in the
 * order of completion: the leaves themselves (level 0) and the nodes above them. Each leaf costs two hashes on average.
 * Who keeps tiles needs only the nodes whose level is a multiple of 8.
 * @throws TypeError for a hash that is not 32 bytes long
 */
export function appendLeaves(range: CompactRange, leafHashes: readonly Uint8Array[]): Readonly<{ range: CompactRange; nodes: TreeNode[] }> {
  const hashes = [...range.hashes]
  const nodes: TreeNode[] = []
  let { size } = range
  for (const leafHash of leafHashes) {
    let node: TreeNode = { level: 0, index: size, hash: checkHash(leafHash) }
    nodes.push(node)
    // As in a binary counter: each 1 at the low end of the old size is a subtree as large as the new one, to its left.
    while (node.index % 2 === 1) {
      node = { level: node.level + 1, index: (node.index - 1) / 2, hash: hashNode(hashes.pop() as Buffer, node.hash) }
      nodes.push(node)
    }
    hashes.push(node.hash)
    size += 1
  }
  return { range: { size: checkTreeSize(size), hashes }, nodes }
}

/** Returns the Merkle Tree Hash of a tree, from its right edge; of an empty tree the hash of nothing, e3b0c442…. */
export function rangeRoot({ hashes }: CompactRange): Buffer {
  return hashes.length === 0 ? createHash('sha256').digest() : joinHashes(hashes)
}

/** Leaves from `start` up to, not including, `end`: one side of a split as RFC 6962 makes it, so `start` is a multiple of a power of two that is not below the length. */
export type Span = Readonly<{ start: number; end: number }>

/** Returns the complete subtrees of a span, from left to right, the largest first. */
export function spanNodes({ start, end }: Span): NodePosition[] {
  const nodes: NodePosition[] = []
  for (let at = start; at < end;) {
    // Whole numbers up to 2^53 have an exact double, and so have their halves: no 32-bit operators here.
    const level = levelBelow(end - at)
    nodes.push({ level, index: at / 2 ** level })
    at += 2 ** level
  }
  return nodes
}

/** Returns the hash over complete subtrees that stand side by side, the largest first. At least one. */
export function joinHashes(hashes: readonly Buffer[]): Buffer {
  return hashes.reduceRight((right, left) => hashNode(left, right))
}

/** Returns the largest whole number whose power of two is not above `count`, which is at least 1. */
export function levelBelow(count: number): number {
  let level = 0
  while (2 ** (level + 1) <= count) level += 1
  return level
}

/** Returns `size` when a tree can have so many leaves. @throws TypeError */
export function checkTreeSize(size: number): number {
  if (!Number.isSafeInteger(size) || size < 0) throw new TypeError('a tree size is a whole number from 0 to 2^53 - 1')
  return size
}

/** Returns the hash as a Buffer over the same memory. @throws TypeError when it is not 32 bytes long */
export function checkHash(hash: Uint8Array): Buffer {
  if (hash.length !== HASH_BYTES) throw new TypeError(`a hash of the tree has ${HASH_BYTES} bytes`)
  return Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength)
}
