import type { FastifyBaseLogger, FastifyInstance, FastifyTypeProvider, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from 'fastify'
import { Type, type Static, type TSchema } from 'typebox'
import type { ErrorCode } from '../errors.ts'
import { Problem } from '../schemas/problem.ts'
import { refTo } from '../schemas/reference.ts'
import { problemOf, PROBLEM_MEDIA_TYPE } from './problems.ts'
import { PROBLEM_KINDS } from './problem-table.ts'

/** Makes the TypeBox schema of a route the static type of its handler. */
export interface TypeBoxProvider extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown
}

/** The app as routes see it. */
export type App = FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, TypeBoxProvider>

/** The query of a route that takes none: a parameter nobody knows is refused, like an unknown member. */
export const NO_QUERY = Type.Object({}, { additionalProperties: false })

/** What can happen to every request, whatever its route. */
const EVERYWHERE: readonly ErrorCode[] = [
  'REQUEST_MALFORMED', 'REQUEST_INVALID', 'REQUEST_TIMEOUT', 'HEADERS_TOO_LARGE', 'ROUTE_NOT_FOUND', 'CLIENT_UNKNOWN', 'CLIENT_NOT_YET_VALID', 'CLIENT_EXPIRED', 'OPERATION_DENIED', 'RATE_LIMITED', 'CLIENT_BUSY', 'SERVER_BUSY', 'SHUTTING_DOWN', 'INTERNAL',
]

const TOO_MANY = 429

/** What the answers to a client with limits say of them; those that refuse it for having reached one, always. */
const LIMIT_HEADERS = {
  'Retry-After': { type: 'integer', minimum: 1, description: 'Whole seconds: who waits for them is let in, as far as the rate goes.' },
  'RateLimit-Policy': { type: 'string', description: 'The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11).' },
  RateLimit: { type: 'string', description: 'What is left of each, and for how many seconds no more: `"requests";r=599;t=60`.' },
} as const

const EXAMPLE_REQUEST = '6d9c6f0e-5a3c-4b8f-9a38-1f1f6a9b8f11'

/** Returns the error responses of a route as the document shows them: one entry per status, its codes named. */
export function problemResponses(...codes: readonly ErrorCode[]): Record<number, unknown> {
  const byStatus = Map.groupBy(new Set([...EVERYWHERE, ...codes]), (code) => PROBLEM_KINDS[code].status)
  return Object.fromEntries(
    [...byStatus].sort(([a], [b]) => a - b).map(([status, list]) => [
      status,
      {
        description: list.map((code) => `\`${code}\` ${PROBLEM_KINDS[code].title}`).join('; '),
        ...(status === TOO_MANY ? { headers: LIMIT_HEADERS } : {}),
        content: { [PROBLEM_MEDIA_TYPE]: { schema: refTo(Problem), examples: Object.fromEntries(list.map(exampleOf)) } },
      },
    ]),
  )
}

function exampleOf(code: ErrorCode): readonly [string, unknown] {
  return [code, { value: problemOf(code, PROBLEM_KINDS[code].title.toLowerCase(), EXAMPLE_REQUEST) }]
}

/** Returns a response that is a file to keep, of one of these media types. */
export function fileAnswer(description: string, ...mediaTypes: readonly string[]): Readonly<Record<string, unknown>> {
  const content = Object.fromEntries(mediaTypes.map((mediaType) => [mediaType, { schema: Type.Unsafe<Buffer>({ contentMediaType: mediaType }) }]))
  return { description, content }
}

/** Returns a successful response as the document shows it. */
export function answer(schema: TSchema & { $id?: string }, description: string): Readonly<Record<string, unknown>> {
  return { description, content: { 'application/json': { schema: refTo(schema) } } }
}

/** Returns a response that is text. */
export function textAnswer(description: string): Readonly<Record<string, unknown>> {
  return { description, content: { 'text/plain': { schema: Type.String() } } }
}
