import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { createClient, OPERATIONS, type SignEvent } from '../../sdk/index.ts'
import { answerJson, answerProblem, problem, scriptedServer } from './scripted-server.ts'

const ONCE = { retry: { tries: 1 } }
const FAST = { retry: { baseMs: 1 } }
const NDJSON = { 'content-type': 'application/x-ndjson' }
const line = (event: object): string => `${JSON.stringify(event)}\n`
const LISTING = { event: 'listing', kind: 'directory', path: '/p', files: ['a'] }
const SKIPPED = { event: 'skipped', name: 'a', reason: 'TOC' }
const END = { event: 'end', signed: 0, failed: 0, skipped: 1 }

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const value of values) list.push(value)
  return list
}

void t.test('a client has one method for each operationId of the document', async (t) => {
  const text = await readFile(new URL('../../openapi.yaml', import.meta.url), 'utf8')
  const { paths } = parse(text) as { paths: Record<string, Record<string, { operationId: string }>> }
  const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId))
  t.ok(ids.length > 0)
  t.strictSame(Object.keys(OPERATIONS).sort(), [...ids].sort())
  const server = await scriptedServer(t, (response) => answerJson(response, {}))
  const client = createClient(server.as('release-bot'))
  t.strictSame(Object.keys(client).sort(), [...ids, 'signEvents', 'signUpload', 'verifyUpload', 'listAllFiles', 'findAllSignatures', 'close'].sort())
  await client.close()
})

void t.test('each method sends what the document says and returns the answer', async (t) => {
  const server = await scriptedServer(t, (response, { method, url }) => answerJson(response, { answer: `${method} ${url}` }))
  const client = createClient(server.as('release-bot'))
  const table = [
    ['POST /sign', { given: await client.sign({ path: '/p', keyid: '1001' }), want: '{"path":"/p","keyid":"1001"}' }],
    ['GET /files', { given: await client.listFiles(), want: '' }],
    ['GET /files?path=%2Fp&limit=5&cursor=c', { given: await client.listFiles({ path: '/p', limit: 5, cursor: 'c' }), want: '' }],
    ['GET /signatures', { given: await client.findSignatures(), want: '' }],
    ['GET /signatures?package=PkgA&since=2026-11-24T09%3A00%3A00Z&limit=5', { given: await client.findSignatures({ limit: 5, since: '2026-11-24T09:00:00Z', package: 'PkgA' }), want: '' }],
    ['GET /log/audit', { given: await client.auditLog(), want: '' }],
    ['GET /signatures/0199c1f4', { given: await client.getSignature({ id: '0199c1f4' }), want: '' }],
    ['GET /keys', { given: await client.listKeys(), want: '' }],
    ['GET /keys/1001', { given: await client.getKey({ keyid: '1001' }), want: '' }],
    ['GET /whoami', { given: await client.whoami(), want: '' }],
  ] as const
  t.strictSame(table.map(([, { given }]) => given), table.map(([answer]) => ({ answer })))
  t.strictSame(server.seen.map(({ body }) => body), table.map(([, { want }]) => want))
  t.match(server.seen[0]?.headers, { accept: 'application/json', 'content-type': 'application/json' })
  t.equal(server.connections(), 1, 'one request after another shares one connection')
  await client.close()
})

void t.test('onConnect is told host and port once the connection stands', async (t) => {
  const server = await scriptedServer(t, (response) => answerJson(response, {}))
  const told: unknown[] = []
  const client = createClient({ ...server.as('release-bot'), onConnect: (address) => told.push(address) })
  t.strictSame(told, [], 'nothing is sent before the first call')
  await client.whoami()
  await client.whoami()
  t.strictSame(told, [{ host: 'localhost', port: server.port }])
  await client.close()
})

void t.test('a problem becomes a ProblemError with its code, request id and Retry-After', async (t) => {
  const server = await scriptedServer(t, (response) => answerProblem(response, problem('SIGNER_BUSY', 503, true), { 'retry-after': '1' }))
  const client = createClient({ ...server.as('release-bot'), ...ONCE })
  const want = { name: 'ProblemError', code: 'SIGNER_BUSY', status: 503, requestId: '6d9c6f0e-5a3c-4b8f-9a38-1f1f6a9b8f11', retryAfterMs: 1000, message: 'the signer is busy. Try again.' }
  await t.rejects(client.sign({ path: '/p' }), want)
  await t.rejects(client.signEvents({ path: '/p' }).next(), want)
  await client.close()
})

void t.test('a request that may be repeated is, on the wire too', async (t) => {
  const server = await scriptedServer(t, (response) => {
    if (server.seen.length % 3 !== 0) return answerProblem(response, problem('SIGNER_BUSY', 503, true))
    return server.seen.at(-1)?.headers.accept === 'application/x-ndjson' ? response.writeHead(200, NDJSON).end(line(END)) : answerJson(response, {})
  })
  const client = createClient({ ...server.as('release-bot'), ...FAST })
  await client.sign({ path: '/p' })
  t.equal(server.seen.length, 3)
  t.strictSame(await all(client.signEvents({ path: '/p' })), [END])
  t.equal(server.seen.length, 6)
  await client.close()
})

void t.test('what signs carries an Idempotency-Key, the same in each try and another one in each call, and nothing else does', async (t) => {
  const server = await scriptedServer(t, (response, _request, raw) => {
    response.writeHead(200, { 'content-type': 'application/json' }).write('{"path":')
    setImmediate(() => raw.socket.destroy())
  })
  const client = createClient({ ...server.as('release-bot'), retry: { baseMs: 1, tries: 4 } })
  const keysOf = async (call: Promise<unknown>): Promise<readonly unknown[]> => {
    const before = server.seen.length
    await t.rejects(call, { code: 'ANSWER_CUT_OFF', detail: `the connection to localhost:${server.port} ended in the middle of the answer` })
    return server.seen.slice(before).map(({ headers }) => headers['idempotency-key'])
  }
  const table = [
    ['sign', { given: await keysOf(client.sign({ path: '/p' })), want: 4 }],
    ['signUpload', { given: await keysOf(client.signUpload({ file: Buffer.from('x'), filename: 'x' })), want: 4 }],
    ['a batch', { given: await keysOf(client.sign({ items: [] })), want: 4 }],
  ] as const
  const keys = new Set(table.flatMap(([, { given }]) => given))
  for (const [name, { given, want }] of table) t.equal(given.length, want, name)
  t.equal(keys.size, 3)
  for (const key of keys) t.match(key, /^"[0-9a-f]{8}-[0-9a-f-]{27}"$/)
  t.strictSame(await keysOf(client.sign({ path: '/p' }, { idempotencyKey: 'build-17' })), Array(4).fill('"build-17"'))
  t.strictSame(await keysOf(client.sign({ path: '/p' }, { idempotencyKey: false })), [undefined], 'a POST without a key is sent once')
  t.strictSame(await keysOf(client.verify({ path: '/p' })), [undefined])
  t.strictSame(await keysOf(client.whoami()), Array(4).fill(undefined), 'a GET again')
  await t.rejects(client.sign({ path: '/p' }, { idempotencyKey: 'two words' }), TypeError)
  await t.rejects(client.signEvents({ path: '/p' }, { idempotencyKey: '' }).next(), TypeError)
  await client.close()
})

void t.test('an answer says that it was replayed: as a member, and at the end of events', async (t) => {
  const server = await scriptedServer(t, (response, { headers }) => {
    const replayed = { 'idempotent-replayed': 'true' }
    if (headers.accept === 'application/x-ndjson') response.writeHead(200, { ...NDJSON, ...replayed }).end(line(LISTING) + line(SKIPPED) + line(END))
    else response.writeHead(200, { 'content-type': 'application/json', ...replayed }).end('{"path":"/p"}')
  })
  const client = createClient(server.as('release-bot'))
  t.strictSame(await client.sign({ path: '/p' }), { path: '/p', replayed: true })
  t.strictSame(await all(client.signEvents({ path: '/p' })), [LISTING, SKIPPED, { ...END, replayed: true }])
  await client.close()
})

void t.test('events that were cut off are asked for again with the same key, and each is given once', async (t) => {
  const of = (name: string) => ({ event: 'skipped', name, reason: 'TOC' })
  const warning = { event: 'warning', warning: { code: 'NO_PACKAGES', detail: 'x' } }
  const listing = { ...LISTING, files: ['a', 'b', 'a'] }
  let answers: string[] = []
  const server = await scriptedServer(t, (response, _request, raw) => {
    const text = answers.shift() as string
    response.writeHead(200, NDJSON).write(text)
    if (text.includes('"end"')) response.end()
    // What was written arrives before the connection breaks.
    else setTimeout(() => raw.socket.destroy(), 20)
  })
  const client = createClient({ ...server.as('release-bot'), retry: { baseMs: 1, tries: 2 } })
  answers = [
    line(listing) + line(of('b')) + line(warning),
    line(listing) + line(of('a')),
    // In another order, and with another outcome for what was told already.
    line(listing) + line({ event: 'failure', name: 'b', problem: {} }) + line(of('a')) + line(warning) + line(of('a')) + line({ event: 'end', signed: 0, failed: 1, skipped: 2 }),
  ]
  t.strictSame(await all(client.signEvents({ path: '/p' })), [listing, of('b'), warning, of('a'), of('a'), { event: 'end', signed: 0, failed: 0, skipped: 3 }])
  t.equal(new Set(server.seen.map(({ headers }) => headers['idempotency-key'])).size, 1)
  answers = [line(listing), line({ ...listing, files: ['a'] }), line(listing)]
  const hopeful = createClient({ ...server.as('release-bot'), ...FAST })
  await t.rejects(all(hopeful.signEvents({ path: '/p' })), { code: 'ANSWER_CUT_OFF', detail: /the directory changed/ })
  t.equal(answers.length, 1, 'a listing that differs is no reason to hope')
  await hopeful.close()
  await client.close()
})

void t.test('findAllSignatures yields what the server sends line by line, each once, and in the order of the log', async (t) => {
  const found = (index: number) => ({ client: 'bot', signature: { receipt: { index } } })
  let answers: (readonly [string, boolean])[] = []
  const server = await scriptedServer(t, (response, _request, raw) => {
    const [text, whole] = answers.shift() as readonly [string, boolean]
    response.writeHead(200, NDJSON).write(text)
    if (whole) response.end()
    else setTimeout(() => raw.socket.destroy(), 20)
  })
  const client = createClient({ ...server.as('release-bot'), ...FAST })
  answers = [[line(found(7)) + line(found(5)), false], [line(found(9)) + line(found(7)) + line(found(5)) + line(found(0)), true]]
  t.strictSame(await all(client.findAllSignatures({ client: 'bot' })), [found(7), found(5), found(0)])
  t.strictSame(server.seen.map(({ url, headers }) => `${url} ${String(headers.accept)}`), Array(2).fill('/signatures?client=bot application/x-ndjson'))
  answers = [['', true]]
  t.strictSame(await all(client.findAllSignatures()), [])
  for (const wrong of [{}, { signature: {} }, { signature: { receipt: { index: 'x' } } }]) {
    answers = [[line(wrong), true]]
    await t.rejects(all(client.findAllSignatures()), { code: 'ANSWER_NOT_UNDERSTOOD' })
  }
  await client.close()
})

void t.test('checkpoint, key and tiles of the log come as text and bytes', async (t) => {
  const server = await scriptedServer(t, (response, { url }) => {
    const isText = url === '/log/checkpoint' || url === '/log/key'
    response.writeHead(200, { 'content-type': isText ? 'text/plain; charset=utf-8' : 'application/octet-stream' }).end(isText ? `${url}\n` : Buffer.from(url))
  })
  const client = createClient(server.as('release-bot'))
  t.equal(await client.getCheckpoint(), '/log/checkpoint\n')
  t.equal(await client.getLogKey(), '/log/key', 'without the line end')
  t.strictSame(await client.getTile({ tile: 'entries/x001/000.p/17' }), Buffer.from('/log/tile/entries/x001/000.p/17'))
  await client.close()
})

void t.test('what is no answer of a signing server is not understood', async (t) => {
  const table = [
    ['text', { given: [200, 'application/json', 'hello'], want: 'ANSWER_NOT_UNDERSTOOD' }],
    ['an array', { given: [200, 'application/json', '[]'], want: 'ANSWER_NOT_UNDERSTOOD' }],
    ['null', { given: [200, 'application/json', 'null'], want: 'ANSWER_NOT_UNDERSTOOD' }],
    ['a second object', { given: [200, 'application/json', '{}{}'], want: 'ANSWER_NOT_UNDERSTOOD' }],
    ['bytes that are not UTF-8', { given: [200, 'application/json', Buffer.from([0x7b, 0xff, 0x7d])], want: 'ANSWER_NOT_UNDERSTOOD' }],
    ['nothing', { given: [200, 'application/json', ''], want: 'ANSWER_CUT_OFF' }],
    ['an open string', { given: [200, 'application/json', '{"a":"}'], want: 'ANSWER_CUT_OFF' }],
    ['an open object', { given: [200, 'application/json', '{"a":{"b":"]"}'], want: 'ANSWER_CUT_OFF' }],
    ['HTML', { given: [200, 'text/html', '<p>'], want: 'ANSWER_NOT_UNDERSTOOD' }],
    ['another success', { given: [201, 'application/json', '{}'], want: 'ANSWER_NOT_UNDERSTOOD' }],
    ['an error of somebody else', { given: [502, 'text/html', '<p>Bad gateway'], want: 'ANSWER_NOT_UNDERSTOOD' }],
    ['a problem that is none of ours', { given: [400, 'application/problem+json', '{"title":"x"}'], want: 'ANSWER_NOT_UNDERSTOOD' }],
    ['a problem called a success', { given: [200, 'application/problem+json', JSON.stringify(problem('INTERNAL', 500, false))], want: 'ANSWER_NOT_UNDERSTOOD' }],
  ] as const
  let given: (typeof table)[number][1]['given'] = table[0][1].given
  const server = await scriptedServer(t, (response) => response.writeHead(given[0], { 'content-type': given[1] }).end(given[2]))
  const client = createClient({ ...server.as('release-bot'), ...ONCE })
  for (const [name, row] of table) {
    given = row.given
    await t.rejects(client.whoami(), { name: 'ConnectionError', code: row.want }, name)
  }
  await client.close()
})

void t.test('an answer without end of bytes is given up', async (t) => {
  const server = await scriptedServer(t, (response) => {
    const chunk = Buffer.alloc(4 * 1024 * 1024, 0x20)
    response.writeHead(200, { 'content-type': 'application/json' })
    const more = (): void => void response.write(chunk, (error) => error ?? more())
    more()
  })
  const client = createClient({ ...server.as('release-bot'), ...ONCE })
  await t.rejects(client.whoami(), { code: 'ANSWER_NOT_UNDERSTOOD', detail: /more than 268435456 bytes/ })
  await client.close()
})

void t.test('signEvents yields each event as it comes, characters cut between packets included', async (t) => {
  const listing = { event: 'listing', kind: 'directory', path: '/€', files: ['a'] }
  let release: (() => void) | undefined
  const server = await scriptedServer(t, async (response) => {
    response.writeHead(200, NDJSON)
    const bytes = Buffer.from(line(listing))
    response.write(bytes.subarray(0, bytes.indexOf(0xe2) + 1))
    await sleep(20)
    response.write(bytes.subarray(bytes.indexOf(0xe2) + 1))
    await new Promise<void>((resolve) => (release = resolve))
    response.end(line(SKIPPED) + line(END))
  })
  const client = createClient(server.as('release-bot'))
  const events = client.signEvents({ path: '/€' })
  t.strictSame((await events.next()).value, listing, 'before the server has more')
  release?.()
  t.strictSame(await all(events), [SKIPPED, END])
  t.match(server.seen, [{ method: 'POST', url: '/sign', body: '{"path":"/€"}', headers: { accept: 'application/x-ndjson' } }])
  await client.close()
})

void t.test('events that are not what was promised end the loop with a ConnectionError', async (t) => {
  const table = [
    ['no end', { given: line(LISTING), want: { events: 1, code: 'ANSWER_CUT_OFF' } }],
    ['nothing at all', { given: '', want: { events: 0, code: 'ANSWER_CUT_OFF' } }],
    ['a line cut in the middle', { given: `${line(LISTING)}{"event":"end"`, want: { events: 1, code: 'ANSWER_CUT_OFF' } }],
    ['an end without newline', { given: JSON.stringify(END), want: { events: 0, code: 'ANSWER_CUT_OFF' } }],
    ['a line that is no JSON', { given: `${line(LISTING)}hello\n`, want: { events: 1, code: 'ANSWER_NOT_UNDERSTOOD' } }],
    ['a line that is no event', { given: `{"even":"listing"}\n`, want: { events: 0, code: 'ANSWER_NOT_UNDERSTOOD' } }],
    ['something after the end', { given: line(END) + line(SKIPPED), want: { events: 1, code: 'ANSWER_NOT_UNDERSTOOD' } }],
  ] as const
  let given = ''
  const server = await scriptedServer(t, (response) => response.writeHead(200, NDJSON).end(given))
  const client = createClient({ ...server.as('release-bot'), ...ONCE })
  for (const [name, row] of table) {
    given = row.given
    const seen: SignEvent[] = []
    const loop = async (): Promise<void> => {
      for await (const event of client.signEvents({ path: '/p' })) seen.push(event)
    }
    await t.rejects(loop(), { name: 'ConnectionError', code: row.want.code }, name)
    t.equal(seen.length, row.want.events, name)
  }
  await client.close()
})

void t.test('a connection that breaks after `end` takes nothing away, one that breaks before does', async (t) => {
  let text = ''
  const server = await scriptedServer(t, (response, _request, raw) => {
    response.writeHead(200, NDJSON).write(text)
    setTimeout(() => raw.socket.destroy(), 20)
  })
  const client = createClient({ ...server.as('release-bot'), ...ONCE })
  text = line(LISTING) + line(END)
  t.strictSame(await all(client.signEvents({ path: '/p' })), [LISTING, END])
  text = line(LISTING)
  await t.rejects(all(client.signEvents({ path: '/p' })), { code: 'ANSWER_CUT_OFF' })
  await client.close()
})

void t.test('leaving the loop of signEvents closes the connection', async (t) => {
  let closed: Promise<unknown> | undefined
  const server = await scriptedServer(t, (response) => {
    closed = once(response, 'close')
    response.writeHead(200, NDJSON).write(line(LISTING))
  })
  const client = createClient(server.as('release-bot'))
  for await (const event of client.signEvents({ path: '/p' })) {
    t.equal(event.event, 'listing')
    break
  }
  await closed
  t.pass('the server saw it')
  await client.close()
})

void t.test('the signal ends a call at once, with its reason: before, while waiting, and in the middle of events', async (t) => {
  const server = await scriptedServer(t, (response, { headers }) => {
    if (headers.accept === 'application/x-ndjson') response.writeHead(200, NDJSON).write(line(LISTING))
    else controller.abort(reason)
  })
  const reason = new Error('enough')
  let controller = new AbortController()
  const client = createClient(server.as('release-bot'))
  await t.rejects(client.whoami({ signal: AbortSignal.abort(reason) }), reason)
  await t.rejects(client.signEvents({ path: '/p' }, { signal: AbortSignal.abort(reason) }).next(), reason)
  t.equal(server.seen.length, 0)
  await t.rejects(client.whoami({ signal: controller.signal }), reason)
  controller = new AbortController()
  const loop = async (): Promise<void> => {
    for await (const _ of client.signEvents({ path: '/p' }, { signal: controller.signal })) controller.abort(reason)
  }
  await t.rejects(loop(), reason)
  t.equal(server.seen.length, 2)
  await client.close()
})

void t.test('timeoutMs bounds the whole call, repeats included, for the client or for one call', async (t) => {
  const server = await scriptedServer(t, (response, { headers }) => {
    if (headers.accept === 'application/x-ndjson') response.writeHead(200, NDJSON).write(line(LISTING))
    if (server.seen.at(-1)?.url === '/keys') answerProblem(response, problem('SERVER_BUSY', 503, true), { 'retry-after': '20' })
  })
  const client = createClient({ ...server.as('release-bot'), timeoutMs: 60_000 })
  const over = { name: 'ConnectionError', code: 'TIMEOUT', detail: `localhost:${server.port} did not answer completely within 100 ms` }
  await t.rejects(client.whoami({ timeoutMs: 100 }), over)
  await t.rejects(client.listKeys({ timeoutMs: 100 }), over, 'also while waiting for the next try')
  await t.rejects(all(client.signEvents({ path: '/p' }, { timeoutMs: 100 })), over)
  await client.close()
  const impatient = createClient({ ...server.as('release-bot'), timeoutMs: 100 })
  const reason = new Error('enough')
  await t.rejects(impatient.sign({ path: '/p' }), over)
  await t.rejects(impatient.sign({ path: '/p' }, { signal: AbortSignal.abort(reason) }), reason, 'the signal of the caller still counts')
  await impatient.close()
})

void t.test('listAllFiles follows nextCursor to the end and refuses a page that leads back to itself', async (t) => {
  const page = (name: string, nextCursor: string | null): object => ({ path: '/p', files: [{ name }], nextCursor })
  const pages: Readonly<Record<string, object>> = {
    '/files?path=%2Fp&limit=1': page('a', 'x'),
    '/files?path=%2Fp&limit=1&cursor=x': page('b', 'y'),
    '/files?path=%2Fp&limit=1&cursor=y': page('c', null),
    '/files': page('root', 'z'),
    '/files?cursor=z': page('root', 'z'),
  }
  const server = await scriptedServer(t, (response, { url }) => answerJson(response, pages[url]))
  const client = createClient(server.as('release-bot'))
  t.strictSame(await all(client.listAllFiles({ path: '/p', limit: 1 })), [{ name: 'a' }, { name: 'b' }, { name: 'c' }])
  await t.rejects(all(client.listAllFiles()), { code: 'ANSWER_NOT_UNDERSTOOD' })
  await client.close()
})

void t.test('close lets a running call end; a later one is a TypeError; `await using` closes too', async (t) => {
  const server = await scriptedServer(t, async (response) => {
    await sleep(50)
    answerJson(response, { name: 'x' })
  })
  const client = createClient(server.as('release-bot'))
  const running = client.whoami()
  await client.close()
  t.strictSame(await running, { name: 'x' })
  await t.rejects(client.whoami(), new TypeError('the client is closed'))
  const disposed = createClient(server.as('release-bot'))
  await disposed[Symbol.asyncDispose]()
  await t.rejects(disposed.whoami(), TypeError)
})

void t.test('no inspection of a client and no error of a call shows the key', async (t) => {
  const server = await scriptedServer(t, (_response, _request, raw) => raw.socket.destroy())
  const options = server.as('release-bot')
  const secret = String(options.key).split('\n')[1] ?? t.bailout('the key has a second line')
  const client = createClient({ ...options, ...ONCE })
  const error: unknown = await client.whoami().catch((reason: unknown) => reason)
  t.match(error, { code: 'CERTIFICATE_REFUSED' })
  for (const value of [client, error]) t.notMatch(inspect(value, { depth: 20, showHidden: true }), secret)
  await client.close()
})
