import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import { openCheckpoint, parseCheckpoint } from './checkpoint.ts'
import type { Checkpoint, CheckpointTrust } from './checkpoint.ts'
import { ENTRY_BYTES_MAX } from './bundle.ts'
import { HASH_BYTES, hashLeaf } from './merkle.ts'
import { verifyInclusion } from './merkle-proof.ts'
import { parseNote } from './note.ts'
import { decodeBase64, decodeDecimal, decodeText } from './strict.ts'

/**
 * A proof that an entry is in the log: its index from 0, the hashes from its sibling up to the root's child, and the signed checkpoint,
 * verbatim. `extra` is the entry itself, so that the proof can be read and checked alone; absent when the entry is kept elsewhere.
 */
export type LogProof = Readonly<{ extra?: Buffer; index: number; path: readonly Buffer[]; checkpoint: string }>

/** What a proof showed: this entry, canonical bytes, is in the log, and in the state that the checkpoint describes. */
export type ProvenEntry = Readonly<{ entry: Buffer; index: number; checkpoint: Checkpoint }>

/** The longest proof in bytes: an entry in base64, the path, and the longest note. */
export const PROOF_BYTES_MAX = 262_144

const HEADER = 'c2sp.org/tlog-proof@v1'
// A path is as long as the binary form of the tree size at most, and that is a safe integer.
const PATH_MAX = 53

/**
 * Formats a proof as text, for files that end in `.tlog-proof`:
 *
 *     c2sp.org/tlog-proof@v1
 *     extra <base64 of the entry>
 *     index 73894
 *     <base64 of a hash, one line each>
 *
 *     <the signed checkpoint>
 *
 * @throws FormatError `LOG_PROOF_MALFORMED` for what would not read back, and as {@link parseProof} for the checkpoint
 * @see https://c2sp.org/tlog-proof
 */
export function formatProof({ extra, index, path, checkpoint }: LogProof): string {
  const extraLine = extra === undefined ? [] : [`extra ${extra.toString('base64')}`]
  const text = [HEADER, ...extraLine, `index ${index}`, ...path.map((hash) => hash.toString('base64')), '', checkpoint].join('\n')
  parseProof(text)
  return text
}

/**
 * Parses a proof without verifying it. Strict: whatever parses is formatted as the same bytes again.
 * @throws FormatError `LOG_PROOF_MALFORMED`, also for more than 262,144 bytes, an entry above 65,535, a path of more than 53 hashes, or an
 * index that the tree of the checkpoint does not have; `LOG_NOTE_MALFORMED`, `LOG_NOTE_TOO_LONG`, `LOG_CHECKPOINT_MALFORMED`
 */
export function parseProof(source: string | Uint8Array): LogProof {
  const text = Buffer.byteLength(source) > PROOF_BYTES_MAX ? undefined : decodeText(source)
  const end = text?.indexOf('\n\n') ?? -1
  if (text === undefined || end === -1) throw proofError()
  const [header, ...lines] = text.slice(0, end).split('\n')
  const extra = lines[0]?.startsWith('extra ') ? decodeExtra(lines.shift()) : undefined
  const index = decodeIndex(lines.shift())
  if (header !== HEADER || lines.length > PATH_MAX) throw proofError()
  const path = lines.map(decodeHash)
  const checkpoint = text.slice(end + 2)
  if (index >= parseCheckpoint(parseNote(checkpoint).text).size) throw proofError()
  return { ...(extra === undefined ? {} : { extra }), index, path, checkpoint }
}

/**
 * Verifies that an entry is in the log, offline, and returns it. `entry` is what the caller expects to be there; without it the entry that
 * the proof brings along is proven, and the caller reads what it says. Where both are given they must be the same bytes.
 * @throws FormatError `LOG_PROOF_WRONG` when the path does not lead from the entry to the checkpoint, the entries differ or there is none;
 * `LOG_KEY_UNKNOWN`, `LOG_SIGNATURE_WRONG`, `LOG_ORIGIN_WRONG`, `LOG_NOTE_MALFORMED`, `LOG_NOTE_TOO_LONG`, `LOG_CHECKPOINT_MALFORMED`
 */
export function verifyProof({ proof, trust, entry }: Readonly<{ proof: LogProof; trust: CheckpointTrust; entry?: Uint8Array }>): ProvenEntry {
  const { extra, index, path } = proof
  const proven = entry === undefined ? extra : Buffer.from(entry)
  if (proven === undefined) throw new FormatError('LOG_PROOF_WRONG', 'the proof does not bring its entry along, and none was given')
  if (extra !== undefined && !extra.equals(proven)) throw new FormatError('LOG_PROOF_WRONG', 'the proof is of another entry')
  const checkpoint = openCheckpoint(proof.checkpoint, trust)
  verifyInclusion({ leafHash: hashLeaf(proven), index, size: checkpoint.size, path, root: checkpoint.root })
  return { entry: proven, index, checkpoint }
}

function decodeExtra(line = ''): Buffer {
  const bytes = decodeBase64(line.slice('extra '.length))
  if (bytes === undefined || bytes.length === 0 || bytes.length > ENTRY_BYTES_MAX) throw proofError()
  return bytes
}

function decodeIndex(line = ''): number {
  const index = line.startsWith('index ') ? decodeDecimal(line.slice('index '.length)) : undefined
  if (index === undefined) throw proofError()
  return index
}

function decodeHash(line: string): Buffer {
  const hash = decodeBase64(line)
  if (hash?.length !== HASH_BYTES) throw proofError()
  return hash
}

function proofError(): FormatError {
  return new FormatError('LOG_PROOF_MALFORMED', 'a proof is a head with the index, the hashes of the path, an empty line and a signed checkpoint')
}
