import { createAuthority, issueClient, issueCrl, issueServer } from './pki.ts'
import type { Authority, Issued, San, Validity } from './pki.ts'

/** What is wrong with a client's certificate, on purpose; `none` and `unlisted` are faultless for TLS. */
export type ClientFault = 'none' | 'unlisted' | 'revoked' | 'expired' | 'not-yet-valid' | 'wrong-usage' | 'other-authority'

/** The names of the clients, each the last part of its folder. */
export type ClientName = 'release-bot' | 'auditor' | 'stranger' | 'revoked' | 'expired' | 'not-yet-valid' | 'wrong-usage' | 'impostor'

/** A client of the development PKI. */
export interface DevelopmentClient {
  readonly name: ClientName
  /** Where its three files are, relative to the PKI. */
  readonly folder: string
  /** Its only SAN, a URI; a policy names it `URI:` + this. */
  readonly uri: string
  readonly fault: ClientFault
  /** What it is for, as certs/README.md and the command say it. */
  readonly purpose: string
}

/** Every client of the development PKI; certs/README.md lists the same, which a test compares. */
export const DEVELOPMENT_CLIENTS: readonly DevelopmentClient[] = [
  client('release-bot', 'none', 'signs packages'),
  client('auditor', 'none', 'looks, never signs'),
  client('stranger', 'unlisted', 'good certificate, in no policy: may do nothing'),
  client('revoked', 'revoked', 'refused: its serial number is in `ca.crl`'),
  client('expired', 'expired', 'refused: ended the day before the PKI was made'),
  client('not-yet-valid', 'not-yet-valid', 'refused: begins five years later'),
  client('wrong-usage', 'wrong-usage', 'refused: a server certificate (`serverAuth`)'),
  {
    name: 'impostor',
    folder: 'other-ca/impostor',
    uri: 'urn:example:release-bot',
    fault: 'other-authority',
    purpose: 'refused: release-bot\'s names, from another CA of the same name'
  }
]

/** The names under which the development server can be reached. */
export const SERVER_SANS: readonly [San, ...San[]] = [
  { type: 'dns', value: 'localhost' },
  { type: 'ip', value: '127.0.0.1' },
  { type: 'ip', value: '::1' }
]

/** The subject of both authorities. */
export const AUTHORITY_NAME = 'signing-server development CA'

const DAY_MS = 86_400_000
const CRL_DAYS = 365
/** The authorities begin earlier, so that even the expired client's certificate lies within their time. */
const AUTHORITY_AGE_DAYS = 30

/** The files of a PKI (path relative to it, `/` between its parts → PEM text) and until when all that is meant to hold holds. */
export interface DevelopmentFiles {
  readonly files: ReadonlyMap<string, string>
  readonly validUntil: Date
}

/**
 * Makes every file of a development PKI in memory. Certificates begin an hour before `now`, for machines whose clocks are slow; the CRL
 * is what ends first.
 */
export async function makeDevelopmentFiles(now: Date): Promise<DevelopmentFiles> {
  const start = later(now, -1 / 24)
  const authority = await createAuthority({ name: AUTHORITY_NAME, notBefore: later(now, -AUTHORITY_AGE_DAYS) })
  const other = await createAuthority({ name: AUTHORITY_NAME, notBefore: later(now, -AUTHORITY_AGE_DAYS) })
  const files = new Map([['ca.pem', authority.certificatePem], ['ca.key', authority.privateKeyPem], ['other-ca/ca.pem', other.certificatePem]])
  addPair(files, 'server', await issueServer(authority, { sans: SERVER_SANS, notBefore: start }))
  const revoked: string[] = []
  for (const entry of DEVELOPMENT_CLIENTS) {
    const issued = await issueDevelopmentClient(entry.fault === 'other-authority' ? other : authority, entry, start)
    if (entry.fault === 'revoked') revoked.push(issued.serialHex)
    addPair(files, `${entry.folder}/client`, issued)
    // Always the authority of the server: the impostor, too, has to get as far as being refused.
    files.set(`${entry.folder}/ca.pem`, authority.certificatePem)
  }
  const validUntil = later(now, CRL_DAYS)
  files.set('ca.crl', await issueCrl(authority, { revoked, thisUpdate: start, nextUpdate: validUntil }))
  return { files, validUntil }
}

function client(name: ClientName, fault: ClientFault, purpose: string): DevelopmentClient {
  return { name, folder: `clients/${name}`, uri: `urn:example:${name}`, fault, purpose }
}

function issueDevelopmentClient(authority: Authority, entry: DevelopmentClient, start: Date): Promise<Issued> {
  return issueClient(authority, {
    name: entry.fault === 'other-authority' ? 'release-bot' : entry.name,
    sans: [{ type: 'uri', value: entry.uri }],
    extendedKeyUsage: [entry.fault === 'wrong-usage' ? 'serverAuth' : 'clientAuth'],
    ...period(entry.fault, start)
  })
}

function period(fault: ClientFault, start: Date): Validity {
  if (fault === 'expired') return { notBefore: later(start, -8), notAfter: later(start, -1) }
  if (fault === 'not-yet-valid') return { notBefore: later(start, 5 * 365) }
  return { notBefore: start }
}

function addPair(files: Map<string, string>, stem: string, issued: Issued): void {
  files.set(`${stem}.pem`, issued.certificatePem)
  files.set(`${stem}.key`, issued.privateKeyPem)
}

function later(time: Date, days: number): Date {
  return new Date(time.getTime() + days * DAY_MS)
}
