import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import type { InjectOptions } from 'fastify'
import t from 'tap'
import type { ClientConfig } from '../../../server/config/schema.ts'
import { createMeters } from '../../../server/policy/meters.ts'
import { clientNamed, makeApp, type TestApp } from '../../helpers/app.ts'
import { clientOf, type Answer } from '../../helpers/client.ts'
import { startInProcess } from '../../helpers/in-process.ts'
import { packageSource, putPackage } from '../../helpers/packages.ts'
import { testPki } from '../../helpers/pki.ts'
import { TRUSTED_BOT } from '../../helpers/place.ts'
import { writePackage } from '../../../formats/index.ts'
import { createClient } from '../../../sdk/index.ts'

type Clock = { now: number }

async function makeLimited(t: Parameters<typeof makeApp>[0], limits: Partial<ClientConfig>): Promise<TestApp & Readonly<{ clock: Clock }>> {
  const clock = { now: 0 }
  const policy = [clientNamed('bot', limits), clientNamed('free')]
  const test = await makeApp(t, () => ({ policy, meters: createMeters({ nowMs: () => clock.now }) }))
  return { ...test, clock }
}

const fieldsOf = ({ headers }: Pick<Awaited<ReturnType<TestApp['app']['inject']>>, 'headers'>) => [headers['ratelimit-policy'], headers['ratelimit'], headers['retry-after']]
const POLICY = '"requests";q=3;w=60, "bytes";q=1000;qu="content-bytes";w=60, "concurrency";q=2;qu="concurrent-requests"'

void t.test('every answer to a limited client says what is left, also one that refuses', async (t) => {
  const { app, become, clock, requests } = await makeLimited(t, { rate: { windowSeconds: 60, requests: 3, bytes: 1_000 }, concurrency: 2 })
  t.strictSame(fieldsOf(await app.inject('/whoami')), [POLICY, '"requests";r=2;t=60, "bytes";r=1000;t=60, "concurrency";r=2', undefined])
  clock.now = 500
  t.strictSame(fieldsOf(await app.inject('/nowhere')), [POLICY, '"requests";r=1;t=60, "bytes";r=1000;t=60, "concurrency";r=2', undefined], 'a route that is not there')
  clock.now = 1_500
  t.strictSame(fieldsOf(await app.inject('/keys/%zz')), [POLICY, '"requests";r=0;t=59, "bytes";r=1000;t=60, "concurrency";r=2', undefined], 'a URL that is none')
  for (const url of ['/whoami', '/nowhere', '/keys/%zz', '/openapi.yaml', '/docs/']) {
    const refused = await app.inject(url)
    t.match(refused.json(), { status: 429, code: 'RATE_LIMITED', retryable: true, detail: 'this client has used up its requests of this window of time' }, url)
    t.strictSame(fieldsOf(refused), [POLICY, '"requests";r=0;t=59, "bytes";r=1000;t=60, "concurrency";r=2', '59'], url)
  }
  become('free')
  t.strictSame(fieldsOf(await app.inject('/whoami')), [undefined, undefined, undefined], 'a client without limits')
  become('stranger')
  t.strictSame(fieldsOf(await app.inject('/whoami')), [undefined, undefined, undefined])
  become('bot')
  clock.now = 59_999
  t.equal((await app.inject('/whoami')).statusCode, 429)
  clock.now = 60_000
  t.match((await app.inject('/whoami')).json(), { limits: { windowSeconds: 60, requests: 3, bytes: 1_000, concurrency: 2 }, left: { requests: 2, bytes: 1_000, resetSeconds: 60, concurrency: 1 } })
  t.match(requests.slice(3, 4), [{ operation: 'whoami', code: 'RATE_LIMITED' }])
})

void t.test('a client that is not let in costs nothing, whatever it asks for', async (t) => {
  const { app } = await makeLimited(t, { allow: ['sign'], rate: { windowSeconds: 60, requests: 1 } })
  t.equal((await app.inject('/keys')).json<{ code: string }>().code, 'OPERATION_DENIED')
  t.equal((await app.inject('/whoami')).statusCode, 200)
  t.equal((await app.inject('/keys')).json<{ code: string }>().code, 'OPERATION_DENIED', 'what it may not do anyway says so')
})

void t.test('bytes count that are sent, with a length or without, and that are read for the client', async (t) => {
  const { app, root, clock } = await makeLimited(t, { rate: { windowSeconds: 60, bytes: 1_000_000 }, digestOnly: true })
  const left = async (request: InjectOptions) => {
    clock.now += 60_000
    const { headers } = await app.inject(request)
    return 1_000_000 - Number(/r=(\d+)/.exec(String(headers['ratelimit']))?.[1])
  }
  const path = putPackage(root, 'PkgA')
  const bytes = writePackage(packageSource('PkgA'))
  const body = JSON.stringify({ path })
  const json = { 'content-type': 'application/json' }
  const octets = { 'content-type': 'application/octet-stream' }
  t.equal(await left({ url: '/whoami' }), 0)
  t.equal(await left({ method: 'POST', url: '/sign', payload: body, headers: json }), body.length + bytes.length, 'what is sent, and the file that it names')
  t.equal(await left({ method: 'POST', url: '/sign', payload: Readable.from([Buffer.from(body)]), headers: json }), body.length + bytes.length, 'a body without a length')
  t.equal(await left({ method: 'POST', url: '/verify', payload: body, headers: json }), body.length + bytes.length, 'a file that is verified')
  t.equal(await left({ method: 'POST', url: '/sign?filename=a', payload: bytes, headers: { ...octets, 'content-length': String(bytes.length) } }), bytes.length, 'an upload')
  t.equal(await left({ method: 'POST', url: '/verify?filename=a', payload: Readable.from([bytes.subarray(0, 100), bytes.subarray(100)]), headers: octets }), bytes.length, 'an upload without a length')
  const directory = join(root, 'many')
  mkdirSync(directory)
  for (const name of ['PkgB', 'PkgC', 'PkgD']) putPackage(directory, name)
  const asked = JSON.stringify({ path: directory })
  t.ok(await left({ method: 'POST', url: '/sign', payload: asked, headers: json }) < bytes.length, 'the head of a directory\'s answer does not know what it costs')
  clock.now -= 60_000
  t.ok(await left({ url: '/whoami' }) > 3 * bytes.length, 'that of the next answer does')
})

void t.test('a length that nobody would take costs as much as the longest that is taken', async (t) => {
  const { app, clock } = await makeLimited(t, { rate: { windowSeconds: 60, bytes: 1_000 }, maxFileBytes: 70_000 })
  const { statusCode } = await app.inject({ method: 'POST', url: '/sign', payload: '{}', headers: { 'content-type': 'application/json', 'content-length': '9'.repeat(400) } })
  t.ok(statusCode >= 400 && statusCode < 500, String(statusCode))
  t.equal((await app.inject('/whoami')).headers['retry-after'], String(60 * 70))
  clock.now = 70 * 60_000
  t.equal((await app.inject('/whoami')).statusCode, 200)
})

const told = ({ headers }: Answer): Readonly<{ left: number; seconds: number }> => {
  const [, left, seconds] = /"requests";r=(\d+);t=(\d+)/.exec(String(headers['ratelimit'])) ?? []
  return { left: Number(left), seconds: Number(seconds) }
}

void t.test('against a real server a client that obeys never sees 429, and one that does not does', async (t) => {
  const limited = { ...TRUSTED_BOT, rate: { windowSeconds: 1, requests: 4 }, concurrency: 1 }
  const { url } = await startInProcess(t, { clients: [limited] })
  // A connection for each request: the next one must not be there before the place of the last one is free.
  const client = await clientOf(t, url, 'release-bot', { pipelining: 0 })
  const statuses: number[] = []
  for (let round = 0; round < 6; round += 1) {
    const answer = await client.ask(round % 2 === 0 ? '/whoami' : '/openapi.yaml')
    statuses.push(answer.status)
    const { left, seconds } = told(answer)
    if (left === 0) await sleep(seconds * 1000)
  }
  t.strictSame(statuses, Array(6).fill(200))
  const free = await startInProcess(t, { clients: [{ ...TRUSTED_BOT, concurrency: 1 }] })
  const two = [await clientOf(t, free.url), await clientOf(t, free.url)] as const
  const alternating: number[] = []
  for (let round = 0; round < 100; round += 1) alternating.push((await two[round % 2 === 0 ? 0 : 1].ask('/whoami')).status)
  t.strictSame(new Set(alternating), new Set([200]), 'a place is free before its answer is read, on whatever connection the next request comes')
  const hasty = await Promise.all(Array.from({ length: 12 }, async () => await client.ask('/whoami')))
  t.ok(hasty.some(({ status }) => status === 429))
  const refused = hasty.find(({ status }) => status === 429) as Answer
  await sleep(Number(refused.headers['retry-after']) * 1_000)
  t.equal((await client.ask('/whoami')).status, 200)
})

void t.test('the SDK, with more calls at once than are allowed, is never refused', async (t) => {
  const { url, logs, place } = await startInProcess(t, { clients: [{ ...TRUSTED_BOT, rate: { windowSeconds: 1, requests: 12, bytes: 100_000 }, concurrency: 3 }] })
  putPackage(place.root, 'PkgA')
  const { ca, cert, key } = (await testPki()).clients['release-bot']
  await using client = createClient({ baseUrl: url, ca, cert, key, retry: { tries: 1 } })
  await client.whoami()
  const calls = Array.from({ length: 18 }, async (_, index) => {
    if (index % 3 === 0) return await client.sign({ path: place.root })
    return index % 3 === 1 ? await Array.fromAsync(client.signEvents({ path: place.root })) : await client.listKeys()
  })
  t.equal((await Promise.all(calls)).length, 18)
  t.strictSame(logs.filter(({ status }) => status === 429), [])
})

void t.test('places at once are given back however a request ends', async (t) => {
  const { url, place, logs } = await startInProcess(t, { clients: [{ ...TRUSTED_BOT, concurrency: 2 }] })
  const { ca, cert, key } = (await testPki()).clients['release-bot']
  const client = await clientOf(t, url)
  putPackage(place.root, 'PkgA')
  const { port } = new URL(url)
  const uploading = async () => {
    const socket = connect({ host: 'localhost', port: Number(port), ca, cert, key })
    await once(socket, 'secureConnect')
    socket.write('POST /sign?filename=a HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\ncontent-length: 1000\r\n\r\nabc')
    return socket
  }
  const until = async (status: number): Promise<void> => {
    while ((await client.ask('/whoami')).status !== status) await sleep(5)
  }
  const sockets = [await uploading(), await uploading()]
  await until(429)
  const busy = await client.ask('/whoami')
  t.match(JSON.parse(busy.text), { status: 429, code: 'CLIENT_BUSY', retryable: true })
  t.match(busy.headers, { 'retry-after': '1', ratelimit: '"concurrency";r=0', 'ratelimit-policy': '"concurrency";q=2;qu="concurrent-requests"' })
  for (const socket of sockets) socket.destroy()
  await until(200)
  for (let round = 0; round < 5; round += 1) {
    t.equal((await client.trySign({ path: place.root }, { headers: { accept: 'application/x-ndjson' } })).status, 200)
    t.equal((await client.ask('/nowhere')).status, 404)
    t.equal((await client.ask('/sign', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' })).status, 400)
  }
  t.match((await client.ask('/whoami')).headers, { ratelimit: '"concurrency";r=2' }, 'all of them')
  t.ok(logs.some(({ code }) => code === 'CLIENT_BUSY'))
})
