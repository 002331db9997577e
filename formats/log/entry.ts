import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { FormatError } from '../error.ts'
import { ENTRY_BYTES_MAX } from './bundle.ts'
import { formatCanonicalJson } from './canonical-json.ts'
import { hasMembers, isCode, isCount, isFilename, isKeyid, isNumber, isOneOf, isRecordTimestamp, isSha256, isSignature, isTime, isUuid, isWord } from './entry-members.ts'
import type { Members } from './entry-members.ts'
import { decodeText } from './strict.ts'

/** One fileset of a signed package. `signature` (base64) only where it is another than that of the entry. */
export type EntryRecord = Readonly<{ package: string; fileset: string; vrmf: string; ftype: string; timestamp: string; signature?: string }>

/**
 * A signature that was made. `at` is when; `client` and `spki` are for whom (name, and SHA-256 of the public key of its certificate); the
 * rest is what the catalogue has. `replaces` is the id of the signature of other content under the same level, when the client asked for it.
 * A list of records that does not fit into an entry is there as its length and its SHA-256.
 */
export type SignatureEntry = Readonly<{
  kind: 'signature'
  at: string
  client: string
  spki: string
  id: string
  filename: string
  sha256: string
  sizeBytes: number
  keyid: string
  algorithm: string
  covers: 'file' | 'unverified'
  source: 'path' | 'upload' | 'digest'
  format: string
  signature: string
  replaces?: string
}> & (Readonly<{ records: readonly EntryRecord[] }> | Readonly<{ recordCount: number; recordsSha256: string }>)

/**
 * Something that an authenticated client was refused: a request, or one file of it with what was known of the file by then. Without `client`:
 * the certificate is sound, but no client of the configuration. `count`: so many more refused requests of the last while, each like this one.
 */
export type RefusalEntry = Readonly<{ kind: 'refusal'; at: string; client?: string; spki: string; operation: string; filename?: string; sha256?: string; keyid?: string; code: string; count?: number }>

/** A signing that failed, with what was known of it by then. */
export type FailureEntry = Readonly<{ kind: 'failure'; at: string; client: string; spki: string; filename?: string; sha256?: string; keyid?: string; code: string }>

/** A change of the keys of the server; `spkiSha256` is the SHA-256 of the public key that is there now, or that was removed. */
export type KeyEntry = Readonly<{ kind: 'key'; at: string; keyid: string; change: 'added' | 'removed' | 'changed'; spkiSha256: string }>

/** A configuration that took effect, by the SHA-256 of its file. */
export type ConfigurationEntry = Readonly<{ kind: 'configuration'; at: string; sha256: string }>

/** A server of this version started. */
export type StartEntry = Readonly<{ kind: 'start'; at: string; version: string }>

/** A server stopped of its own accord. A crash leaves no such entry. */
export type StopEntry = Readonly<{ kind: 'stop'; at: string }>

/** What a leaf of the log says. No secret and no path is in it. */
export type LogEntry = SignatureEntry | RefusalEntry | FailureEntry | KeyEntry | ConfigurationEntry | StartEntry | StopEntry

const RECORD: Members = {
  required: { package: isWord, fileset: isWord, vrmf: isWord, ftype: isWord, timestamp: isRecordTimestamp },
  optional: { signature: isSignature },
}

const SIGNATURE: Members = {
  required: {
    kind: isOneOf('signature'), at: isTime, client: isWord, spki: isSha256, id: isUuid, filename: isFilename, sha256: isSha256, sizeBytes: isCount,
    keyid: isKeyid, algorithm: isWord, covers: isOneOf('file', 'unverified'), source: isOneOf('path', 'upload', 'digest'), format: isWord, signature: isSignature,
  },
  optional: { replaces: isUuid },
}

const WITH_RECORDS: Members = { ...SIGNATURE, required: { ...SIGNATURE.required, records: isRecordList } }
const WITH_RECORDS_DIGEST: Members = { ...SIGNATURE, required: { ...SIGNATURE.required, recordCount: isCount, recordsSha256: isSha256 } }

/** The forms of an entry. No two of them share an object, as each names its kind. */
const FORMS: readonly Members[] = [
  WITH_RECORDS,
  WITH_RECORDS_DIGEST,
  { required: { kind: isOneOf('refusal'), at: isTime, spki: isSha256, operation: isWord, code: isCode }, optional: { client: isWord, filename: isFilename, sha256: isSha256, keyid: isKeyid, count: isNumber } },
  { required: { kind: isOneOf('failure'), at: isTime, client: isWord, spki: isSha256, code: isCode }, optional: { filename: isFilename, sha256: isSha256, keyid: isKeyid } },
  { required: { kind: isOneOf('key'), at: isTime, keyid: isKeyid, change: isOneOf('added', 'removed', 'changed'), spkiSha256: isSha256 } },
  { required: { kind: isOneOf('configuration'), at: isTime, sha256: isSha256 } },
  { required: { kind: isOneOf('start'), at: isTime, version: isWord } },
  { required: { kind: isOneOf('stop'), at: isTime } },
]

/**
 * Formats an entry as the bytes that are hashed into the log: canonical JSON (RFC 8785) in UTF-8, one line without its end, such as
 * `{"at":"2026-11-24T09:15:00.000Z","kind":"start","version":"1.0.0"}`. At most 65,535 bytes: the records of a signature that would be
 * longer are written as `recordCount` and `recordsSha256`, the SHA-256 of the canonical JSON that `records` would have had. So the same entry
 * always has the same bytes, and whoever has the records can format it again and compare.
 * @throws FormatError `LOG_ENTRY_MALFORMED` for a member that is missing, unknown or not as it must be
 * @see docs/formats/log.md#entries
 */
export function formatEntry(entry: LogEntry): Buffer {
  if (!FORMS.some((form) => hasMembers(entry, form)) || repeatsSignature(entry)) throw entryError()
  const bytes = Buffer.from(formatCanonicalJson(entry))
  return bytes.length > ENTRY_BYTES_MAX && 'records' in entry ? Buffer.from(formatCanonicalJson(shortened(entry))) : bytes
}

/**
 * Parses the bytes of an entry. Strict: only what {@link formatEntry} gives, byte for byte.
 * @throws FormatError `LOG_ENTRY_MALFORMED`, `LOG_ENTRY_TOO_LONG`
 */
export function parseEntry(bytes: Uint8Array): LogEntry {
  if (bytes.length > ENTRY_BYTES_MAX) throw new FormatError('LOG_ENTRY_TOO_LONG', `an entry has at most ${ENTRY_BYTES_MAX} bytes`)
  const entry = parseJson(decodeText(bytes) ?? '') as LogEntry
  if (!formatEntry(entry).equals(bytes)) throw entryError()
  return entry
}

function shortened({ records, ...rest }: Extract<SignatureEntry, { records: unknown }>): SignatureEntry {
  return { ...rest, recordCount: records.length, recordsSha256: hash('sha256', formatCanonicalJson(records)) }
}

function isRecordList(value: unknown): boolean {
  return Array.isArray(value) && value.every((record) => hasMembers(record, RECORD))
}

/** Whether a record spells out the signature of the entry: there would be two forms of the same. */
function repeatsSignature(entry: LogEntry): boolean {
  return 'records' in entry && entry.records.some(({ signature }) => signature === entry.signature)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw entryError()
  }
}

function entryError(): FormatError {
  return new FormatError('LOG_ENTRY_MALFORMED', 'the log entry is not canonical JSON with the members of its kind')
}
