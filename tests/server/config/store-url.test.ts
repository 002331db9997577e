import * as fc from 'fast-check'
import t from 'tap'
import { parseStoreUrl, type StoreUrl } from '../../../server/config/store-url.ts'

const at = (more: Partial<Extract<StoreUrl, { kind: 'postgres' }>> = {}): StoreUrl => ({ kind: 'postgres', user: 'signing', host: 'db.example.com', port: 5432, database: 'signing', tls: 'verify-full', ...more })

const URLS: readonly (readonly [string, StoreUrl])[] = [
  ['sqlite:var/signing.db', { kind: 'sqlite', path: 'var/signing.db' }],
  ['sqlite:/var/lib/a?b#c', { kind: 'sqlite', path: '/var/lib/a?b#c' }],
  ['postgres://signing@db.example.com/signing', at()],
  ['postgresql://signing@db.example.com:6543/signing', at({ port: 6543 })],
  ['postgres://signing@db.example.com/signing?sslmode=require', at({ tls: 'require' })],
  ['postgres://signing@127.0.0.1/signing?sslmode=disable', at({ host: '127.0.0.1', tls: 'disable' })],
  ['postgres://signing@[::1]:5433/signing', at({ host: '::1', port: 5433 })],
  ['postgres://s%40x@db.example.com/my%20db', at({ user: 's@x', database: 'my db' })],
  ['postgres://signing@%2Fvar%2Frun%2Fpostgresql:5433/signing', at({ host: '/var/run/postgresql', port: 5433, tls: 'disable' })],
  ['postgres://signing@%2Fvar%2Frun%2Fpostgresql/signing?sslmode=disable', at({ host: '/var/run/postgresql', tls: 'disable' })],
]

void t.test('a store URL gives what it names, with nothing taken from the environment', async (t) => {
  process.env['PGUSER'] = 'somebody'
  for (const [url, want] of URLS) t.strictSame(parseStoreUrl(url), want, url)
})

const SHAPE = 'is not postgres://USER@HOST:PORT/DATABASE'
const FAULTS: readonly (readonly [string, string | RegExp])[] = [
  ['postgres://signing:s3cret@db/signing', 'must not have a password: put it into a file that the server alone may read, and name that in store.passwordFile'],
  ['postgres://db/signing', SHAPE],
  ['postgres://signing@db', SHAPE],
  ['postgres://signing@db/', SHAPE],
  ['postgres://signing@db/a/b', SHAPE],
  ['postgres://signing@db/a%2Fb', SHAPE],
  ['postgres://signing@db/signing#x', SHAPE],
  ['postgres://signing@db:99999/signing', SHAPE],
  ['postgres://signing@db1,db2/signing', SHAPE],
  ['postgres://signing@a%2Fb/signing', SHAPE],
  ['postgres://signing@db/%ff', SHAPE],
  ['postgres://signing@db/a%00user%00postgres', SHAPE],
  ['postgres://', SHAPE],
  ['nonsense', SHAPE],
  ['postgres://signing@db/signing?sslmode=prefer', 'sslmode must be one of disable, require, verify-full'],
  ['postgres://signing@db/signing?sslmode=require&sslmode=disable', 'sslmode must be one of disable, require, verify-full'],
  ['postgres://signing@db/signing?password=s3cret', 'has a parameter that is not known; known is sslmode'],
  ['postgres://signing@%2Ftmp/signing?sslmode=require', 'must not have sslmode, because a socket has no TLS'],
]

void t.test('a store URL that is none is refused in a sentence that shows nothing of it', async (t) => {
  for (const [url, message] of FAULTS) t.throws(() => parseStoreUrl(url), { message }, url)
  const hostile = fc.oneof(fc.string(), fc.string().map((text) => `postgres://${text}`), fc.string().map((text) => `postgres://signing@db/${text}`))
  fc.assert(fc.property(hostile, (url) => {
    try {
      return ['sqlite', 'postgres'].includes(parseStoreUrl(url).kind)
    } catch (error) {
      return error instanceof Error && /^(?:is not postgres|must not have|has a parameter|sslmode must)/.test(error.message)
    }
  }))
})
