import { createCaller, type CallOptions, type ExportedFile, type SignCallOptions } from './call.ts'
import { formatAddress, type Address } from './connection-fault.ts'
import type { Pem } from './credentials.ts'
import type { operations } from './generated/schema.ts'
import type { BatchAnswer, FileEntry, FileList, FoundSignature, GivenSignature, Key, KeyList, LogAudit, SignAnswer, SignatureList, SignBatchRequest, Signature, SignEvent, SignRequest, Verification, VerifyRequest, Whoami } from './generated/schema.ts'
import { ConnectionError } from './problem.ts'
import type { OperationId } from './request.ts'
import { foundGate } from './resume.ts'
import type { RetryOptions } from './retry.ts'
import { createTransport } from './transport.ts'
import { withUpload, type Upload, type UploadOptions } from './upload.ts'

/** Where the server is, who the client is, and how patient. */
export type ClientOptions = Readonly<{
  /** Scheme, host and port alone, such as `https://localhost:6000`. The certificate of the server must be for this host. */
  baseUrl: string | URL
  /** The authority of the server: PEM, as text or as the bytes of a file. */
  ca: Pem
  /** The certificate of the client in PEM, its chain after it where there is one. */
  cert: Pem
  /** The key of that certificate in PEM, not encrypted. It appears in no error and in no inspection of the client. */
  key: Pem
  /** Most milliseconds for each call, see {@link CallOptions}. */
  timeoutMs?: number | undefined
  /** How often a request is repeated where that is safe. */
  retry?: RetryOptions | undefined
  /** Called for each connection that stands: the server's certificate was accepted; whether it accepts ours shows with the first answer. */
  onConnect?: ((address: Address) => void) | undefined
}>

type JsonBody<Op extends OperationId> = operations[Op] extends { requestBody: { content: { 'application/json': infer B } } } ? B : unknown
type Query<Op extends OperationId> = operations[Op]['parameters'] extends { query?: infer Q } ? ([NonNullable<Q>] extends [never] ? unknown : Q) : unknown
type Path<Op extends OperationId> = operations[Op]['parameters'] extends { path: infer P } ? P : unknown
/** The query of an operation with a body belongs to an upload. */
type RequestOf<Op extends OperationId> = unknown extends JsonBody<Op> ? Query<Op> & Path<Op> : JsonBody<Op>
type Content<Op extends OperationId> = operations[Op]['responses'][200]['content']
/** What has a name of its own comes with it; text and bytes without one come as they are. */
type PlainAnswers = Readonly<{ getCheckpoint: string; getLogKey: string; getTile: Buffer }>
type AnswerOf<Op extends OperationId> = Op extends keyof PlainAnswers ? PlainAnswers[Op] : Content<Op> extends { 'application/json': infer A } ? A : ExportedFile
type Method<Op extends OperationId> = unknown extends RequestOf<Op>
  ? (options?: CallOptions) => Promise<AnswerOf<Op>>
  : (request: RequestOf<Op>, options?: CallOptions) => Promise<AnswerOf<Op>>
/** One method per operation of the document, whatever is documented below: the compiler finds what is missing or differs. */
type Methods = { readonly [Op in OperationId]: Method<Op> }

/** What to list, see {@link Client.listFiles}. */
export type ListFilesRequest = NonNullable<operations['listFiles']['parameters']['query']>
/** Which signature to get. */
export type GetSignatureRequest = operations['getSignature']['parameters']['path']
/** Which signatures to find: those that fit everything that is named. */
export type FindSignaturesRequest = NonNullable<operations['findSignatures']['parameters']['query']>
/** Which tile or bundle of the log, such as `0/x001/x234/067` or `entries/273.p/112`: C2SP tlog-tiles without `tile/`. */
export type GetTileRequest = operations['getTile']['parameters']['path']
/** Which key to get. */
export type GetKeyRequest = operations['getKey']['parameters']['path']
/** Which signature to get, in which form. */
export type ExportSignatureRequest = operations['exportSignature']['parameters']['path']
/** Which key to get, in which form. */
export type ExportKeyRequest = operations['exportKey']['parameters']['path']
/**
 * A file to sign that is sent to the server; without `keyid` the only key this client may use. `force` signs again what this key signed
 * before, `resign` other content under a level that was signed before.
 */
export type SignUploadRequest = Upload & Readonly<{ keyid?: string | undefined; force?: boolean | undefined; resign?: boolean | undefined }>
/** A file to verify that is sent, and the signature over it; without one the block at its end is meant, else the catalogue. */
export type VerifyUploadRequest = Upload & Readonly<{ signature?: GivenSignature | undefined }>
/** Settings of a call that sends a file; `signal` also ends the hashing in front of it. */
export type UploadCallOptions = CallOptions & Pick<UploadOptions, 'onProgress'>
/** As {@link UploadCallOptions}, for a call that signs. */
export type SignUploadCallOptions = SignCallOptions & UploadCallOptions
/** `replayed` is there, and true, where the whole answer is the one that an earlier request with the same Idempotency-Key got. */
export type Replayable = Readonly<{ replayed?: true }>
/** What is answered depends on what was asked. */
export type SignAnswerFor<R extends SignRequest> = (R extends SignBatchRequest ? BatchAnswer : SignAnswer) & Replayable
/** A {@link SignEvent}; that the answer was replayed shows at its `end`. */
export type SignedEvent = Exclude<SignEvent, { event: 'end' }> | (Extract<SignEvent, { event: 'end' }> & Replayable)

/**
 * A client of one server. Every method throws ProblemError for a refusal or failure of the server, ConnectionError where there is no
 * usable answer, and the reason of the signal that was given. What can be repeated is repeated, see {@link RetryOptions}: every GET, and what
 * signs under its Idempotency-Key, also when the connection was lost and nobody knows what the server did.
 */
export interface Client extends Methods {
  /**
   * Signs a package file, or every package of a directory, that the server can read, and returns the outcome for each name; a `digest`
   * likewise; or up to 1,000 `items` by their digests, whose outcomes are in the order of the request.
   */
  readonly sign: <R extends SignRequest>(request: R, options?: SignCallOptions) => Promise<SignAnswerFor<R>>
  /**
   * Signs a file that is sent: hashed first, so that its digest goes in front of it, then streamed, both in flat memory, and once more for
   * each try. A stream that can be read only once can therefore not be sent. Beside what every method throws: LocalFileError
   * `FILE_UNREADABLE`, `FILE_KIND_REFUSED`, `FILE_CHANGED`, and what a stream throws; none of it is tried again.
   */
  readonly signUpload: (request: SignUploadRequest, options?: SignUploadCallOptions) => Promise<SignAnswer & Replayable>
  /**
   * Signs like `sign` and yields each outcome as its file is finished: `listing` first, `end` last, each once: an answer that was cut off is
   * asked for again and goes on where it was. The request is sent when the loop begins; leaving the loop closes the connection, which ends
   * the work on the server. `ANSWER_CUT_OFF` is thrown when it could not be completed, and when the directory is another one by then.
   */
  readonly signEvents: (request: Exclude<SignRequest, SignBatchRequest>, options?: SignCallOptions) => AsyncGenerator<SignedEvent, void, undefined>
  /** Returns one page of a directory, a file, or, without a path, the roots of this client. */
  readonly listFiles: (request?: ListFilesRequest, options?: CallOptions) => Promise<FileList>
  /** Yields every entry, page after page; `limit` is the length of a page, the options hold for each page. */
  readonly listAllFiles: (request?: Omit<ListFilesRequest, 'cursor'>, options?: CallOptions) => AsyncGenerator<FileEntry, void, undefined>
  /** Returns one page of the signatures that fit, the newest first in the order of the log. */
  readonly findSignatures: (request?: FindSignaturesRequest, options?: CallOptions) => Promise<SignatureList>
  /** Yields every signature that fits, in flat memory, each once: an answer that was cut off is asked for again. `limit` bounds how many in all. */
  readonly findAllSignatures: (request?: FindSignaturesRequest, options?: CallOptions) => AsyncGenerator<FoundSignature, void, undefined>
  /** Returns a signature that was made for this client. */
  readonly getSignature: (request: GetSignatureRequest, options?: CallOptions) => Promise<Signature>
  /** Returns the public part of every key that this client may use. */
  readonly listKeys: (options?: CallOptions) => Promise<KeyList>
  /** Returns the public part of one key. */
  readonly getKey: (request: GetKeyRequest, options?: CallOptions) => Promise<Key>
  /** Says whether a signature over a file that the server can read, or over a digest, is valid, and if not, why. */
  readonly verify: (request: VerifyRequest, options?: CallOptions) => Promise<Verification>
  /**
   * As `verify`, for a file that is sent. Sends and throws as `signUpload`. The signature goes in the URL, which holds about 12 KB of
   * it: for a record file of very many filesets use `verify` with a digest.
   */
  readonly verifyUpload: (request: VerifyUploadRequest, options?: UploadCallOptions) => Promise<Verification>
  /** Returns a signature as a file to keep: `record`, `sig`, `dsb` or `dsc`; or, as `proof`, that it stands in the log. */
  readonly exportSignature: (request: ExportSignatureRequest, options?: CallOptions) => Promise<ExportedFile>
  /** Returns what must be installed of a key on the targets: `public.pem`, or `certificate.pem` where the server has one. */
  readonly exportKey: (request: ExportKeyRequest, options?: CallOptions) => Promise<ExportedFile>
  /** Returns the newest state of the log: a signed note, not verified. */
  readonly getCheckpoint: (options?: CallOptions) => Promise<string>
  /** Returns the bytes of a tile of hashes or a bundle of entries, not verified. */
  readonly getTile: (request: GetTileRequest, options?: CallOptions) => Promise<Buffer>
  /** Returns the key that the server says is the log's: `NAME+KEYID+BASE64`. */
  readonly getLogKey: (options?: CallOptions) => Promise<string>
  /** Has the server compare its database with what it wrote; waits up to 15 minutes. What can be known without trusting it, `auditLog` of this module finds out. */
  readonly auditLog: (options?: CallOptions) => Promise<LogAudit>
  /** Returns who the server takes this client for, and what it may do. */
  readonly whoami: (options?: CallOptions) => Promise<Whoami>
  /** Lets running calls end, then closes every connection; later calls throw TypeError. */
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Returns a client of one server, over mutual TLS 1.3. Nothing is sent yet.
 * @throws TypeError for a `baseUrl` that is not just `https://HOST:PORT`; ConnectionError `CREDENTIALS_UNUSABLE` for PEM that cannot be used
 */
export function createClient({ baseUrl, ca, cert, key, timeoutMs, retry, onConnect }: ClientOptions): Client {
  const transport = createTransport({ baseUrl, ca, cert, key, onConnect })
  const caller = createCaller(transport, { timeoutMs, retry })
  const call = async <Op extends OperationId>(operation: Op, request: object, options?: SignCallOptions): Promise<AnswerOf<Op>> =>
    (await caller.json(operation, request as Readonly<Record<string, unknown>>, options)) as AnswerOf<Op>
  const upload = async (operation: 'sign' | 'verify', { file, filename, ...members }: Upload & Readonly<Record<string, unknown>>, options: SignUploadCallOptions = {}) =>
    await withUpload({ file, filename }, options, async (name, body) => await caller.upload(operation, { members: { filename: name, ...members }, body }, options))
  const listFiles: Client['listFiles'] = async (request = {}, options) => await call('listFiles', request, options)
  return {
    sign: async <R extends SignRequest>(request: R, options?: SignCallOptions) => (await call('sign', request, options)) as SignAnswerFor<R>,
    signUpload: async (request, options) => (await upload('sign', request, options)) as SignAnswer,
    signEvents: (request, options) => caller.events('sign', request, options) as AsyncGenerator<SignedEvent, void, undefined>,
    listFiles,
    listAllFiles: (request, options) => allPages(async (cursor) => await listFiles({ ...request, ...cursor }, options)),
    findSignatures: async (request = {}, options) => await call('findSignatures', request, options),
    findAllSignatures: (request = {}, options) => caller.lines('findSignatures', request, foundGate(formatAddress(transport.address)), options),
    getSignature: async (request, options) => await call('getSignature', request, options),
    listKeys: async (options) => await call('listKeys', {}, options),
    getKey: async (request, options) => await call('getKey', request, options),
    verify: async (request, options) => await call('verify', request, options),
    verifyUpload: async ({ signature, ...file }, options) => (await upload('verify', { ...file, ...signature }, options)) as Verification,
    exportSignature: async (request, options) => await caller.file('exportSignature', request, options),
    exportKey: async (request, options) => await caller.file('exportKey', request, options),
    getCheckpoint: async (options) => (await caller.bytes('getCheckpoint', {}, options)).toString(),
    getTile: async (request, options) => await caller.bytes('getTile', request, options),
    getLogKey: async (options) => (await caller.bytes('getLogKey', {}, options)).toString().trimEnd(),
    auditLog: async (options) => await call('auditLog', {}, options),
    whoami: async (options) => await call('whoami', {}, options),
    close: transport.close,
    [Symbol.asyncDispose]: transport.close,
  }
}

async function* allPages(page: (cursor: Readonly<{ cursor?: string }>) => Promise<FileList>): AsyncGenerator<FileEntry, void, undefined> {
  let cursor: string | null = null
  do {
    const { files, nextCursor }: FileList = await page(cursor === null ? {} : { cursor })
    yield* files
    if (nextCursor !== null && nextCursor === cursor) throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', 'the listing does not come to an end: a page leads back to itself')
    cursor = nextCursor
  } while (cursor !== null)
}
