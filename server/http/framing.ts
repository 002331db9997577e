import type { IncomingMessage } from 'node:http'
import type { ClientFault } from './client-fault.ts'

/** Header fields that decide where a request ends or whose it is; two of them mean two things to two readers. */
const SINGLE: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding', 'content-type', 'expect'])

/** More than any client has reason to send; Node limits their size, which many small ones do not reach. */
const MAX_FIELDS = 256

/** `HOST`, `HOST:PORT` (RFC 3986, 3.2.2), or nothing. */
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/

type Rule = Readonly<{ broken: (request: IncomingMessage) => boolean; detail: string }>

/**
 * What Node's parser lets pass and another server on the way might read differently (RFC 9112, sections 3.2, 6.1, 6.3 and 11.2). Each is
 * refused, also where the standard would let us guess: nobody sends it by accident.
 */
const RULES: readonly Rule[] = [
  { broken: ({ httpVersion }) => httpVersion !== '1.1' && httpVersion !== '1.0', detail: 'the protocol is not HTTP/1.1 or HTTP/1.0' },
  { broken: ({ url = '' }) => !url.startsWith('/') || url.includes('#'), detail: 'the request target is not a path' },
  { broken: hasTwice, detail: 'a header field that may stand once stands twice' },
  { broken: ({ headers }) => headers.host !== undefined && !HOST.test(headers.host), detail: 'the Host header is malformed' },
  { broken: ({ headers }) => headers['transfer-encoding'] !== undefined && headers['transfer-encoding'].toLowerCase() !== 'chunked', detail: 'the only transfer coding is chunked' },
  { broken: ({ headers, httpVersion }) => headers['transfer-encoding'] !== undefined && httpVersion === '1.0', detail: 'HTTP/1.0 has no transfer codings' },
  { broken: ({ headers, method }) => (method === 'GET' || method === 'HEAD') && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0), detail: 'a GET has no body' },
  { broken: ({ headers }) => headers.upgrade !== undefined, detail: 'there is no other protocol to upgrade to' },
  { broken: ({ headers }) => headers.trailer !== undefined, detail: 'trailer fields are not taken' },
]

/** Returns what is wrong with the form of a request, or undefined. Looks at the header section alone. */
export function framingFault(request: IncomingMessage): ClientFault | undefined {
  if (request.rawHeaders.length > 2 * MAX_FIELDS) return { code: 'HEADERS_TOO_LARGE', detail: `the request has more than ${MAX_FIELDS} header fields` }
  const rule = RULES.find(({ broken }) => broken(request))
  return rule === undefined ? undefined : { code: 'REQUEST_MALFORMED', detail: rule.detail }
}

/** Reads the fields as they came: the list of each that Node would make costs more than the rest of the rules. */
function hasTwice({ rawHeaders }: IncomingMessage): boolean {
  const seen = new Set<string>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase()
    if (!SINGLE.has(name)) continue
    if (seen.has(name)) return true
    seen.add(name)
  }
  return false
}
