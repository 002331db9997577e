import { setImmediate } from 'node:timers/promises'
import { formatAddress } from './connection-fault.ts'
import { decodeUtf8, splitLines } from './ndjson.ts'
import { ConnectionError, isProblem, ProblemError } from './problem.ts'
import { buildRequest, type Members, type OperationId } from './request.ts'
import { parseRetryAfter, withRetries, type RetryOptions } from './retry.ts'
import type { HttpAnswer, Limits, Transport } from './transport.ts'

const JSON_MEDIA = 'application/json'
const NDJSON_MEDIA = 'application/x-ndjson'
const PROBLEM_MEDIA = 'application/problem+json'

/** Longest silence of the server: a GET reads at most one directory; signing may wait for a large file and for its turn at a slow command. */
const IDLE_MS = { GET: 60_000, POST: 900_000 }
const MAX_JSON_BYTES = 256 * 1024 * 1024
/** The longest line is the listing of a whole directory. */
const MAX_LINE_BYTES = 64 * 1024 * 1024

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

/** Calls operations by their operationId; what is returned is trusted to be what the document promises, as the server is who it says. */
export type Caller = Readonly<{
  json: (operation: OperationId, members: Members, options?: CallOptions) => Promise<unknown>
  events: (operation: OperationId, members: Members, options?: CallOptions) => AsyncGenerator<Readonly<{ event: string }>, void, undefined>
}>

/** Returns the caller of one server: it builds requests, repeats them where that is safe, and reads answers. */
export function createCaller(transport: Transport, defaults: CallerOptions): Caller {
  const place = formatAddress(transport.address)
  const json: Caller['json'] = async (operation, members, options) => {
    const request = buildRequest(operation, members, JSON_MEDIA)
    return await limited({ ...defaults, ...options }, place, request.method, async (limits) => {
      const attempt = async () => readObject(await accepted(await transport.send(request, limits), JSON_MEDIA, place), place)
      return await withRetries(request.method, attempt, { ...limits, retry: defaults.retry })
    })
  }
  const events: Caller['events'] = async function* (operation, members, options) {
    const request = buildRequest(operation, members, NDJSON_MEDIA)
    const { limits, explain } = limitsOf({ ...defaults, ...options }, place, request.method)
    try {
      const attempt = async () => await accepted(await transport.send(request, limits), NDJSON_MEDIA, place)
      yield* readEvents(await withRetries(request.method, attempt, { ...limits, retry: defaults.retry }), place)
    } catch (error) {
      throw explain(error)
    }
  }
  return { json, events }
}

async function limited<T>(options: CallOptions, place: string, method: 'GET' | 'POST', work: (limits: Limits) => Promise<T>): Promise<T> {
  const { limits, explain } = limitsOf(options, place, method)
  return await work(limits).catch((error: unknown) => {
    throw explain(error)
  })
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

/** Returns the answer if it is a success of the media type that was asked for. */
async function accepted(answer: HttpAnswer, mediaType: string, place: string): Promise<HttpAnswer> {
  const { status, mediaType: given } = answer
  if (status === 200 && given === mediaType) return answer
  if (status >= 400 && given === PROBLEM_MEDIA) {
    const problem = await readObject(answer, place)
    if (isProblem(problem)) throw new ProblemError(problem, { retryAfterMs: parseRetryAfter(answer.retryAfter, new Date()) })
  }
  answer.discard()
  throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', `${place} answered with status ${status} and ${JSON.stringify(given.slice(0, 100))}, which is no answer of a signing server`)
}

async function readObject({ chunks }: HttpAnswer, place: string): Promise<object> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    parts.push(chunk)
    bytes += chunk.length
    if (bytes > MAX_JSON_BYTES) throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', `the answer of ${place} has more than ${MAX_JSON_BYTES} bytes`, { hint: 'Use signEvents, which has no such limit.' })
  }
  // The pool takes a connection back on the next turn of the loop; without this, a request that follows at once would open another one.
  await setImmediate()
  return parseObject(decodeUtf8(parts), place)
}

function parseObject(text: string, place: string): object {
  let cause: unknown
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch (error) {
    cause = error
    if (isUnfinished(text)) throw new ConnectionError('ANSWER_CUT_OFF', `the answer of ${place} ended in the middle`, { cause })
  }
  throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', `the answer of ${place} is not a JSON object`, { cause })
}

/** Whether more text could have made JSON of this: nothing at all, an open string, or more brackets opened than closed. */
function isUnfinished(text: string): boolean {
  const outside = text.replaceAll(/"(?:[^"\\]|\\.)*"/gs, '')
  const count = (brackets: RegExp): number => outside.match(brackets)?.length ?? 0
  return text.trim() === '' || outside.includes('"') || count(/[[{]/g) > count(/[\]}]/g)
}

async function* readEvents({ chunks }: HttpAnswer, place: string): AsyncGenerator<Readonly<{ event: string }>, void, undefined> {
  let ended = false
  try {
    for await (const line of splitLines(chunks, MAX_LINE_BYTES)) {
      if (ended) throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', `something follows the \`end\` of the answer of ${place}`)
      const event = parseObject(line, place) as Readonly<{ event?: unknown }>
      if (typeof event.event !== 'string') throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', `the answer of ${place} has a line that is no event`)
      ended = event.event === 'end'
      yield event as Readonly<{ event: string }>
    }
  } catch (error) {
    // After `end` everything is there; how the connection ends does not matter any more.
    if (!(ended && error instanceof ConnectionError && error.code === 'ANSWER_CUT_OFF')) throw error
  }
  if (!ended) throw new ConnectionError('ANSWER_CUT_OFF', `the answer of ${place} ended without \`end\``)
}
