import { accepted, readBytes, readEvents, readObject } from './answer.ts'
import { formatAddress } from './connection-fault.ts'
import { parseDisposition } from './disposition.ts'
import { OPERATIONS } from './generated/operations.ts'
import { ConnectionError } from './problem.ts'
import { buildRequest, buildUpload, type Members, type OperationId, type UploadBody } from './request.ts'
import { withRetries, type RetryOptions } from './retry.ts'
import type { HttpAnswer, HttpRequest, Limits, Transport } from './transport.ts'

const JSON_MEDIA = 'application/json'
const NDJSON_MEDIA = 'application/x-ndjson'

/** Longest silence of the server: a GET reads at most one directory; signing may wait for a large file and for its turn at a slow command. */
const IDLE_MS = { GET: 60_000, POST: 900_000 }

/** Settings of one call. */
export type CallOptions = Readonly<{
  /** Ends the call at once, also a wait between two tries; the call then throws the reason of the signal. */
  signal?: AbortSignal | undefined
  /**
   * Most milliseconds for the whole call, repeats and all of the answer included; it replaces the limit for silence, which else is 60 s
   * for a GET and 15 minutes for `sign`. When it is over: ConnectionError `TIMEOUT`.
   */
  timeoutMs?: number | undefined
}>

export type CallerOptions = Readonly<{ timeoutMs?: number | undefined; retry?: RetryOptions | undefined }>

/** A file that the server answers with: its bytes, the name it should have, and its media type without parameters. */
export type ExportedFile = Readonly<{ bytes: Buffer; filename: string; mediaType: string }>

/** Calls operations by their operationId; what is returned is trusted to be what the document promises, as the server is who it says. */
export type Caller = Readonly<{
  json: (operation: OperationId, members: Members, options?: CallOptions) => Promise<unknown>
  /** Sends a file; `members` are its parameters. */
  upload: (operation: OperationId, given: Readonly<{ members: Members; body: UploadBody }>, options?: CallOptions) => Promise<unknown>
  /** Gets a file. */
  file: (operation: OperationId, members: Members, options?: CallOptions) => Promise<ExportedFile>
  events: (operation: OperationId, members: Members, options?: CallOptions) => AsyncGenerator<Readonly<{ event: string }>, void, undefined>
}>

/** Returns the caller of one server: it builds requests, repeats them where that is safe, and reads answers. */
export function createCaller(transport: Transport, defaults: CallerOptions): Caller {
  const place = formatAddress(transport.address)
  const call = async <T>(request: HttpRequest, read: (answer: HttpAnswer) => Promise<T>, options: CallOptions = {}): Promise<T> => {
    const { limits, explain } = limitsOf({ ...defaults, ...options }, place, request.method)
    const attempt = async () => await read(await transport.send(request, limits))
    return await withRetries(request.method, attempt, { ...limits, retry: defaults.retry }).catch((error: unknown) => {
      throw explain(error)
    })
  }
  const readJson = async (answer: HttpAnswer) => await readObject(await accepted(answer, [JSON_MEDIA], place), place)
  const events: Caller['events'] = async function* (operation, members, options) {
    const request = buildRequest(operation, members, NDJSON_MEDIA)
    const { limits, explain } = limitsOf({ ...defaults, ...options }, place, request.method)
    try {
      const attempt = async () => await accepted(await transport.send(request, limits), [NDJSON_MEDIA], place)
      yield* readEvents(await withRetries(request.method, attempt, { ...limits, retry: defaults.retry }), place)
    } catch (error) {
      throw explain(error)
    }
  }
  return {
    json: async (operation, members, options) => await call(buildRequest(operation, members, JSON_MEDIA), readJson, options),
    upload: async (operation, { members, body }, options) => await call(buildUpload(operation, members, { body, accept: JSON_MEDIA }), readJson, options),
    file: async (operation, members, options) => {
      const mediaTypes: readonly string[] = OPERATIONS[operation].answerMediaTypes
      return await call(buildRequest(operation, members, mediaTypes.join(', ')), async (answer) => await readFile(await accepted(answer, mediaTypes, place), place), options)
    },
    events,
  }
}

async function readFile(answer: HttpAnswer, place: string): Promise<ExportedFile> {
  const filename = parseDisposition(answer.disposition)
  if (filename !== undefined) return { bytes: await readBytes(answer, place), filename, mediaType: answer.mediaType }
  answer.discard()
  throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', `the answer of ${place} is a file without a name`)
}

/** Joins the caller's signal and the overall limit; `explain` turns the end of the latter into a TIMEOUT. */
function limitsOf({ signal, timeoutMs }: CallOptions, place: string, method: 'GET' | 'POST'): Readonly<{ limits: Limits; explain: (error: unknown) => unknown }> {
  const deadline = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)
  const signals = [signal, deadline].filter((one) => one !== undefined)
  const limits = { signal: AbortSignal.any(signals), idleMs: deadline === undefined ? IDLE_MS[method] : 0 }
  const explain = (error: unknown): unknown => {
    if (deadline?.aborted !== true || error !== deadline.reason) return error
    return new ConnectionError('TIMEOUT', `${place} did not answer completely within ${timeoutMs} ms`, { cause: error })
  }
  return { limits, explain }
}
