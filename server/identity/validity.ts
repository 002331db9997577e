import { X509Certificate } from 'node:crypto'
import { readCrls } from './crl.ts'
import { pemBlocks, readBlock } from './pem.ts'

/** What the TLS configuration was read from, as PEM texts. */
export type ValiditySource = Readonly<{ certPem: string; clientCaPem: string; crlPem?: string | undefined }>

/**
 * Until when the TLS configuration is good. `crlNextUpdate` is absent without a revocation list, or when none of the lists says when
 * the next one is due.
 */
export type Validity = Readonly<{ serverNotAfter: Date; clientCaNotAfter: Date; crlNextUpdate?: Date }>

/**
 * Returns when the first of the server's certificates, of the client authorities and of the revocation lists expires: of several in one
 * text the earliest counts, for each of them can end the service for somebody. An expired list lets nobody in.
 * @throws Error with a sentence for the operator when a text holds no such PEM block or one that cannot be read
 * @see RFC 5280, sections 4.1.2.5 and 5.1.2.5
 */
export function readValidity({ certPem, clientCaPem, crlPem }: ValiditySource): Validity {
  const serverNotAfter = notAfter(certPem, 'the server certificate')
  const clientCaNotAfter = notAfter(clientCaPem, 'the client CA')
  const crlNextUpdate = crlPem === undefined ? undefined : nextUpdate(crlPem)
  return { serverNotAfter, clientCaNotAfter, ...crlNextUpdate === undefined ? {} : { crlNextUpdate } }
}

function notAfter(pem: string, what: string): Date {
  const dates = pemBlocks(pem, 'CERTIFICATE', what).map((block) => readBlock(() => new X509Certificate(block).validToDate, what))
  return earliest(dates as [Date, ...Date[]])
}

function nextUpdate(pem: string): Date | undefined {
  const dates = readCrls(pem).map((list) => list.nextUpdate).filter((date) => date !== undefined)
  return dates.length === 0 ? undefined : earliest(dates as [Date, ...Date[]])
}

function earliest(dates: readonly [Date, ...Date[]]): Date {
  return dates.reduce((first, date) => (date < first ? date : first))
}
