import type { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import { HASH_BYTES, checkHash, checkTreeSize, emptyRange, hashNode, joinHashes, levelBelow, rangeRoot, spanNodes } from './merkle.ts'
import type { HashReader, NodePosition, Span } from './merkle.ts'

/** A leaf, counted from 0, and the number of leaves of the tree that it is shown to be in. */
export type LeafPosition = Readonly<{ index: number; size: number }>

/** The numbers of leaves of an earlier and a later state of one tree. */
export type TreeSizes = Readonly<{ first: number; second: number }>

/** A state of a tree: its number of leaves and its Merkle Tree Hash (32 bytes). */
export type TreeHead = Readonly<{ size: number; root: Uint8Array }>

/**
 * Returns the inclusion proof of a leaf: the hashes of 32 bytes from the leaf's sibling up to the root's child.
 * @throws TypeError when the tree has no such leaf, or `read` gives what is no hash
 * @see RFC 6962, section 2.1.1
 */
export function inclusionProof(position: LeafPosition, read: HashReader): Buffer[] {
  return readSpans(inclusionSpans(position), read)
}

/**
 * Returns the consistency proof between two states of a tree; empty when they have the same size, and when the first is empty.
 * @throws TypeError when the second is smaller than the first, or `read` gives what is no hash
 * @see RFC 6962, section 2.1.2
 */
export function consistencyProof(sizes: TreeSizes, read: HashReader): Buffer[] {
  return readSpans(consistencySpans(sizes), read)
}

/** Returns what {@link inclusionProof} will read, so that it can be fetched together beforehand. @throws TypeError as there */
export function inclusionNodes(position: LeafPosition): NodePosition[] {
  return inclusionSpans(position).flatMap(spanNodes)
}

/** Returns what {@link consistencyProof} will read, so that it can be fetched together beforehand. @throws TypeError as there */
export function consistencyNodes(sizes: TreeSizes): NodePosition[] {
  return consistencySpans(sizes).flatMap(spanNodes)
}

/**
 * Returns when `path` shows that the leaf with this hash ({@link hashLeaf}) is at this place in the tree with this root.
 * @throws FormatError `LOG_PROOF_WRONG`
 * @see RFC 9162, section 2.1.3.2
 */
export function verifyInclusion(claim: LeafPosition & Readonly<{ leafHash: Uint8Array; path: readonly Uint8Array[]; root: Uint8Array }>): void {
  const { index, size, leafHash, path, root } = claim
  const wrong = new FormatError('LOG_PROOF_WRONG', 'the inclusion proof does not lead from the entry to the root of the checkpoint')
  const possible = Number.isSafeInteger(size) && Number.isSafeInteger(index) && index >= 0 && index < size
  if (!possible || ![leafHash, root, ...path].every(isHash)) throw wrong
  const step = { first: index, second: size - 1 }
  let hash = leafHash
  for (const sibling of path) {
    if (step.second === 0) throw wrong
    hash = isRight(step) ? hashNode(sibling, hash) : hashNode(hash, sibling)
    ascend(step)
  }
  if (step.second !== 0 || !checkHash(root).equals(hash)) throw wrong
}

/**
 * Returns when `path` shows that the second tree is the first with leaves behind it: that no history was rewritten between the two.
 * Of an empty first tree this needs no proof, so `path` must be empty then, as it must between trees of the same size.
 * @throws FormatError `LOG_CONSISTENCY_WRONG`
 * @see RFC 9162, section 2.1.4.2
 */
export function verifyConsistency({ first, second, path }: Readonly<{ first: TreeHead; second: TreeHead; path: readonly Uint8Array[] }>): void {
  const heads = [first, second]
  const isSound = heads.every(({ size, root }) => Number.isSafeInteger(size) && size >= 0 && isHash(root) && (size > 0 || sameHash(root, rangeRoot(emptyRange()))))
  if (!isSound || first.size > second.size || !path.every(isHash) || !isConsistent(first, second, path)) {
    throw new FormatError('LOG_CONSISTENCY_WRONG', 'the later checkpoint does not continue the earlier one')
  }
}

function isConsistent(first: TreeHead, second: TreeHead, path: readonly Uint8Array[]): boolean {
  if (first.size === 0) return path.length === 0
  if (first.size === second.size) return path.length === 0 && sameHash(first.root, second.root)
  const step = { first: first.size - 1, second: second.size - 1 }
  while (step.first % 2 === 1) halve(step)
  // A first tree that is itself one complete subtree is its own starting point, which the proof leaves out.
  const [start, ...rest] = step.first === 0 ? [first.root, ...path] : path
  if (start === undefined) return false
  let [firstHash, secondHash] = [start, start]
  for (const hash of rest) {
    if (step.second === 0) return false
    if (isRight(step)) [firstHash, secondHash] = [hashNode(hash, firstHash), hashNode(hash, secondHash)]
    else secondHash = hashNode(secondHash, hash)
    ascend(step)
  }
  return step.second === 0 && sameHash(firstHash, first.root) && sameHash(secondHash, second.root)
}

/** Where a node (`first`) and the last node (`second`) of its level stand, counted from the left. */
type Step = { first: number; second: number }

/** Whether the node has its sibling to the left. The last of its level may be a lone one; its partner then is the next to be met higher up. */
function isRight({ first, second }: Step): boolean {
  return first % 2 === 1 || first === second
}

function ascend(step: Step): void {
  // A lone node goes up unchanged. It is not the only one of its level (the callers see to that), so some bit of its index is 1.
  if (isRight(step)) while (step.first % 2 === 0) halve(step)
  halve(step)
}

function halve(step: Step): void {
  step.first = Math.floor(step.first / 2)
  step.second = Math.floor(step.second / 2)
}

function isHash(hash: Uint8Array): boolean {
  return hash.length === HASH_BYTES
}

function sameHash(one: Uint8Array, other: Uint8Array): boolean {
  return checkHash(one).equals(other)
}

function readSpans(spans: readonly Span[], read: HashReader): Buffer[] {
  return spans.map((span) => joinHashes(spanNodes(span).map(({ level, index }) => checkHash(read(level, index)))))
}

function inclusionSpans({ index, size }: LeafPosition): Span[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= checkTreeSize(size)) throw new TypeError('the tree has no leaf of this index')
  const spans: Span[] = []
  let [start, end] = [0, size]
  while (end - start > 1) {
    const middle = splitOf(start, end)
    if (index < middle) {
      spans.push({ start: middle, end })
      end = middle
    } else {
      spans.push({ start, end: middle })
      start = middle
    }
  }
  return spans.toReversed()
}

function consistencySpans({ first, second }: TreeSizes): Span[] {
  if (checkTreeSize(first) > checkTreeSize(second)) throw new TypeError('the second tree is not smaller than the first')
  const spans: Span[] = []
  if (first === 0) return spans
  let [start, end] = [0, second]
  while (end !== first) {
    const middle = splitOf(start, end)
    if (first <= middle) {
      spans.push({ start: middle, end })
      end = middle
    } else {
      spans.push({ start, end: middle })
      start = middle
    }
  }
  // Left out where it is the whole first tree, whose hash the verifier knows.
  if (start > 0) spans.push({ start, end })
  return spans.toReversed()
}

/** Where RFC 6962 splits a list of at least two leaves: behind the largest power of two below its length. */
function splitOf(start: number, end: number): number {
  return start + 2 ** levelBelow(end - start - 1)
}
