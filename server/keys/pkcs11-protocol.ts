// Bytes travel in base64: the channel writes JSON, which takes half the time of structured clones.

/** Which token of a module: by its label, its serial number, or the number of its slot. Exactly one must answer to it. */
export type TokenChoice = Readonly<{ label: string } | { serial: string } | { slot: number }>

/** Which key of a token: by CKA_LABEL, CKA_ID (hexadecimal), or both. Exactly one must answer to it. */
export type KeyChoice = Readonly<{
  label?: string
  id?: string
  /** Whether a key is accepted that may leave its token. */
  extractable: boolean
  /** Whether the public part is to be read from the token. */
  readPublic: boolean
}>

/**
 * What the process is told first, and once. `refusedPin` is the mark of a PIN file that an earlier process found to be wrong
 * (`pinRefused`): with the same file no login is tried.
 */
export type TokenOpening = Readonly<{
  module: string
  token: TokenChoice
  keys: readonly KeyChoice[]
  pinFile: string
  sessions: number
  refusedPin?: string
}>

/** What the server asks of the process. `id` numbers the requests of one process, `key` is an index into `TokenOpening.keys`; what is
 * signed is a DigestInfo (RFC 8017 section 9.2), so that the process need not know about digests. */
export type TokenRequest = Readonly<{ kind: 'open'; opening: TokenOpening } | { kind: 'sign'; id: number; key: number; digestInfoBase64: string } | { kind: 'close' }>

/** A key as it was found: its public part, where it was asked for PEM, and what makes it unusable, a sentence. */
export type TokenKey = Readonly<{ publicKeyPem?: string; fault?: string }>

/**
 * Why something was not done, with a sentence for the log. `key`: this signature failed. `token`: the token or its library is of no use
 * any more, a new process may find it again. `pin`: not without another PIN.
 */
export type TokenFailure = Readonly<{ reason: 'key' | 'token' | 'pin'; fault: string }>

/**
 * What the process tells the server: `login` before each login that it tries, `pinRefused` at once after one that failed, so that the
 * next process knows; then the answers. `mark` tells the PIN file from a changed one. With `pinFault`, a sentence, an opened token shows its
 * public keys and signs nothing.
 */
export type TokenAnswer = Readonly<
  | { kind: 'login' }
  | { kind: 'pinRefused'; mark: string }
  | { kind: 'opened'; keys: readonly TokenKey[]; pinFault?: string | undefined }
  | { kind: 'refused'; fault: string }
  | { kind: 'signed'; id: number; signatureBase64: string }
  | { kind: 'failed'; id: number; failure: TokenFailure }
>
