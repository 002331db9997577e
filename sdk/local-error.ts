/** What to do next, by code; the list of codes is closed. A code that the server has too means the same here. */
const HINTS = {
  FILE_UNREADABLE: 'Check the spelling of the name and whether you may read the file.',
  FILE_KIND_REFUSED: 'Name a regular file.',
  FILE_CHANGED: 'Wait until nobody writes the file, then begin again.',
  FILE_TOO_LARGE: 'Verify it with openssl, which reads a file piece by piece where it can.',
  FILE_EXISTS: 'Remove the file that is there, or name another one.',
  FILE_UNWRITABLE: 'Check whether you may write there and whether there is room.',
  NOT_A_PACKAGE: 'Name an installp package image (backup file format).',
  PACKAGE_MALFORMED: 'Build the package again; it is damaged or not made like an installp image.',
  DSB_MALFORMED: 'Take the package as it was before the Digital Signature Block was appended.',
  DSB_STACKED: 'Take the package as it was before any Digital Signature Block was appended.',
  DSB_PRESENT: 'Detach the Digital Signature Block that is there first, or replace it explicitly.',
  DSB_MISSING: 'Name a package that ends in a Digital Signature Block.',
  DSB_MISMATCH: 'Sign the package again: the file here is not the one whose signature this is.',
  CONTENT_UNAVAILABLE: 'Look for the file as it was when it was signed, or build it again.',
  KEY_UNUSABLE: 'Use the public key in PEM, as `GET /keys/{keyid}/public.pem` answers it.',
  LOG_KEY_UNUSABLE: 'Use the verifier key of the log, in one line, as `GET /log/key` answers it.',
} as const

/** What can be wrong with a file on this machine. */
export type LocalFileErrorCode = keyof typeof HINTS

/** Every {@link LocalFileErrorCode}. */
export const LOCAL_FILE_ERROR_CODES = Object.keys(HINTS) as readonly LocalFileErrorCode[]

/**
 * Something about a file on this machine, found by reading or writing it here; no server has a part in it. `message` is `detail` and
 * `hint` as two sentences; neither names the file. `cause` is the error underneath.
 */
export class LocalFileError extends Error {
  override readonly name = 'LocalFileError'
  readonly code: LocalFileErrorCode
  /** What is wrong. */
  readonly detail: string
  /** What to do next. */
  readonly hint: string

  constructor(code: LocalFileErrorCode, detail: string, facts: Readonly<{ cause?: unknown }> = {}) {
    super(`${detail}. ${HINTS[code]}`, facts.cause === undefined ? {} : { cause: facts.cause })
    this.code = code
    this.detail = detail
    this.hint = HINTS[code]
  }
}

/** Returns the error for whatever a call of the file system threw. */
export function fileFault(code: 'FILE_UNREADABLE' | 'FILE_UNWRITABLE', cause: unknown): LocalFileError {
  const { code: fault = 'unknown fault' } = cause as NodeJS.ErrnoException
  const sentences: Readonly<Record<string, string>> = { ENOENT: 'there is no such file', EACCES: 'the permission is missing', ENOSPC: 'there is no room left' }
  return new LocalFileError(code, sentences[fault] ?? `the file cannot be ${code === 'FILE_UNREADABLE' ? 'read' : 'written'} (${fault})`, { cause })
}
