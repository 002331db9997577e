import { OPERATIONS } from './generated/operations.ts'
import type { HttpRequest } from './transport.ts'

/** An operationId of the document. */
export type OperationId = keyof typeof OPERATIONS

type Spec = Readonly<{
  method: 'GET' | 'POST'
  path: string
  /** `segments`: a path of several segments, whose slashes stay slashes. */
  parameters: readonly Readonly<{ name: string; in: 'path' | 'query'; required: boolean; segments?: boolean }>[]
  requestMediaTypes: readonly string[]
}>

/** Everything that can stand in a request: members of the body and parameters together. */
export type Members = Readonly<Record<string, unknown>>

const OCTET_STREAM = 'application/octet-stream'

/** A file that is sent: its bytes, asked for anew for each try, how many they are, and their SHA-256, 32 raw bytes. */
export type UploadBody = Readonly<{ chunks: () => AsyncIterable<Uint8Array>; sizeBytes: number; sha256: Buffer }>

/**
 * Returns the HTTP request of one call: parameters go where the document puts them, every other member into the JSON body. The query
 * of an operation that also takes a file belongs to the file alone: its JSON body has those members.
 * @throws TypeError for a missing parameter, a value that is not text, a number or a boolean, text with a lone surrogate, or a member that the operation does not know
 */
export function buildRequest(operation: OperationId, members: Members, accept: string): HttpRequest {
  const { method, path, parameters, requestMediaTypes }: Spec = OPERATIONS[operation]
  const takesFile = requestMediaTypes.includes(OCTET_STREAM)
  const { target, rest } = place(path, takesFile ? [] : parameters, members)
  if (requestMediaTypes.length > 0) return { method, path: target, headers: { accept, 'content-type': 'application/json' }, body: JSON.stringify(Object.fromEntries(rest)) }
  checkNothingLeft(operation, rest)
  return { method, path: target, headers: { accept } }
}

/**
 * Returns the HTTP request that sends a file: the members are its parameters, and its digest goes in front of it (RFC 9530), so that
 * what arrives broken is refused.
 * @throws TypeError as {@link buildRequest}
 */
export function buildUpload(operation: OperationId, members: Members, { body, accept }: Readonly<{ body: UploadBody; accept: string }>): HttpRequest {
  const { method, path, parameters }: Spec = OPERATIONS[operation]
  const { target, rest } = place(path, parameters, members)
  checkNothingLeft(operation, rest)
  const digest = `sha-256=:${body.sha256.toString('base64')}:`
  const headers = { accept, 'content-type': OCTET_STREAM, 'content-length': String(body.sizeBytes), 'content-digest': digest, 'repr-digest': digest }
  return { method, path: target, headers, body: body.chunks }
}

/** Puts parameters into path and query; `rest` is what is left. */
function place(path: string, parameters: Spec['parameters'], members: Members): Readonly<{ target: string; rest: ReadonlyMap<string, unknown> }> {
  const rest = new Map(Object.entries(members).filter(([, value]) => value !== undefined))
  let target = path
  const query: string[] = []
  for (const { name, in: where, required, segments } of parameters) {
    const value = rest.get(name)
    rest.delete(name)
    if (value === undefined && !required) continue
    const encoded = encode(name, value, where)
    if (where === 'path') target = target.replace(`{${name}}`, () => (segments === true ? encoded.replaceAll('%2F', '/') : encoded))
    else query.push(`${encodeURIComponent(name)}=${encoded}`)
  }
  return { target: query.length === 0 ? target : `${target}?${query.join('&')}`, rest }
}

function checkNothingLeft(operation: OperationId, rest: ReadonlyMap<string, unknown>): void {
  const [unknown] = rest.keys()
  if (unknown !== undefined) throw new TypeError(`${operation} has no \`${unknown}\``)
}

function encode(name: string, value: unknown, place: 'path' | 'query'): string {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') throw new TypeError(`\`${name}\` is missing or not text`)
  const text = String(value)
  if (!text.isWellFormed()) throw new TypeError(`\`${name}\` is not well-formed Unicode`)
  // Without it the path would be that of another operation.
  if (text === '' && place === 'path') throw new TypeError(`\`${name}\` is empty`)
  return encodeURIComponent(text)
}
