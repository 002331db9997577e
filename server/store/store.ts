import type { LogEntry, TilePosition } from '../../formats/index.ts'
import type { ErrorCode } from '../errors.ts'
import type { Format } from '../schemas/format.ts'
import type { LogAudit } from '../schemas/log.ts'
import type { SkipReason, Warning } from '../schemas/sign.ts'
import type { Signature } from '../schemas/signature.ts'

/** Where a signed file lay, so that a listing can say which of its files are signed. The root by name, never an absolute path. */
export type SignedFile = Readonly<{ root: string; relativePath: string; sizeBytes: number; modifiedAtMs: number }>

/** For whom something happens: the client by name, the SHA-256 of its public key (64 hexadecimal digits), and the file where the server could read it itself. */
export type Recipient = Readonly<{ client: string; spkiSha256: string; file?: SignedFile }>

/** A fileset and its level, which have one content for ever unless a client that may asks for another. */
export type Level = Readonly<{ package: string; fileset: string; vrmf: string; ftype: string }>

/**
 * What is about to be signed, as the catalogue tells it from everything else. `artefact` stands for the content, the key and what the
 * records are about; the same artefact is signed once. `force` asks for another signature all the same, `resign` for other content
 * (`sha256`) under the levels. `maxSignatures` is how many signatures may be made for the recipient in all, where that is limited.
 */
export type Subject = Readonly<{ artefact: string; sha256: string; levels: readonly Level[]; force: boolean; resign: boolean; maxSignatures?: number; recipient: Recipient }>

/** A signature that was made and verified and stands in no log yet. */
export type Unrecorded = Omit<Signature, 'receipt' | 'replayed'>

/** So many signatures were made for a client, and it may have no more than `maxSignatures`. */
export type Spent = Readonly<{ kind: 'spent'; count: number; maxSignatures: number }>

/**
 * What the catalogue knows of a subject: `signed`, the signature that it has for it; `taken`, a level that was signed with other content, and
 * by which signature (UUID); `spent`, that its recipient may have none made any more.
 */
export type Known = Readonly<{ kind: 'signed'; signature: Signature } | { kind: 'taken'; level: Level; earlier: string } | Spent>

/** A signature of the catalogue, the name of the client it was made for, and where its file lay then, when the server could read it itself. */
export type Catalogued = Readonly<{ signature: Signature; client: string; place?: Pick<SignedFile, 'root' | 'relativePath'> }>

/** Which signatures to find; every member that is there must fit. `visibleTo`: made for, or handed to, this client. Times are RFC 3339 in UTC. */
export type Search = Readonly<{
  package?: string
  fileset?: string
  vrmf?: string
  sha256?: string
  keyid?: string
  client?: string
  format?: Format
  form?: 'record' | 'sig'
  since?: string
  until?: string
  visibleTo?: string
  /** Only what stands before this leaf of the log. */
  before?: number
  limit: number
}>

/** The catalogue: everything that was ever signed. */
export interface Catalogue {
  /**
   * Asks before signing. A signature that is there is handed to the recipient: it may look it up from now on, and the listing of its file says signed.
   * @throws SigningError `STORE_FAILED`
   */
  lookUp(subject: Subject): Promise<Known | undefined>
  /**
   * Records a signature durably in catalogue and log; when the promise resolves, both survive a power cut. The first commit wins: for the
   * loser of a race the answer is `signed` with the signature of the winner, `taken` or `spent`, as of {@link lookUp}.
   * @throws SigningError `STORE_FAILED`, `STORAGE_FULL`
   */
  record(subject: Subject, signature: Unrecorded): Promise<Readonly<{ kind: 'recorded'; signature: Signature }> | Known>
  /** How many signatures were made for this client, counted up to `most`. @throws SigningError `STORE_FAILED` */
  countOf(client: string, most: number): Promise<number>
  /** The signature with this id (UUID), or undefined. @throws SigningError `STORE_FAILED` */
  get(id: string): Promise<Catalogued | undefined>
  /** Whether the signature with this id was handed to this client, besides the one it was made for. @throws SigningError `STORE_FAILED` */
  wasHandedTo(id: string, client: string): Promise<boolean>
  /** The signatures over this SHA-256 (64 hexadecimal digits), newest first, at most 100. @throws SigningError `STORE_FAILED` */
  findByDigest(sha256: string): Promise<readonly Catalogued[]>
  /** The newest signatures that fit, by the order of the log. @throws SigningError `STORE_FAILED` */
  find(search: Search): Promise<readonly Catalogued[]>
  /** Of these files of one root those whose latest signature was made at this very size and modification time, by relativePath. @throws SigningError `STORE_FAILED` */
  signedAmong(root: string, files: readonly Omit<SignedFile, 'root'>[]): Promise<ReadonlySet<string>>
}

/** What a server that starts is: its version, its configuration, and the SHA-256 of the public keys by keyid. Without a version it runs already, and takes this configuration up. */
export type Started = Readonly<{ at: string; version?: string; configurationSha256: string; keys: ReadonlyMap<string, string> }>

/** The tamper-evident log. Everything that is read here was committed. All throw SigningError `STORE_FAILED`. */
export interface TamperLog {
  /** Appends an entry durably. @throws SigningError also `STORAGE_FULL` */
  append(entry: LogEntry): Promise<void>
  /** Appends that a server starts, where it does, and its configuration and keys as far as they are not what the log says already. @throws SigningError also `STORAGE_FULL` */
  begin(started: Started): Promise<void>
  /** The newest state of the log, signed: a signed note. */
  checkpoint(): Promise<string>
  /** The bytes of a tile of hashes, or undefined where the tree has none that wide. */
  tile(position: TilePosition): Promise<Buffer | undefined>
  /** The bytes of a bundle of entries, or undefined where the tree has none that wide. */
  entries(position: Readonly<{ index: number; width: number }>): Promise<Buffer | undefined>
  /** A proof (C2SP tlog-proof, with its entry) against the newest checkpoint that this signature stands in the log, or undefined for an unknown id (UUID). */
  proof(id: string): Promise<string | undefined>
  /** Compares every row of the database with what the server wrote. Takes a while: a minute or two for a million signatures. */
  audit(): Promise<LogAudit>
}

/** Who asks, and for what: `key` is the Idempotency-Key, `fingerprint` stands for the request, `requestId` (UUID) for this attempt at it. */
export type Asked = Readonly<{ client: string; key: string; fingerprint: string; requestId: string }>

/** A signature that stood in the `also` of an answer. */
export type AnsweredAlso = Readonly<{ signatureId: string; replayed: boolean }>

/** What became of one name in an answer, in the order in which it was written. `listed` is its place in the listing. */
export type AnswerItem = Readonly<{ name: string; listed: number }> &
  (Readonly<{ kind: 'signed'; signatureId: string; filename: string; replayed: boolean; also?: readonly AnsweredAlso[] }> | Readonly<{ kind: 'failed'; code: ErrorCode; detail: string }> | Readonly<{ kind: 'skipped'; reason: SkipReason }>)

/** What an answer was, besides its items. A `problem` is an answer of one failed item. */
export type AnswerHead = Readonly<{ kind: 'file' | 'directory' | 'batch' | 'problem'; path: string; warnings: readonly Warning[] }>

/** An item as it is read again: with the signature itself. */
export type ReadItem = Exclude<AnswerItem, Readonly<{ kind: 'signed' }>> | Readonly<{ name: string; listed: number; kind: 'signed'; signature: Signature }>

/**
 * What is known of a request: `begun`, nothing, and it is now this attempt's; `running`, another attempt works on it; `other`, the key
 * belongs to another request; `finished`, the answer, whose `requestId` is that of the attempt that made it.
 */
export type Asking = Readonly<
  { kind: 'begun' } | { kind: 'running'; retryAfterMs: number } | { kind: 'other' } | { kind: 'finished'; requestId: string; head: AnswerHead; items: number }
>

/** The answers to requests that may be asked again. All throw SigningError `STORE_FAILED`, `STORAGE_FULL`. */
export interface Answers {
  /** Begins a request. What was begun and not finished, nor given up, belongs to its attempt until that has been silent for some seconds. */
  ask(asked: Asked): Promise<Asking>
  /**
   * Keeps the answer durably for the configured time. False when the request is not this attempt's any more: then another attempt
   * answers it, and this answer must not leave.
   */
  answer(asked: Asked, head: AnswerHead, items: readonly AnswerItem[]): Promise<boolean>
  /** Gives a request up, so that it can be tried again at once. */
  giveUp(asked: Asked): Promise<void>
  /** Items of a finished answer in the order in which they were written, from a position on, at most 256 at once. */
  items(asked: Asked, from: number): Promise<readonly ReadItem[]>
}

/** Catalogue, log and answers, which commit together. One resource with a lifetime. */
export interface Store extends Catalogue, TamperLog, Answers {
  /** Resolves when the store accepts writes. @throws SigningError `STORE_FAILED` */
  probe(): Promise<void>
  close(): Promise<void>
}
