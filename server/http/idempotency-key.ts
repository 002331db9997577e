import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { SigningError } from '../errors.ts'

const NAME = 'Idempotency-Key'
/** A string of structured fields (RFC 9651, section 3.3.3). */
const QUOTED = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/
/** 1 to 255 visible characters of ASCII. */
const KEY = /^[!-~]{1,255}$/

/**
 * Returns the Idempotency-Key of a request, or undefined when it has none. `"abc"` and `abc` are the same key: the draft asks for the
 * quotes, and most clients leave them out.
 * @throws SigningError `IDEMPOTENCY_KEY_MALFORMED`
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07#section-2.1
 */
export function idempotencyKey({ raw: { rawHeaders } }: FastifyRequest): string | undefined {
  // Node joins lines of one name, and two lines are no key.
  const lines = rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === NAME.toLowerCase())
  const [line] = lines
  if (line === undefined) return undefined
  const key = line.startsWith('"') ? QUOTED.exec(line)?.[1]?.replaceAll(/\\(["\\])/g, '$1') : line
  if (lines.length > 1 || key === undefined || !KEY.test(key)) {
    throw new SigningError('IDEMPOTENCY_KEY_MALFORMED', 'Idempotency-Key is not one line of 1 to 255 visible ASCII characters')
  }
  return key
}

/** The request headers of an operation that may be repeated, as the document shows them; answers are kept for `keepMs`. */
export function repeatableHeaders(keepMs: number) {
  const description =
    `Makes the request safe to repeat (draft-ietf-httpapi-idempotency-key-header-07): 1 to 255 visible ASCII characters, such as a UUID, bare or in double quotes. The same key with the same request gets the same answer again, byte for byte, with \`Idempotent-Replayed: true\`; with another request \`IDEMPOTENCY_KEY_REUSED\`; while the first still runs \`REQUEST_IN_PROGRESS\`. A key belongs to its client. Answers are kept for ${spelled(keepMs)} (\`idempotency.keepMs\`: ${keepMs}).`
  return Type.Object({ [NAME]: Type.Optional(Type.String({ description, examples: ['8e03978e-40d5-43dd-bc93-6894a57f9324'] })) })
}

/** The response header that marks a repeated answer, and how the document shows it. */
export const REPLAYED = 'Idempotent-Replayed'
export const REPLAYED_HEADER = {
  [REPLAYED]: { type: 'string', enum: ['true'], description: 'There when this is the answer to an earlier request with the same Idempotency-Key; a problem that is repeated has it too.' },
} as const

const UNITS = [[86_400_000, 'day'], [3_600_000, 'hour'], [60_000, 'minute'], [1000, 'second']] as const
const MILLISECOND = [1, 'millisecond'] as const

/** A time in the largest unit that it is a whole number of. */
function spelled(ms: number): string {
  const [unitMs, unit] = UNITS.find(([size]) => ms % size === 0) ?? MILLISECOND
  const count = ms / unitMs
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}
