import { OPERATIONS } from './generated/operations.ts'
import type { HttpRequest } from './transport.ts'

/** An operationId of the document. */
export type OperationId = keyof typeof OPERATIONS

type Spec = Readonly<{
  method: 'GET' | 'POST'
  path: string
  parameters: readonly Readonly<{ name: string; in: 'path' | 'query'; required: boolean }>[]
  requestMediaTypes: readonly string[]
}>

/** Everything that can stand in a request: members of the body and parameters together. */
export type Members = Readonly<Record<string, unknown>>

/**
 * Returns the HTTP request of one call: parameters go where the document puts them, every other member into the JSON body.
 * @throws TypeError for a missing parameter, a value that is not text, a number or a boolean, text with a lone surrogate, or a member that the operation does not know
 */
export function buildRequest(operation: OperationId, members: Members, accept: string): HttpRequest {
  const { method, path, parameters, requestMediaTypes }: Spec = OPERATIONS[operation]
  const rest = new Map(Object.entries(members).filter(([, value]) => value !== undefined))
  let target = path
  const query: string[] = []
  for (const { name, in: place, required } of parameters) {
    const value = rest.get(name)
    rest.delete(name)
    if (value === undefined && !required) continue
    const encoded = encode(name, value, place)
    if (place === 'path') target = target.replace(`{${name}}`, () => encoded)
    else query.push(`${encodeURIComponent(name)}=${encoded}`)
  }
  const head = { method, path: query.length === 0 ? target : `${target}?${query.join('&')}` }
  if (requestMediaTypes.length > 0) return { ...head, headers: { accept, 'content-type': 'application/json' }, body: JSON.stringify(Object.fromEntries(rest)) }
  const [unknown] = rest.keys()
  if (unknown !== undefined) throw new TypeError(`${operation} has no \`${unknown}\``)
  return { ...head, headers: { accept } }
}

function encode(name: string, value: unknown, place: 'path' | 'query'): string {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') throw new TypeError(`\`${name}\` is missing or not text`)
  const text = String(value)
  if (!text.isWellFormed()) throw new TypeError(`\`${name}\` is not well-formed Unicode`)
  // Without it the path would be that of another operation.
  if (text === '' && place === 'path') throw new TypeError(`\`${name}\` is empty`)
  return encodeURIComponent(text)
}
