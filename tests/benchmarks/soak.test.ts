import { once } from 'node:events'
import { createServer } from 'node:https'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createSoakClient } from '../../benchmarks/soak/client.ts'
import { parseSoakFlags } from '../../benchmarks/soak/flags.ts'
import { findings, memorySlope, soakLines, type Observations, type Sample } from '../../benchmarks/soak/observations.ts'
import { testPki } from '../helpers/pki.ts'

const MIB = 1024 * 1024
const samples = (bytesAt: (seconds: number) => number): readonly Sample[] =>
  Array.from({ length: 20 }, (_, index) => ({ seconds: index * 60, residentBytes: bytesAt(index * 60), descriptors: 40 }))

const good: Observations = {
  minutes: 20,
  samples: samples(() => 200 * MIB),
  baseDescriptors: 33,
  endDescriptors: 35,
  activities: { paths: { requests: 3, outcomes: { 200: 2, '503 SERVER_BUSY': 1 } }, vanishing: { requests: 1, outcomes: { left: 1 } } },
  given: 2,
  verified: 1,
  wrong: [],
  missing: [],
  audit: 'intact',
  integrity: 'ok',
  catalogued: 3,
  complaints: [],
  stoppedCleanly: true,
}

void t.test('a run in which everything is as it should be has no findings', async (t) => {
  t.strictSame(findings(good), [])
  t.strictSame(soakLines(good), [
    '20 minutes, 2 signatures given, 1 of them verified with the public key, 3 in the catalogue',
    '  paths        3 requests: 200 × 2, 503 SERVER_BUSY × 1',
    '  vanishing    1 requests: left × 1',
    '  memory 200.0 MiB at the end, slope of the second half 0.0 MiB an hour',
    '  descriptors 33 at the start, 40 at most, 35 at the end',
    '  audit of catalogue and log: intact',
  ])
  t.strictSame(findings({ ...good, reloads: { asked: 3, done: 2 } }), [], 'signals that come together are one')
  t.strictSame(findings({ ...good, reloads: { asked: 0, done: 0 } }), [], 'a short run has no time for one')
  t.strictSame(findings({ ...good, minutes: 4, samples: samples((seconds) => seconds * MIB) }), [], 'and none in which memory could be judged')
  t.equal(soakLines({ ...good, reloads: { asked: 3, done: 2 } }).at(-1), '  audit of catalogue and log: intact; 2 reloads of the configuration')
})

void t.test('each thing that is wrong is a finding of its own', async (t) => {
  const rows: readonly (readonly [Partial<Observations>, RegExp])[] = [
    [{ samples: samples((seconds) => 200 * MIB + seconds * 0.1 * MIB) }, /^memory grew by 60\.0 MiB over the second half$/],
    [{ endDescriptors: 42 }, /^42 descriptors are open at the end and 33 were at the start$/],
    [{ activities: { paths: { requests: 0, outcomes: {} } } }, /^paths did nothing$/],
    [{ activities: { paths: { requests: 2, outcomes: { 'no answer': 2 } } } }, /^paths: 2 times no answer$/],
    [{ activities: { paths: { requests: 1, outcomes: { '500 INTERNAL': 1 } } } }, /^paths: 1 times 500 INTERNAL$/],
    [{ given: 0 }, /^no signature was given/],
    [{ verified: 0 }, /or none verified$/],
    [{ wrong: ['PkgA.bff'] }, /^1 signatures do not verify, the first of PkgA\.bff$/],
    [{ missing: ['x', 'y'] }, /^2 signatures that were given are not in the catalogue, the first is x$/],
    [{ audit: 'not answered: 503 SERVER_BUSY' }, /^the audit does not find catalogue and log intact: not answered: 503 SERVER_BUSY$/],
    [{ reloads: { asked: 3, done: 0 } }, /^none of 3 reloads was done$/],
    [{ integrity: 'row 3 missing' }, /^the catalogue is damaged: row 3 missing$/],
    [{ catalogued: 1 }, /^the catalogue holds 1 signatures and 2 were given$/],
    [{ complaints: ['{"level":"error"}'] }, /^the log has 1 errors, the first: /],
    [{ stoppedCleanly: false }, /^the server did not stop cleanly$/],
  ]
  for (const [change, sentence] of rows) {
    const found = findings({ ...good, ...change })
    t.equal(found.length, 1, JSON.stringify(found))
    t.match(found[0], sentence)
    t.match(soakLines({ ...good, ...change }).at(-1), `  WRONG: ${found[0]}`)
  }
})

void t.test('what the soak run is told and does not know is a sentence, and so is a place that cannot be written', async (t) => {
  const cwd = t.testdir()
  t.strictSame(parseSoakFlags([], cwd), { minutes: 20, reloads: true, json: undefined, help: false })
  t.strictSame(parseSoakFlags(['--minutes', '0.5', '--no-reloads', '--json', 'out.json', '--help'], cwd), { minutes: 0.5, reloads: false, json: join(cwd, 'out.json'), help: true })
  for (const minutes of ['0', '-1', '1441', 'x', '']) t.equal(parseSoakFlags([`--minutes=${minutes}`], cwd), '--minutes needs a number above 0, and at most 1440', minutes)
  t.match(parseSoakFlags(['--minute', '5'], cwd), /^Unknown option '--minute'/)
  t.match(parseSoakFlags(['--json', 'out.json/x'], cwd), /^ENOTDIR/)
})

void t.test('the slope is that of the second half, an hour long', async (t) => {
  t.equal(Math.round(memorySlope(samples((seconds) => (seconds < 600 ? seconds * 1000 : 0)))), 0)
  t.equal(Math.round(memorySlope(samples((seconds) => seconds))), 3600)
})

void t.test('a client of the soak run counts what it was answered, connects anew, and knows when nobody answers', async (t) => {
  const { server: own, clients } = await testPki()
  let connections = 0
  const server = createServer({ cert: own.cert, key: own.key, ca: own.ca, requestCert: true, minVersion: 'TLSv1.3' }, (request, response) => {
    if (request.url === '/silent') return
    if (request.url === '/break') request.socket.destroy()
    else response.writeHead(request.url === '/good' ? 200 : 503).end(request.url === '/busy' ? '{"code":"SERVER_BUSY"}' : 'hello')
  })
  server.on('secureConnection', () => (connections += 1))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const client = createSoakClient({ port: (server.address() as AddressInfo).port, credentials: clients['release-bot'] }, 500)
  const get = (path: string) => ({ method: 'GET', path }) as const
  t.match(await client.ask(get('/good')), { status: 200, body: Buffer.from('hello') })
  for (const path of ['/busy', '/odd']) t.equal(await client.ask(get(path)), undefined)
  t.equal(connections, 1)
  for (const path of ['/break', '/silent']) t.equal(await client.ask(get(path)), undefined)
  t.ok(await client.ask(get('/good')))
  t.equal(connections, 3, 'one more behind each answer that did not come')
  await client.leave(get('/silent'), 10)
  await client.leave(get('/good'), 50)
  t.strictSame(client.tally(), { requests: 8, outcomes: { 200: 2, '503 SERVER_BUSY': 1, '503 -': 1, 'no answer': 2, left: 2 } })
  client.close()
  const nobody = createSoakClient({ port: 1, credentials: clients['release-bot'] })
  t.equal(await nobody.ask(get('/good')), undefined)
  t.strictSame(nobody.tally(), { requests: 1, outcomes: { 'no answer': 1 } })
  nobody.close()
})
