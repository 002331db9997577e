import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { FastifyRequest } from 'fastify'
import * as fc from 'fast-check'
import t from 'tap'
import { SigningError } from '../../../server/errors.ts'
import { idempotencyKey, repeatableHeaders } from '../../../server/http/idempotency-key.ts'
import { clientNamed, makeApp } from '../../helpers/app.ts'
import { count } from '../../helpers/full-size.ts'

/** The key of a request with these header lines, or the code that refuses them. */
function keyOf(...lines: readonly string[]): string | undefined {
  const rawHeaders = ['Host', 'x', ...lines.flatMap((line) => ['idempotency-KEY', line]), 'Other', 'idempotency-key']
  try {
    return idempotencyKey({ raw: { rawHeaders } } as unknown as FastifyRequest)
  } catch (error) {
    return error instanceof SigningError ? error.code : String(error)
  }
}

void t.test('a key is the same bare and in quotes', async (t) => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['a UUID', '8e03978e-40d5-43dd-bc93-6894a57f9324', '"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    ['one character', 'a', '"a"'],
    ['every visible character', '!#$%&\'()*+,-./:;<=>?@[]^_`{|}~"\\', '"!#$%&\'()*+,-./:;<=>?@[]^_`{|}~\\"\\\\"'],
    ['255 characters', 'k'.repeat(255), `"${'k'.repeat(255)}"`],
    ['255 characters that are escaped', '\\'.repeat(255), `"${'\\\\'.repeat(255)}"`],
  ]
  for (const [name, bare, quoted] of rows) t.strictSame([keyOf(bare), keyOf(quoted)], [bare, bare], name)
  t.equal(keyOf(), undefined)
  t.equal(keyOf('"a\\"b"'), 'a"b')
})

void t.test('any key reads back from both spellings, and nothing else comes out than a key or its refusal', async (t) => {
  const visible = fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)), minLength: 1, maxLength: 255 })
  fc.assert(fc.property(visible, (key) => keyOf(`"${key.replaceAll(/["\\]/g, '\\$&')}"`) === key && (key.startsWith('"') || keyOf(key) === key)), { numRuns: count(300, 10_000) })
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ maxLength: 300 }).map((inner) => `"${inner}"`)), (line) => {
    const key = keyOf(line) ?? ''
    return /^[!-~]{1,255}$/.test(key)
  }), { numRuns: count(300, 10_000) })
  t.pass()
})

void t.test('what is no key is refused', async (t) => {
  const rows: readonly (readonly [string, ...string[]])[] = [
    ['an empty line', ''], ['empty quotes', '""'], ['256 characters', 'k'.repeat(256)], ['256 characters in quotes', `"${'k'.repeat(256)}"`], ['a space', 'a b'], ['a space in quotes', '"a b"'], ['a tab', 'a\tb'],
    ['a control character', 'a\u0001'], ['DEL', 'a\u007f'], ['a NUL in quotes', '"\u0000"'], ['Latin-1', 'clé'], ['Unicode', '鍵'], ['no closing quote', '"a'], ['a quote alone', '"'], ['something behind the quotes', '"a"b'], ['a parameter', '"a";b=1'],
    ['an escape of something else', '"a\\b"'], ['an escape at the end', '"a\\"'], ['a list', '"a", "b"'], ['two lines', 'a', 'b'], ['the same line twice', 'a', 'a'], ['a line and an empty one', 'a', ''],
  ]
  for (const [name, ...lines] of rows) t.equal(keyOf(...lines), 'IDEMPOTENCY_KEY_MALFORMED', name)
})

void t.test('POST /sign refuses what is no key before anything is signed', async (t) => {
  const { app, files } = await makeApp(t, () => ({ policy: [clientNamed('bot', { digestOnly: true })] }))
  const server = createServer((request, response) => app.routing(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const body = JSON.stringify({ digest: { sha256: 'ab'.repeat(32) }, sizeBytes: 1, filename: 'a' })
  const raw = async (...lines: readonly string[]): Promise<string> => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.write(Buffer.from(['POST /sign HTTP/1.1', 'Host: x', 'Connection: close', 'Content-Type: application/json', `Content-Length: ${body.length}`, ...lines, '', body].join('\r\n'), 'latin1'))
    return await text(socket)
  }
  for (const [name, ...lines] of [['two lines', 'Idempotency-Key: a', 'idempotency-key: a'], ['an empty line', 'Idempotency-Key:'], ['bytes that are no ASCII', 'Idempotency-Key: \u00e9'], ['white space alone', 'Idempotency-Key:  \t ']] as const) {
    t.match(await raw(...lines), /^HTTP\/1\.1 400 .*"code":"IDEMPOTENCY_KEY_MALFORMED"/s, name)
  }
  t.strictSame(files, [])
  t.match(await raw('Idempotency-Key: \t"a" '), /^HTTP\/1\.1 200 (?!.*idempotent-replayed)/s, 'white space around a key is not part of it')
  t.match(await raw('Idempotency-Key: a'), /^HTTP\/1\.1 200 .*idempotent-replayed: true\r\n/s)
})

void t.test('the document says how long answers are kept', async (t) => {
  const rows = [[86_400_000, '1 day'], [172_800_000, '2 days'], [3_600_000, '1 hour'], [5_400_000, '90 minutes'], [1000, '1 second'], [1, '1 millisecond'], [1500, '1500 milliseconds']] as const
  for (const [keepMs, words] of rows) t.match(JSON.stringify(repeatableHeaders(keepMs)), `kept for ${words} (\`idempotency.keepMs\`: ${keepMs})`)
  const { app } = await makeApp(t, () => ({ idempotency: { keepMs: 7_200_000 } }))
  t.match((await app.inject('/openapi.yaml')).body, 'kept for 2 hours (`idempotency.keepMs`: 7200000)')
})
