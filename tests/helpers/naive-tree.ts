import { createHash } from 'node:crypto'

/** The definitions of RFC 6962, section 2.1, word for word and with no thought of speed: what the tree of the product is compared with. */

type Leaves = readonly Uint8Array[]

function sha256(...parts: readonly Uint8Array[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}

/** "Let k be the largest power of two smaller than n", k < n <= 2k. */
function splitPoint(n: number): number {
  let k = 1
  while (2 * k < n) k *= 2
  return k
}

/** MTH(D[n]) */
export function naiveRoot(leaves: Leaves): Buffer {
  const [first] = leaves
  if (first === undefined) return sha256()
  if (leaves.length === 1) return sha256(Buffer.of(0x00), first)
  const k = splitPoint(leaves.length)
  return sha256(Buffer.of(0x01), naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)))
}

/** PATH(m, D[n]) */
export function naiveInclusion(m: number, leaves: Leaves): Buffer[] {
  if (leaves.length === 1) return []
  const k = splitPoint(leaves.length)
  if (m < k) return [...naiveInclusion(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
  return [...naiveInclusion(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))]
}

/** PROOF(m, D[n]) for 0 < m <= n */
export function naiveConsistency(m: number, leaves: Leaves): Buffer[] {
  return naiveSubproof(m, leaves, true)
}

/** SUBPROOF(m, D[n], b) */
function naiveSubproof(m: number, leaves: Leaves, isWhole: boolean): Buffer[] {
  if (m === leaves.length) return isWhole ? [] : [naiveRoot(leaves)]
  const k = splitPoint(leaves.length)
  if (m <= k) return [...naiveSubproof(m, leaves.slice(0, k), isWhole), naiveRoot(leaves.slice(k))]
  return [...naiveSubproof(m - k, leaves.slice(k), false), naiveRoot(leaves.slice(0, k))]
}
