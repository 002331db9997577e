/**
 * Every way in which bytes can fail to be what they should be. The list is closed: a new code is a new row here, and whoever
 * translates codes (into problem documents, into exit statuses) is told by the compiler.
 */
export const FORMAT_ERROR_CODES = [
  'BFF_MAGIC_UNKNOWN',
  'BFF_MAGIC_UNSUPPORTED',
  'BFF_RECORD_MALFORMED',
  'BFF_RECORD_UNSUPPORTED',
  'BFF_CHECKSUM_WRONG',
  'BFF_TRUNCATED',
  'PACKED_MALFORMED',
  'LPP_NAME_MISSING',
  'LPP_NAME_TOO_LONG',
  'LPP_NAME_MALFORMED',
  'LPP_NAME_EMPTY',
  'LPP_NAME_DUPLICATE',
  'NAME_MALFORMED',
  'FTYPE_MALFORMED',
  'VRMF_MALFORMED',
  'SIGNATURE_FILE_EMPTY',
  'SIGNATURE_FILE_TOO_LONG',
  'SIGNATURE_FIELD_COUNT',
  'KEYID_MALFORMED',
  'TIMESTAMP_MALFORMED',
  'SIGNATURE_NOT_BASE64',
  'SIGNATURE_LENGTH_WRONG',
  'DSB_MALFORMED',
  'DSB_STACKED',
  'DSB_KEY_PATH',
  'DSB_KEY_FORM',
  'DSB_KEY_MALFORMED',
  'DSC_EMPTY',
  'DSC_TOO_LONG',
  'DSC_DUPLICATE',
  'DSC_MALFORMED',
  'LOG_TILE_PATH_MALFORMED',
  'LOG_TILE_MALFORMED',
  'LOG_BUNDLE_MALFORMED',
  'LOG_ENTRY_MALFORMED',
  'LOG_ENTRY_TOO_LONG',
  'LOG_KEY_MALFORMED',
  'LOG_KEY_UNKNOWN',
  'LOG_NOTE_MALFORMED',
  'LOG_NOTE_TOO_LONG',
  'LOG_SIGNATURE_WRONG',
  'LOG_CHECKPOINT_MALFORMED',
  'LOG_ORIGIN_WRONG',
  'LOG_PROOF_MALFORMED',
  'LOG_PROOF_WRONG',
  'LOG_CONSISTENCY_WRONG',
] as const

/** One of {@link FORMAT_ERROR_CODES}. */
export type FormatErrorCode = (typeof FORMAT_ERROR_CODES)[number]

/**
 * The only error that leaves this folder because of its input.
 *
 * `message` is a fixed sentence plus at most numbers (a line, a limit): it never repeats the input, so it can be sent to whoever sent
 * the bytes. `offset`, where known, is in bytes from the start of the input.
 */
export class FormatError extends Error {
  readonly code: FormatErrorCode
  // Declared only: an error without an offset has no such property, not one that is undefined.
  declare readonly offset?: number

  constructor(code: FormatErrorCode, message: string, facts: Readonly<{ offset?: number }> = {}) {
    super(message)
    this.name = 'FormatError'
    this.code = code
    if (facts.offset !== undefined) this.offset = facts.offset
  }
}
