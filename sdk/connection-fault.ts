import { isIPv6 } from 'node:net'
import { ConnectionError } from './problem.ts'

/** Where the server is; an IPv6 address has no brackets. */
export type Address = Readonly<{ host: string; port: number }>

/** Returns `HOST:PORT`, an IPv6 address in brackets. */
export function formatAddress({ host, port }: Address): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`
}

/** What is known about the request that failed. */
export type FaultFacts = Readonly<{
  address: Address
  /** Whether the head of the answer was there already. */
  answered: boolean
  /** Whether the connection was new and never carried a byte of any answer. */
  fresh: boolean
  /** Why the client's own certificate cannot be accepted, where that shows from here. */
  certificateFault: string | undefined
}>

type Fault = Error & Readonly<{ code?: unknown; cert?: unknown }>

const REFUSED = new Set(['ECONNREFUSED'])
const NOT_FOUND = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME'])
const UNREACHABLE = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'ENETDOWN', 'EHOSTDOWN'])
const TOO_SLOW = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])
/** The verification errors of OpenSSL as Node spells them (`tls` documentation, "X509 certificate error codes"), and Node's own for the name. */
const UNTRUSTED = /^(?:ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|(?:CERT|CRL)_.*|(?:DEPTH_ZERO_)?SELF_SIGNED_CERT.*|UNABLE_TO_.*|ERROR_IN_.*|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED|OUT_OF_MEM)$/
/** A TLS alert says that the server did not want us; this one says that it does not know TLS 1.3. */
const ALERT = /^ERR_SSL_.*_ALERT_(?!PROTOCOL_VERSION$)/

/**
 * Returns the ConnectionError for whatever Node's TLS or undici threw while a request was under way. With TLS 1.3 a refused client
 * certificate shows only after the handshake, mostly as a connection that is closed without a word: so the end of a new connection that
 * never carried an answer counts as that.
 */
export function connectionFault(cause: unknown, facts: FaultFacts): ConnectionError {
  const fault = (cause instanceof Error ? cause : new Error('not an error', { cause })) as Fault
  const code = typeof fault.code === 'string' ? fault.code : ''
  const place = formatAddress(facts.address)
  if (TOO_SLOW.has(code)) return new ConnectionError('TIMEOUT', slowSentence(code, place), { cause })
  if (isNotHttp(fault)) return new ConnectionError('ANSWER_NOT_UNDERSTOOD', `the answer of ${place} is not HTTP`, { cause })
  if (facts.answered) return new ConnectionError('ANSWER_CUT_OFF', `the connection to ${place} ended in the middle of the answer`, { cause })
  if (REFUSED.has(code)) return new ConnectionError('CONNECTION_REFUSED', `${place} refused the connection: no server listens there`, { cause })
  if (NOT_FOUND.has(code)) return new ConnectionError('HOST_NOT_FOUND', `the host name ${facts.address.host} has no address`, { cause })
  if (UNREACHABLE.has(code)) return new ConnectionError('HOST_UNREACHABLE', `there is no way to ${place}`, { cause })
  if (UNTRUSTED.test(code)) return new ConnectionError('SERVER_CERTIFICATE_UNTRUSTED', untrustedSentence(fault, code, facts.address), { cause })
  if (ALERT.test(code)) return certificateRefused(facts, cause)
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') return new ConnectionError('TLS_FAILED', `${place} does not speak TLS 1.3`, { cause })
  if (facts.fresh) return certificateRefused(facts, cause)
  return new ConnectionError('CONNECTION_LOST', `the connection to ${place} ended before the answer`, { cause })
}

function slowSentence(code: string, place: string): string {
  if (code === 'UND_ERR_HEADERS_TIMEOUT') return `${place} took the request and did not answer in time`
  if (code === 'UND_ERR_BODY_TIMEOUT') return `${place} stopped sending in the middle of the answer`
  return `no connection to ${place} in time`
}

/** undici's parser errors are known by their name: its table of codes is read the wrong way round, so they mostly have none. */
function isNotHttp({ name, code }: Fault): boolean {
  return name === 'HTTPParserError' || code === 'UND_ERR_HEADERS_OVERFLOW'
}

function certificateRefused({ address, certificateFault }: FaultFacts, cause: unknown): ConnectionError {
  const detail = `${formatAddress(address)} closed the connection without an answer: the server refused the client certificate, or it is not a TLS 1.3 server`
  return new ConnectionError('CERTIFICATE_REFUSED', detail, { cause, hint: certificateFault && `Look at the client certificate: by the clock of this machine ${certificateFault}.` })
}

function untrustedSentence(fault: Fault, code: string, { host }: Address): string {
  if (code === 'CERT_HAS_EXPIRED') return 'the certificate of the server has expired'
  if (code === 'CERT_NOT_YET_VALID') return 'the certificate of the server is not valid yet'
  if (code === 'INVALID_PURPOSE') return 'the certificate of the server is not for servers'
  if (code !== 'ERR_TLS_CERT_ALTNAME_INVALID') return 'the certificate of the server does not come from the CA that this client trusts (`ca`)'
  const names = (fault.cert as Readonly<{ subjectaltname?: string }> | undefined)?.subjectaltname ?? 'no name at all'
  return `the certificate of the server is not for ${host}, but for ${names}`
}
