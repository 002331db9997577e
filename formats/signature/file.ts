import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import { checkFtype, checkName } from '../installp/name.ts'
import { parseVrmf } from '../installp/vrmf.ts'

/** One line of a signature file. `signature` is standard base64 with padding; every other field is the text of the line. */
export type SignatureRecord = Readonly<{
  keyid: string
  package: string
  timestamp: string
  fileset: string
  ftype: string
  vrmf: string
  signature: string
}>

/** Limits for {@link parseSignatureFile}. */
export type SignatureFileOptions = Readonly<{
  /** The length in bytes that each decoded signature must have: the modulus length of the key. Not checked when absent. */
  signatureBytes?: number
  /** The most records a file may hold; {@link SIGNATURE_FILE_RECORDS_MAX} when absent. */
  maxRecords?: number
}>

/** The first line of a signature file, without its line end. */
export const SIGNATURE_FILE_HEADER = '#package:fileset:vrmf:ftype:keyid:timestamp:signature'

/** The most records {@link parseSignatureFile} accepts unless told otherwise. */
export const SIGNATURE_FILE_RECORDS_MAX = 100_000

const KEYID = /^\d{1,10}$/
// Numbers, and dates written with the usual marks. No colon (it separates fields), no quote and no word: the value ends up in other
// files, and the syntax of the real command is known only from what its reader could split.
const TIMESTAMP = /^\d(?:[\dTZ ._+/-]{0,61}[\dZ])?$/
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
// The catalogue keeps a signature in a vchar[1024], NUL included.
const SIGNATURE_CHARS_MAX = 1023

/**
 * Parses a signature file, the output of `create_pkgsign` and of our own signer:
 *
 *     #package:fileset:vrmf:ftype:keyid:timestamp:signature
 *     PkgA:PkgA.rte:1.0.0.0:I:1001:1375425475:<base64>
 *
 * Blank lines and lines that start with `#` are skipped, LF and CRLF both end a line, and there may be any number of records up to the
 * limit. Everything else is refused: a line has exactly seven fields, a signature is canonical padded base64. Nothing is searched for,
 * so a signature without `=` (RSA-3072) is as good as one with it.
 * @throws FormatError `SIGNATURE_FILE_EMPTY` for a file without a record, `SIGNATURE_FILE_TOO_LONG`, `SIGNATURE_FIELD_COUNT`,
 * `NAME_MALFORMED`, `VRMF_MALFORMED`, `FTYPE_MALFORMED`, `KEYID_MALFORMED`, `TIMESTAMP_MALFORMED`, `SIGNATURE_NOT_BASE64`,
 * `SIGNATURE_LENGTH_WRONG`
 * @see docs/formats/signature-file.md
 */
export function parseSignatureFile(source: string | Uint8Array, options: SignatureFileOptions = {}): SignatureRecord[] {
  const { signatureBytes, maxRecords = SIGNATURE_FILE_RECORDS_MAX } = options
  const records: SignatureRecord[] = []
  for (const line of linesOf(typeof source === 'string' ? source : latin1(source))) {
    if (line.startsWith('#') || /^[ \t]*$/.test(line)) continue
    if (records.length === maxRecords) {
      throw new FormatError('SIGNATURE_FILE_TOO_LONG', `the signature file has more than ${maxRecords} records`)
    }
    records.push(parseRecord(line, signatureBytes))
  }
  if (records.length === 0) throw new FormatError('SIGNATURE_FILE_EMPTY', 'the signature file has no record')
  return records
}

/**
 * Formats one record as a line, without its line end: `package:fileset:vrmf:ftype:keyid:timestamp:signature`.
 * @throws FormatError as {@link parseSignatureFile}, for a field that would not read back
 */
export function formatSignatureRecord(record: SignatureRecord): string {
  const checked = checkSignatureRecord(record)
  const { package: name, fileset, vrmf, ftype, keyid, timestamp, signature } = checked
  return [name, fileset, vrmf, ftype, keyid, timestamp, signature].join(':')
}

/**
 * Formats a signature file: the header line and one line per record, LF at every line end.
 * Such a file is canonical: parsed and formatted again it is the same bytes.
 * @throws FormatError as {@link parseSignatureFile}; `SIGNATURE_FILE_EMPTY` for no records
 */
export function formatSignatureFile(records: readonly SignatureRecord[]): string {
  if (records.length === 0) throw new FormatError('SIGNATURE_FILE_EMPTY', 'a signature file has at least one record')
  return [SIGNATURE_FILE_HEADER, ...records.map(formatSignatureRecord), ''].join('\n')
}

function parseRecord(line: string, signatureBytes: number | undefined): SignatureRecord {
  const fields = line.split(':')
  if (fields.length !== 7) {
    throw new FormatError('SIGNATURE_FIELD_COUNT', `a signature record has 7 fields, this one has ${fields.length}`)
  }
  const [name, fileset, vrmf, ftype, keyid, timestamp, signature] = fields as [string, string, string, string, string, string, string]
  return checkSignatureRecord({ keyid, package: name, timestamp, fileset, ftype, vrmf, signature }, signatureBytes)
}

/**
 * Returns `record` when every field of it can stand in a signature file, and in the catalogue on AIX, whose columns set the widths.
 * `signatureBytes`, where given, is the length that the decoded signature must have.
 * @throws FormatError `NAME_MALFORMED`, `VRMF_MALFORMED`, `FTYPE_MALFORMED`, `KEYID_MALFORMED`, `TIMESTAMP_MALFORMED`,
 * `SIGNATURE_NOT_BASE64`, `SIGNATURE_LENGTH_WRONG`
 */
export function checkSignatureRecord(record: SignatureRecord, signatureBytes?: number): SignatureRecord {
  checkName(record.package)
  checkName(record.fileset)
  parseVrmf(record.vrmf)
  checkFtype(record.ftype)
  if (!KEYID.test(record.keyid)) throw new FormatError('KEYID_MALFORMED', 'a keyid has 1 to 10 digits')
  if (!TIMESTAMP.test(record.timestamp)) {
    throw new FormatError('TIMESTAMP_MALFORMED', 'a timestamp has 1 to 63 digits and date marks, without a colon')
  }
  checkSignature(record.signature)
  if (signatureBytes !== undefined && Buffer.byteLength(record.signature, 'base64') !== signatureBytes) {
    throw new FormatError('SIGNATURE_LENGTH_WRONG', `the signature is not ${signatureBytes} bytes long, as the key demands`)
  }
  return record
}

function checkSignature(signature: string): void {
  // The round trip catches what the pattern cannot: stray bits behind the last byte, which would give one signature two spellings.
  const isBase64 = BASE64.test(signature) && Buffer.from(signature, 'base64').toString('base64') === signature
  if (!isBase64) throw new FormatError('SIGNATURE_NOT_BASE64', 'the signature is not standard base64 with its padding')
  if (signature.length > SIGNATURE_CHARS_MAX) {
    throw new FormatError('SIGNATURE_LENGTH_WRONG', `the signature has more than ${SIGNATURE_CHARS_MAX} characters`)
  }
}

function linesOf(text: string): string[] {
  return text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
