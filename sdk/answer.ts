import { setImmediate } from 'node:timers/promises'
import { decodeUtf8, splitLines } from './ndjson.ts'
import { ConnectionError, isProblem, ProblemError } from './problem.ts'
import { parseRetryAfter } from './retry.ts'
import type { HttpAnswer } from './transport.ts'

const PROBLEM_MEDIA = 'application/problem+json'
const MAX_ANSWER_BYTES = 256 * 1024 * 1024
/** The longest line is the listing of a whole directory. */
const MAX_LINE_BYTES = 64 * 1024 * 1024

/**
 * Returns the answer if it is a success of a media type that was asked for.
 * @throws ProblemError; ConnectionError `ANSWER_NOT_UNDERSTOOD`
 */
export async function accepted(answer: HttpAnswer, mediaTypes: readonly string[], place: string): Promise<HttpAnswer> {
  const { status, mediaType: given } = answer
  if (status === 200 && mediaTypes.includes(given)) return answer
  if (status >= 400 && given === PROBLEM_MEDIA) {
    const problem = await readObject(answer, place)
    if (isProblem(problem)) throw new ProblemError(problem, { retryAfterMs: parseRetryAfter(answer.retryAfter, new Date()) })
  }
  answer.discard()
  throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', `${place} answered with status ${status} and ${JSON.stringify(given.slice(0, 100))}, which is no answer of a signing server`)
}

/** Returns the JSON object of an answer. @throws ConnectionError */
export async function readObject(answer: HttpAnswer, place: string): Promise<object> {
  return parseObject(decodeUtf8([await readBytes(answer, place)]), place)
}

/** Returns the whole body of an answer, at most 256 MiB. @throws ConnectionError */
export async function readBytes({ chunks }: HttpAnswer, place: string): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    parts.push(chunk)
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', `the answer of ${place} has more than ${MAX_ANSWER_BYTES} bytes`, { hint: 'Use signEvents, which has no such limit.' })
  }
  // The pool takes a connection back on the next turn of the loop; without this, a request that follows at once would open another one.
  await setImmediate()
  return Buffer.concat(parts)
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

/** Yields the objects of an NDJSON answer, a line each. @throws ConnectionError */
export async function* readLines({ chunks }: HttpAnswer, place: string): AsyncGenerator<object, void, undefined> {
  for await (const line of splitLines(chunks, MAX_LINE_BYTES)) yield parseObject(line, place)
}

/** Yields the events of an NDJSON answer; the last one is `end`. @throws ConnectionError */
export async function* readEvents(answer: HttpAnswer, place: string): AsyncGenerator<Readonly<{ event: string }>, void, undefined> {
  let ended = false
  try {
    for await (const line of readLines(answer, place)) {
      if (ended) throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', `something follows the \`end\` of the answer of ${place}`)
      const event = line as Readonly<{ event?: unknown }>
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
