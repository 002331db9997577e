import { FormatError, hashLeaf, openCheckpoint, parseBundle, TILE_WIDTH, verifyInclusion, type Checkpoint, type LogEntry, type TilePosition, type VerifierKey } from '../formats/index.ts'
import type { FoundSignature } from './generated/schema.ts'
import { attempt } from './log-attempt.ts'
import type { LogFindings } from './log-finding.ts'
import { differingMembers } from './log-receipt.ts'
import { bundlesOf, bundleTree, readAhead, readEntry, rootAt, type BundleTree, type ReadTile, type RebuiltLog } from './log-rebuild.ts'

/** What is compared: every signature that the client may see, in the order of the log, the newest first, with the log that was rebuilt. */
export type Comparing = Readonly<{
  read: ReadTile
  log: RebuiltLog
  key: VerifierKey
  signatures: AsyncIterable<FoundSignature>
  /** The name of this client: its own signatures it sees all of. */
  client: string
  findings: LogFindings
  onSignatures?: ((done: number) => void) | undefined
}>

/** `tree` is that of its bundle; absent where that is not what the log was rebuilt from. */
type LoggedEntry = Readonly<{ index: number; bytes: Buffer; entry: LogEntry | undefined; tree: BundleTree | undefined }>

/**
 * Compares signatures with their entries in the log, member by member, and their receipts with the tree; says which of this client are
 * missing. Signatures that were made after the log was rebuilt are left to the next time. Returns how many were compared.
 * @throws FormatError for a bundle that is none; what `read` and `signatures` throw
 */
export async function compareSignatures(comparing: Comparing): Promise<number> {
  const { log, client, signatures, findings, onSignatures } = comparing
  const entries = entriesBackwards(comparing)
  const receipts = createReceiptCheck(comparing)
  let compared = 0
  let last = log.size
  const passOver = ({ index, entry }: LoggedEntry): void => {
    if (entry?.kind === 'signature' && entry.client === client) findings.add({ kind: 'signature-missing', id: entry.id, index, detail: `the signature ${entry.id} of entry ${index} is missing in the catalogue` })
  }
  for await (const found of signatures) {
    const { index } = found.signature.receipt
    if (index >= last) continue
    // The entries up to it were passed over by the catalogue; it is taken to be in order, as the SDK sees to.
    for (; last > index + 1; last -= 1) passOver(await next(entries))
    last = index
    compareOne(found, await next(entries), { findings, receipts })
    compared += 1
    onSignatures?.(compared)
  }
  for await (const rest of entries) passOver(rest)
  return compared
}

async function next(entries: AsyncGenerator<LoggedEntry, void, undefined>): Promise<LoggedEntry> {
  // There is one for each index below the size of the log, and no index is asked for twice.
  return (await entries.next()).value as LoggedEntry
}

/** Yields every entry from the last to the first. What is read now must be what the tree was rebuilt from. */
async function* entriesBackwards({ read, log, findings }: Comparing): AsyncGenerator<LoggedEntry, void, undefined> {
  const readBundle = async ({ index, width }: TilePosition) => [await read({ kind: 'entries', index, width })]
  for await (const { item: { index, width }, bytes: [bytes] } of readAhead(bundlesOf(log.size).toReversed(), readBundle)) {
    const bundle = parseBundle(bytes!, width)
    const leaves = bundle.map(hashLeaf)
    const tree = bundleTree(index, leaves)
    const same = width === TILE_WIDTH ? tree.hash(8, index).equals(log.node(8, index)) : leaves.every((leaf, at) => leaf.equals(log.lastLeaves[at]!))
    const first = index * TILE_WIDTH
    if (!same) findings.add({ kind: 'entries-differ', index: first, detail: `the server answered with other entries from ${first} on when they were asked for again` })
    for (let at = width - 1; at >= 0; at -= 1) yield { index: first + at, bytes: bundle[at]!, entry: readEntry(bundle[at]!), tree: same ? tree : undefined }
  }
}

type Check = Readonly<{ findings: LogFindings; receipts: ReceiptCheck }>

function compareOne({ client, signature }: FoundSignature, logged: LoggedEntry, { findings, receipts }: Check): void {
  const { id, receipt } = signature
  const { index, entry, bytes } = logged
  const receiptFault = receipts(receipt, logged)
  const members = [
    ...(entry?.kind === 'signature' ? differingMembers(signature, entry) : ['kind']),
    ...(entry?.kind === 'signature' && entry.client !== client ? ['client'] : []),
    ...(receiptFault === 'wrong' || !bytes.equals(Buffer.from(receipt.entry)) ? ['receipt'] : []),
  ]
  if (members.length > 0) findings.add({ kind: 'signature-differs', id, index, members, detail: `the signature ${id} is not what entry ${index} says: ${members.join(', ')}` })
  if (receiptFault === 'other history') findings.add({ kind: 'receipt-of-another-history', id, index, detail: `the receipt of the signature ${id} is of another history of the log` })
}

type ReceiptFault = 'wrong' | 'other history' | undefined
type ReceiptCheck = (receipt: FoundSignature['signature']['receipt'], logged: LoggedEntry) => ReceiptFault

/** The tree that a receipt ends in stands behind its entry: mostly in the same bundle or in the one behind it. */
const TREES_KEPT = 2

function createReceiptCheck({ log, key }: Comparing): ReceiptCheck {
  const trees = new Map<number, BundleTree>()
  let latest: Readonly<{ text?: string; checkpoint?: Checkpoint | FormatError }> = {}
  const open = (text: string): Checkpoint | FormatError => {
    // Signatures that were committed together share a checkpoint.
    if (latest.text !== text) latest = { text, checkpoint: attempt(() => openCheckpoint(text, { keys: [key] })) }
    return latest.checkpoint!
  }
  let newest: BundleTree | undefined
  return ({ index: leafIndex, entry, path, checkpoint: text }, { tree }) => {
    newest ??= tree
    if (tree !== undefined) trees.set(tree.index, tree)
    if (trees.size > TREES_KEPT) trees.delete(Math.max(...trees.keys()))
    const checkpoint = open(text)
    if (checkpoint instanceof FormatError) return 'wrong'
    const { size, root } = checkpoint
    const hashes = path.map((hash) => Buffer.from(hash, 'base64'))
    const leafHash = hashLeaf(Buffer.from(entry))
    if (attempt(() => verifyInclusion({ leafHash, index: leafIndex, size, path: hashes, root })) instanceof FormatError) return 'wrong'
    const index = Math.floor(size / TILE_WIDTH)
    const end = index === newest?.index ? newest : trees.get(index)
    // A tree that ends too far behind, or beyond what was rebuilt, is left to the path alone.
    const known = size <= log.size && (size % TILE_WIDTH === 0 || end !== undefined)
    return known && !rootAt(log, size, end).equals(root) ? 'other history' : undefined
  }
}
