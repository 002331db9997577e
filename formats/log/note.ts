import { Buffer } from 'node:buffer'
import { sign, verify, type KeyObject } from 'node:crypto'
import { FormatError } from '../error.ts'
import { decodeBase64, decodeText } from './strict.ts'
import { isKeyName, makeVerifierKey } from './verifier-key.ts'
import type { VerifierKey } from './verifier-key.ts'

/** One signature line: the name of the key, its id (8 lower-case hexadecimal digits) and the signature. */
export type NoteSignature = Readonly<{ name: string; keyId: string; signature: Buffer }>

/** A signed note: a text that ends with a line end, and at least one signature over it. */
export type SignedNote = Readonly<{ text: string; signatures: readonly NoteSignature[] }>

/** The longest note in bytes: room for 16 post-quantum signatures of witnesses, which the specification demands. */
export const NOTE_BYTES_MAX = 131_072

const KEY_ID_BYTES = 4
const SIGNATURE_LINE = /^\u2014 ([^ ]+) ([^ ]+)$/

/**
 * Returns the signature of an Ed25519 private key over the text of a note, under this name.
 * @throws FormatError `LOG_KEY_MALFORMED`
 */
export function signText(text: string, { name, privateKey }: Readonly<{ name: string; privateKey: KeyObject }>): NoteSignature {
  const { keyId } = makeVerifierKey(name, privateKey)
  return { name, keyId, signature: sign(null, Buffer.from(text), privateKey) }
}

/**
 * Formats a signed note: the text, an empty line, and a line `— NAME BASE64` for each signature, the base64 being key id and signature.
 * @throws FormatError `LOG_NOTE_MALFORMED` for what would not read back, `LOG_NOTE_TOO_LONG`
 * @see https://c2sp.org/signed-note
 */
export function formatNote({ text, signatures }: SignedNote): string {
  const lines = signatures.map(({ name, keyId, signature }) => {
    if (!isKeyName(name) || !/^[0-9a-f]{8}$/.test(keyId) || signature.length === 0) throw noteError()
    return `\u2014 ${name} ${Buffer.concat([Buffer.from(keyId, 'hex'), signature]).toString('base64')}\n`
  })
  if (!text.endsWith('\n') || lines.length === 0) throw noteError()
  return checkNoteText(`${text}\n${lines.join('')}`)
}

/**
 * Parses a signed note without verifying it: nothing in it can be relied on before {@link verifyNote}. Strict: whatever parses is
 * formatted as the same bytes again.
 * @throws FormatError `LOG_NOTE_MALFORMED`, `LOG_NOTE_TOO_LONG` for more than 131,072 bytes
 */
export function parseNote(source: string | Uint8Array): SignedNote {
  const note = checkNoteText(source)
  // The text may have empty lines, the signatures may not: the last one stands between them.
  const end = note.lastIndexOf('\n\n')
  if (end === -1 || !note.endsWith('\n')) throw noteError()
  const lines = note.slice(end + 2, -1).split('\n')
  return { text: note.slice(0, end + 1), signatures: lines.map(parseSignatureLine) }
}

/**
 * Returns the names of the given keys whose signature the note carries. Signatures of other keys are passed over, as the specification
 * demands: that is how witnesses and new keys come in.
 * @throws FormatError `LOG_SIGNATURE_WRONG` when the signature of a given key is not one, `LOG_KEY_UNKNOWN` when none is of a given key
 */
export function verifyNote({ text, signatures }: SignedNote, keys: readonly VerifierKey[]): string[] {
  const names = new Set<string>()
  for (const { name, keyId, signature } of signatures) {
    const key = keys.find((candidate) => candidate.name === name && candidate.keyId === keyId)
    if (key === undefined) continue
    if (!verify(null, Buffer.from(text), key.publicKey, signature)) throw new FormatError('LOG_SIGNATURE_WRONG', 'the signature of the log does not verify')
    names.add(name)
  }
  if (names.size === 0) throw new FormatError('LOG_KEY_UNKNOWN', 'there is no signature of the given key of the log')
  return [...names]
}

function parseSignatureLine(line: string): NoteSignature {
  const [, name = '', base64 = ''] = SIGNATURE_LINE.exec(line) ?? []
  const bytes = decodeBase64(base64)
  if (!isKeyName(name) || bytes === undefined || bytes.length <= KEY_ID_BYTES) throw noteError()
  return { name, keyId: bytes.toString('hex', 0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) }
}

function checkNoteText(source: string | Uint8Array): string {
  if (Buffer.byteLength(source) > NOTE_BYTES_MAX) throw new FormatError('LOG_NOTE_TOO_LONG', `a signed note has at most ${NOTE_BYTES_MAX} bytes`)
  const note = decodeText(source)
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (note === undefined || /[\u0000-\u0009\u000b-\u001f]/.test(note)) throw noteError()
  return note
}

function noteError(): FormatError {
  return new FormatError('LOG_NOTE_MALFORMED', 'a signed note is a text, an empty line and at least one signature line')
}
