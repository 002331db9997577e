import { systemCode } from './faults.ts'
import type { PostgresLocation } from './postgres-pool.ts'

// https://www.postgresql.org/docs/current/errcodes-appendix.html: classes 22 (data) and 23 (integrity) are about the values of a row,
// as is 54000 when a value is too long for an index.
const ROW_FAULT = /^(?:22|23)|^54000$/

/** True for what PostgreSQL holds against the values of a row: a duplicate, a NUL in a text, a value that is too long for an index. */
export function isPostgresRowFault(cause: unknown): boolean {
  return ROW_FAULT.test(systemCode(cause) ?? '')
}

/** What an operator can do about an error at open, in one sentence without a secret; undefined for one that nobody expects. */
export function postgresOpenFault(cause: unknown, location: PostgresLocation): string | undefined {
  if (!(cause instanceof Error)) return undefined
  const what = systemCode(cause) ?? cause.message
  const [, sentence] = OPEN_FAULTS.find(([pattern]) => pattern.test(what)) ?? []
  return sentence?.({ ...location, at: location.host.startsWith('/') ? `in ${location.host}` : `at ${location.host}:${location.port}` })
}

type Sentence = (location: PostgresLocation & Readonly<{ at: string }>) => string

/** By SQLSTATE, or by the code of the system or of OpenSSL; pg's own errors have no code, but words. */
const OPEN_FAULTS: readonly (readonly [RegExp, Sentence])[] = [
  [/^ECONNREFUSED$/, ({ at }) => `nobody listens ${at}: is PostgreSQL running there, and do its listen_addresses name this address?`],
  [/^(?:ENOENT|EACCES)$/, ({ at }) => `there is no socket of PostgreSQL ${at} that this user may reach`],
  [/^(?:ENOTFOUND|EAI_AGAIN)$/, ({ host }) => `there is no host ${host}`],
  [/^(?:ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$|timeout/, ({ at }) => `PostgreSQL ${at} does not answer`],
  [/^28P01$/, ({ user }) => `PostgreSQL does not accept the password of ${user}: look at store.passwordFile`],
  [/^SASL: SCRAM-SERVER-FIRST-MESSAGE: client password/, ({ user }) => `PostgreSQL asks for the password of ${user}: put it into a file and name that in store.passwordFile`],
  [/^28000$/, ({ user, database }) => `PostgreSQL does not let ${user} connect to ${database} from here: look at its pg_hba.conf`],
  [/^3D000$/, ({ database }) => `PostgreSQL has no database ${database}`],
  [/^42501$/, ({ user, database }) => `${user} may not make tables in ${database}: it must own the database`],
  [/^53300$/, ({ user, database }) => `PostgreSQL has no connection left: look at max_connections, and at the connection limits of ${user} and ${database}`],
  [/^57P0[123]$/, () => 'PostgreSQL is just starting or stopping: try again'],
  [/does not support SSL/, ({ at }) => `PostgreSQL ${at} has no TLS: turn ssl on there; or say ?sslmode=disable, where nobody can listen in between`],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, ({ host }) => `the certificate of PostgreSQL is not for ${host}`],
  [/^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/, () => 'the certificate of PostgreSQL has expired, or is not valid yet'],
  [/CERT|^UNABLE_TO_VERIFY_LEAF_SIGNATURE$/, () => 'the certificate of PostgreSQL does not come from an authority that store.ca names'],
  [/^(?:ECONNRESET|EPIPE)$|^Connection terminated/, ({ at }) => `what listens ${at} closed the connection: is it PostgreSQL?`],
]
