import { accepted, readBytes, readEvents, readLines, readObject } from './answer.ts'
import { formatAddress } from './connection-fault.ts'
import { parseDisposition } from './disposition.ts'
import { OPERATIONS } from './generated/operations.ts'
import { keyHeader, type KeyOptions } from './idempotency.ts'
import { ConnectionError } from './problem.ts'
import { createPace, type Pace } from './pace.ts'
import { buildRequest, buildUpload, type Members, type OperationId, type UploadBody } from './request.ts'
import { eventGate, resumed, type Gate } from './resume.ts'
import { createTries, withRetries, type Patience, type RetryOptions } from './retry.ts'
import type { HttpAnswer, HttpRequest, Limits, Transport } from './transport.ts'

const JSON_MEDIA = 'application/json'
const NDJSON_MEDIA = 'application/x-ndjson'

/** Longest silence of the server: a GET reads at most one directory; signing may wait for a large file and for its turn at a slow command. */
const IDLE_MS = { GET: 60_000, POST: 900_000 }
/** The one GET that reads all there is. */
const SLOW: ReadonlySet<string> = new Set(['auditLog'])
/** What makes something, and so must not be done twice. */
const KEYED: ReadonlySet<string> = new Set(['sign'])

/** Settings of one call. */
export type CallOptions = Readonly<{
  /** Ends the call at once, also a wait between two tries; the call then throws the reason of the signal. */
  signal?: AbortSignal | undefined
  /**
   * Most milliseconds for the whole call, repeats and all of the answer included; it replaces the limit for silence, which else is 60 s
   * for a GET and 15 minutes for `sign`. When it is over: ConnectionError `TIMEOUT`.
   */
  timeoutMs?: number | undefined
  /** How often this call is repeated where that is safe; as the client has it unless given. */
  retry?: RetryOptions | undefined
}>

/** Settings of a call that signs. */
export type SignCallOptions = CallOptions & KeyOptions

export type CallerOptions = Readonly<{ timeoutMs?: number | undefined; retry?: RetryOptions | undefined }>

/** A file that the server answers with: its bytes, the name it should have, and its media type without parameters. */
export type ExportedFile = Readonly<{ bytes: Buffer; filename: string; mediaType: string }>

/** Calls operations by their operationId; what is returned is trusted to be what the document promises, as the server is who it says. */
export type Caller = Readonly<{
  json: (operation: OperationId, members: Members, options?: SignCallOptions) => Promise<unknown>
  /** Sends a file; `members` are its parameters. */
  upload: (operation: OperationId, given: Readonly<{ members: Members; body: UploadBody }>, options?: SignCallOptions) => Promise<unknown>
  /** Gets a file. */
  file: (operation: OperationId, members: Members, options?: CallOptions) => Promise<ExportedFile>
  /** Gets bytes that have no name. */
  bytes: (operation: OperationId, members: Members, options?: CallOptions) => Promise<Buffer>
  /** Yields each event once, also where the answer was cut off and asked for again. */
  events: (operation: OperationId, members: Members, options?: SignCallOptions) => AsyncGenerator<Readonly<{ event: string }>, void, undefined>
  /** Yields each line of a list once; `gate` knows what came before. */
  lines: <T extends object>(operation: OperationId, members: Members, gate: Gate<T>, options?: CallOptions) => AsyncGenerator<T, void, undefined>
}>

/** Returns the caller of one server: it builds requests, repeats them where that is safe, and reads answers. */
export function createCaller(transport: Transport, defaults: CallerOptions): Caller {
  const place = formatAddress(transport.address)
  let reached = false
  const pace = createPace()
  const send: Transport['send'] = async (request, limits) => {
    const answer = await transport.send(request, limits)
    reached = true
    pace.heed(answer)
    return answer
  }
  const prepare = (operation: OperationId, request: HttpRequest, options: SignCallOptions = {}): Prepared => {
    const keyed = KEYED.has(operation) ? { ...request, headers: { ...request.headers, ...keyHeader(options) } } : request
    const { limits, explain } = limitsOf(operation, { ...defaults, ...options }, place)
    const repeatable = request.method === 'GET' || keyed.headers['idempotency-key'] !== undefined
    return { request: keyed, limits, explain, patience: { repeatable, reached: () => reached, signal: limits.signal, retry: options.retry ?? defaults.retry } }
  }
  const call = async <T>({ request, limits, explain, patience }: Prepared, read: (answer: HttpAnswer) => Promise<T>): Promise<T> =>
    await withRetries(async () => await paced(pace, limits.signal, async () => await read(await send(request, limits))), patience).catch((error: unknown) => {
      throw explain(error)
    })
  const stream = <T extends object>({ request, limits, explain, patience }: Prepared, gate: Gate<T>, read: (answer: HttpAnswer) => AsyncIterable<T>) =>
    resumed({ ask: async () => pacedItems(pace, limits.signal, async () => read(await accepted(await send(request, limits), [NDJSON_MEDIA], place))), gate, tries: createTries(patience), explain })
  const readJson = async (answer: HttpAnswer) => marked(await readObject(await accepted(answer, [JSON_MEDIA], place), place), answer)
  return {
    json: async (operation, members, options) => await call(prepare(operation, buildRequest(operation, members, JSON_MEDIA), options), readJson),
    upload: async (operation, { members, body }, options) => await call(prepare(operation, buildUpload(operation, members, { body, accept: JSON_MEDIA }), options), readJson),
    file: async (operation, members, options) => {
      const mediaTypes = mediaOf(operation)
      return await call(prepare(operation, buildRequest(operation, members, mediaTypes.join(', ')), options), async (answer) => await readFile(await accepted(answer, mediaTypes, place), place))
    },
    bytes: async (operation, members, options) => {
      const mediaTypes = mediaOf(operation)
      return await call(prepare(operation, buildRequest(operation, members, mediaTypes.join(', ')), options), async (answer) => await readBytes(await accepted(answer, mediaTypes, place), place))
    },
    events: async function* (operation, members, options) {
      yield* stream(prepare(operation, buildRequest(operation, members, NDJSON_MEDIA), options), eventGate(place), (answer) => markedEnd(readEvents(answer, place), answer))
    },
    lines: async function* <T extends object>(operation: OperationId, members: Members, gate: Gate<T>, options?: CallOptions) {
      yield* stream(prepare(operation, buildRequest(operation, members, NDJSON_MEDIA), options), gate, (answer) => readLines(answer, place) as AsyncIterable<T>)
    },
  }
}

/** Runs one try of a request from its turn to the end of its answer. */
async function paced<T>({ begin }: Pace, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const turn = begin(signal)
  const end = typeof turn === 'function' ? turn : await turn
  try {
    return await work()
  } finally {
    end()
  }
}

/** The same for an answer that is read as it comes: it opens when the first item is asked for. */
async function* pacedItems<T>({ begin }: Pace, signal: AbortSignal, open: () => Promise<AsyncIterable<T>>): AsyncGenerator<T, void, undefined> {
  const end = await begin(signal)
  try {
    yield* await open()
  } finally {
    end()
  }
}

type Prepared = Readonly<{ request: HttpRequest; limits: Limits; explain: (error: unknown) => unknown; patience: Patience }>

function mediaOf(operation: OperationId): readonly string[] {
  return OPERATIONS[operation].answerMediaTypes
}

/** Says in an answer that it is the one of an earlier request. */
function marked<T extends object>(value: T, { replayed }: HttpAnswer): T {
  return replayed ? { ...value, replayed } : value
}

async function* markedEnd(events: AsyncIterable<Readonly<{ event: string }>>, answer: HttpAnswer): AsyncGenerator<Readonly<{ event: string }>, void, undefined> {
  for await (const event of events) yield event.event === 'end' ? marked(event, answer) : event
}

async function readFile(answer: HttpAnswer, place: string): Promise<ExportedFile> {
  const filename = parseDisposition(answer.disposition)
  if (filename !== undefined) return { bytes: await readBytes(answer, place), filename, mediaType: answer.mediaType }
  answer.discard()
  throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', `the answer of ${place} is a file without a name`)
}

/** Joins the caller's signal and the overall limit; `explain` turns the end of the latter into a TIMEOUT. */
function limitsOf(operation: OperationId, { signal, timeoutMs }: CallOptions, place: string): Readonly<{ limits: Limits; explain: (error: unknown) => unknown }> {
  const deadline = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)
  const signals = [signal, deadline].filter((one) => one !== undefined)
  const { method } = OPERATIONS[operation]
  const limits = { signal: AbortSignal.any(signals), idleMs: deadline === undefined ? IDLE_MS[SLOW.has(operation) ? 'POST' : method] : 0 }
  const explain = (error: unknown): unknown => {
    if (deadline?.aborted !== true || error !== deadline.reason) return error
    return new ConnectionError('TIMEOUT', `${place} did not answer completely within ${timeoutMs} ms`, { cause: error })
  }
  return { limits, explain }
}
