import {
  FormatError, formatEntry, parseEntry, parseProof, parseVerifierKey, signatureEntry, verifyProof as verifyLogProof,
  type FormatErrorCode, type LogEntry, type LogProof, type SignatureEntry, type VerifierKey,
} from '../formats/index.ts'
import type { Signature } from './generated/schema.ts'
import { LocalFileError } from './local-error.ts'
import { attempt } from './log-attempt.ts'

/** Why nothing is proven: the fault of the proof itself, or `LOG_ENTRY_DIFFERS`: what is proven is another signature. */
export type UnprovenReason = FormatErrorCode | 'LOG_ENTRY_DIFFERS'

/** What a proof shows: that the log had this entry at this index when it had `treeSize` entries; or why it shows nothing. */
export type Proven<E extends LogEntry = LogEntry> =
  | Readonly<{ valid: true; entry: E; index: number; treeSize: number; origin: string }>
  | Readonly<{ valid: false; reason: UnprovenReason; detail: string }>

/**
 * Returns the public key of a log.
 * @throws LocalFileError `LOG_KEY_UNUSABLE` for what is not `NAME+KEYID+BASE64` with an Ed25519 key
 */
export function readLogKey(text: string): VerifierKey {
  try {
    return parseVerifierKey(text.trim())
  } catch (cause) {
    throw new LocalFileError('LOG_KEY_UNUSABLE', 'the key of the log is not NAME+KEYID+BASE64', { cause })
  }
}

/**
 * Says, offline, whether the receipt of a signature proves that it stands in the log with this key, and that the entry there says the same
 * as the signature, member by member; but for the name of the file where the signature is `replayed`.
 * @throws LocalFileError `LOG_KEY_UNUSABLE`
 */
export function verifyReceipt(signature: Signature, logKey: string): Proven<SignatureEntry> {
  const key = readLogKey(logKey)
  return judged((): Proven<SignatureEntry> => {
    const { index, entry, path, checkpoint } = signature.receipt
    const proven = provenBy({ index, extra: Buffer.from(entry), path: path.map((hash) => Buffer.from(hash, 'base64')), checkpoint }, key)
    const differing = proven.entry.kind === 'signature' ? differingMembers(asMade(signature, proven.entry), proven.entry) : ['kind']
    if (differing.length > 0) return { valid: false, reason: 'LOG_ENTRY_DIFFERS', detail: `the entry in the log is another one in ${differing.join(', ')}` }
    return { ...proven, entry: proven.entry as SignatureEntry }
  })
}

/**
 * Says, offline, what a proof shows (C2SP tlog-proof with its entry, as `exportSignature` gives it).
 * @throws LocalFileError `LOG_KEY_UNUSABLE`
 */
export function verifyProof(proof: string | Uint8Array, logKey: string): Proven {
  const key = readLogKey(logKey)
  return judged(() => provenBy(parseProof(proof), key))
}

/** What was signed before is answered under the name of the file that was asked about; the log has the name of the one that was signed. */
function asMade(signature: Signature, { filename }: SignatureEntry): Signature {
  return signature.replayed ? { ...signature, filename } : signature
}

function provenBy(proof: LogProof, key: VerifierKey): Extract<Proven, { valid: true }> {
  const { entry, index, checkpoint } = verifyLogProof({ proof, trust: { keys: [key] } })
  return { valid: true, entry: parseEntry(entry), index, treeSize: checkpoint.size, origin: checkpoint.origin }
}

function judged<E extends LogEntry>(prove: () => Proven<E>): Proven<E> {
  const proven = attempt(prove)
  return proven instanceof FormatError ? { valid: false, reason: proven.code, detail: proven.message } : proven
}

/** Returns the members in which an entry of the log says something else than a signature; `records` for the list as a whole. */
export function differingMembers(signature: Signature, entry: SignatureEntry): readonly string[] {
  // As far as the signature tells: for whom it was made and what it replaces stands in the log alone.
  const expected = signatureEntry(signature, entry)
  const { records: _records, ...flat } = expected
  const differing = Object.entries(flat).filter(([name, value]) => entry[name as keyof typeof flat] !== value).map(([name]) => name)
  return differing.length > 0 || sameRecords(signature, expected, entry) ? differing : ['records']
}

/** A long list of records is in the log as its digest, so the bytes of the entries are compared. */
function sameRecords(signature: Signature, expected: SignatureEntry, entry: SignatureEntry): boolean {
  if (signature.records.some(({ keyid }) => keyid !== signature.keyid)) return false
  const bytes = attempt(() => formatEntry(expected))
  // What the log could not have written is not what it has.
  return !(bytes instanceof FormatError) && bytes.equals(formatEntry(entry))
}
