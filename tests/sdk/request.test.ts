import t from 'tap'
import { buildRequest } from '../../sdk/request.ts'

const json = 'application/json'

void t.test('members go where the document puts them', async (t) => {
  const table = [
    ['members of a body', { given: buildRequest('sign', { path: '/a b', recursive: true, keyid: undefined }, json), want: { method: 'POST', path: '/sign', headers: { accept: json, 'content-type': json }, body: '{"path":"/a b","recursive":true}' } }],
    ['a member of a body that the document does not know, for the server to refuse', { given: buildRequest('sign', { path: '/a', force: 1 }, json), want: { method: 'POST', path: '/sign', headers: { accept: json, 'content-type': json }, body: '{"path":"/a","force":1}' } }],
    ['parameters of the query, encoded, in the order of the document', { given: buildRequest('listFiles', { limit: 10, path: '/a b/c&d=é?#+%' }, json), want: { method: 'GET', path: '/files?path=%2Fa%20b%2Fc%26d%3D%C3%A9%3F%23%2B%25&limit=10', headers: { accept: json } } }],
    ['no parameter at all', { given: buildRequest('listFiles', {}, json), want: { method: 'GET', path: '/files', headers: { accept: json } } }],
    ['an empty query parameter, for the server to refuse', { given: buildRequest('listFiles', { path: '' }, json), want: { method: 'GET', path: '/files?path=', headers: { accept: json } } }],
    ['a path of several segments, whose slashes stay', { given: buildRequest('getTile', { tile: '0/x001/x234/067.p/1?é' }, json), want: { method: 'GET', path: '/log/tile/0/x001/x234/067.p/1%3F%C3%A9', headers: { accept: json } } }],
    ['a parameter of the path, encoded', { given: buildRequest('getKey', { keyid: '../$&/1001' }, json), want: { method: 'GET', path: '/keys/..%2F%24%26%2F1001', headers: { accept: json } } }],
  ] as const
  for (const [name, { given, want }] of table) t.strictSame(given, want, name)
})

void t.test('what cannot be sent as it is meant is a TypeError', async (t) => {
  t.throws(() => buildRequest('getKey', {}, json), new TypeError('`keyid` is missing or not text'))
  t.throws(() => buildRequest('getKey', { keyid: null }, json), new TypeError('`keyid` is missing or not text'))
  t.throws(() => buildRequest('getKey', { keyid: '' }, json), new TypeError('`keyid` is empty'))
  t.throws(() => buildRequest('listFiles', { path: ['/a', '/b'] }, json), new TypeError('`path` is missing or not text'))
  t.throws(() => buildRequest('listFiles', { path: '/\ud800' }, json), new TypeError('`path` is not well-formed Unicode'))
  t.throws(() => buildRequest('whoami', { path: '/a' }, json), new TypeError('whoami has no `path`'))
})
