/** How the connection to PostgreSQL is encrypted: not at all, without asking who answers, or with a certificate for the host. */
export type TlsMode = 'disable' | 'require' | 'verify-full'

/** A database of PostgreSQL. `host` is a name, an address (IPv6 without brackets), or the absolute path of a folder of sockets. */
export type PostgresUrl = Readonly<{ kind: 'postgres'; user: string; host: string; port: number; database: string; tls: TlsMode }>

/** What `store.url` names. */
export type StoreUrl = Readonly<{ kind: 'sqlite'; path: string }> | PostgresUrl

const SQLITE = 'sqlite:'
const POSTGRES_PORT = 5432
const TLS_MODES: readonly TlsMode[] = ['disable', 'require', 'verify-full']

/**
 * Returns what a `store.url` names: `sqlite:var/signing.db`, `postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full`, or
 * `postgres://USER@%2Fvar%2Frun%2Fpostgresql/DATABASE` for a socket. What is not said is never taken from somewhere else (no PGUSER, no
 * name of the user as the database); the port is 5432, and `sslmode` is `verify-full` over TCP and `disable` over a socket.
 * @throws Error with a sentence for the operator in which nothing of the URL stands
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
 */
export function parseStoreUrl(text: string): StoreUrl {
  if (text.startsWith(SQLITE)) return { kind: 'sqlite', path: text.slice(SQLITE.length) }
  const url = URL.parse(text)
  if (url === null) throw new Error(`is not ${SHAPE}`)
  if (url.password !== '') throw new Error('must not have a password: put it into a file that the server alone may read, and name that in store.passwordFile')
  const [user, host, database] = [url.username, url.hostname.replace(/^\[(.*)\]$/, '$1'), url.pathname.slice(1)].map(decoded) as [string, string, string]
  if (url.hash !== '' || user === '' || database === '' || database.includes('/') || !HOST.test(host)) throw new Error(`is not ${SHAPE}`)
  return { kind: 'postgres', user, host, port: url.port === '' ? POSTGRES_PORT : Number(url.port), database, tls: tlsOf(url.searchParams, host) }
}

const SHAPE = 'postgres://USER@HOST:PORT/DATABASE'

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/

/** A name, an address, or an absolute path; a list of hosts, which PostgreSQL's own library knows, is none. */
const HOST = /^(?:[A-Za-z0-9._:-]+|\/.+)$/

function tlsOf(parameters: URLSearchParams, host: string): TlsMode {
  const unknown = [...parameters.keys()].filter((name) => name !== 'sslmode')
  if (unknown.length > 0) throw new Error('has a parameter that is not known; known is sslmode')
  const [mode, ...more] = parameters.getAll('sslmode')
  if (host.startsWith('/')) {
    if (mode !== undefined && mode !== 'disable') throw new Error('must not have sslmode, because a socket has no TLS')
    return 'disable'
  }
  const found = TLS_MODES.find((each) => each === (mode ?? 'verify-full'))
  if (found === undefined || more.length > 0) throw new Error(`sslmode must be one of ${TLS_MODES.join(', ')}`)
  return found
}

/** PostgreSQL is told these as texts that end in a NUL: one that holds a NUL would say more than it shows. */
function decoded(text: string): string {
  try {
    const plain = decodeURIComponent(text)
    if (!CONTROL.test(plain)) return plain
  } catch {
    // No UTF-8: refused like any other text that is no name.
  }
  throw new Error(`is not ${SHAPE}`)
}
