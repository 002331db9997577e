import type { Buffer } from 'node:buffer'
import type { KeyObject } from 'node:crypto'
import { FormatError } from '../error.ts'
import { HASH_BYTES, emptyRange, rangeRoot } from './merkle.ts'
import { formatNote, parseNote, signText, verifyNote } from './note.ts'
import { decodeBase64, decodeDecimal } from './strict.ts'
import type { VerifierKey } from './verifier-key.ts'

/**
 * A state of a log: `origin` says which log, `size` how many leaves it has, `root` is its Merkle Tree Hash (32 bytes). `extensions` are
 * further lines, which we neither write nor understand.
 */
export type Checkpoint = Readonly<{ origin: string; size: number; root: Buffer; extensions: readonly string[] }>

/** Who may have signed a checkpoint, and which log it must be of: the name of the first key when `origin` is absent. */
export type CheckpointTrust = Readonly<{ keys: readonly [VerifierKey, ...VerifierKey[]]; origin?: string }>

/**
 * Formats the text of a checkpoint, which a signed note then signs:
 *
 *     example.com/log
 *     20852163
 *     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
 *
 * @throws FormatError `LOG_CHECKPOINT_MALFORMED` for what would not read back
 * @see https://c2sp.org/tlog-checkpoint
 */
export function formatCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  const lines = [origin, String(size), root.toString('base64'), ...extensions]
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  const isSound = lines.every((line) => line !== '' && line.isWellFormed() && !/[\u0000-\u001f]/.test(line))
  if (!isSound || decodeDecimal(String(size)) === undefined || root.length !== HASH_BYTES) throw checkpointError()
  if (size === 0 && !root.equals(rangeRoot(emptyRange()))) throw checkpointError()
  return `${lines.join('\n')}\n`
}

/**
 * Parses the text of a checkpoint, the part of the note that is signed. Strict: whatever parses is formatted as the same text again; a
 * size is a decimal without leading zeros up to 2^53 - 1, and an empty tree has the root e3b0c442….
 * @throws FormatError `LOG_CHECKPOINT_MALFORMED`
 */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', sizeText = '', rootText = '', ...rest] = text.split('\n')
  const size = decodeDecimal(sizeText)
  const root = decodeBase64(rootText)
  if (size === undefined || root === undefined) throw checkpointError()
  const checkpoint = { origin, size, root, extensions: rest.slice(0, -1) }
  if (formatCheckpoint(checkpoint) !== text) throw checkpointError()
  return checkpoint
}

/**
 * Returns the checkpoint as a signed note, signed by the log's Ed25519 key under the name of its origin.
 * @throws FormatError `LOG_CHECKPOINT_MALFORMED`, `LOG_KEY_MALFORMED` for another kind of key or an origin that is no key name
 */
export function signCheckpoint(checkpoint: Checkpoint, privateKey: KeyObject): string {
  const text = formatCheckpoint(checkpoint)
  return formatNote({ text, signatures: [signText(text, { name: checkpoint.origin, privateKey })] })
}

/**
 * Returns the checkpoint in a signed note, once a given key has signed it, every signature of a given key verifies, and it is of the right log.
 * @throws FormatError `LOG_NOTE_MALFORMED`, `LOG_NOTE_TOO_LONG`, `LOG_KEY_UNKNOWN`, `LOG_SIGNATURE_WRONG`, `LOG_CHECKPOINT_MALFORMED`,
 * `LOG_ORIGIN_WRONG`
 */
export function openCheckpoint(note: string | Uint8Array, { keys, origin = keys[0].name }: CheckpointTrust): Checkpoint {
  const parsed = parseNote(note)
  verifyNote(parsed, keys)
  const checkpoint = parseCheckpoint(parsed.text)
  if (checkpoint.origin !== origin) throw new FormatError('LOG_ORIGIN_WRONG', 'the checkpoint is of another log')
  return checkpoint
}

function checkpointError(): FormatError {
  return new FormatError('LOG_CHECKPOINT_MALFORMED', 'a checkpoint is an origin, a tree size and a root hash in base64, a line each')
}
