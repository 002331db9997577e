import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import { begun, NDJSON, sendStream } from '../../../server/http/stream.ts'
import { eventually } from '../../helpers/processes.ts'

void t.test('an answer is made no faster than it is read, and ends with its reader', async (t) => {
  const line = `${'x'.repeat(65_535)}\n`
  let [made, ended] = [0, false]
  async function* endless(): AsyncGenerator<string, void, undefined> {
    try {
      for (;;) {
        made += 1
        yield line
      }
    } finally {
      ended = true
    }
  }
  const app = Fastify()
  t.teardown(async () => await app.close())
  app.get('/', async (_request, reply) => await sendStream(reply, NDJSON, endless()))
  await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(socket, 'readable')
  let before = -1
  await eventually(() => {
    const still = made === before
    before = made
    return still
  })
  t.ok(made > 1 && made < 500, `${made} lines wait for a reader that pauses, of an answer without end`)
  socket.destroy()
  await eventually(() => ended)
})

void t.test('an answer that breaks in the middle is cut off, and the failure is kept for the log', async (t) => {
  const app = Fastify()
  t.teardown(async () => await app.close())
  let failure: unknown
  app.get('/', async (_request, reply) => {
    reply.raw.once('close', () => (failure = reply.failure))
    return await sendStream(reply, NDJSON, (async function* () {
      yield 'first\n'
      throw new Error('broken')
    })())
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  await t.rejects(fetch(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/`).then(async (answer) => await answer.text()))
  await eventually(() => failure !== undefined)
  t.match(failure, { message: 'broken' })
})

void t.test('begun waits for the first item, gives the same ones, and ends what it took over', async (t) => {
  const log: string[] = []
  async function* items(...given: readonly (number | Error)[]): AsyncGenerator<number, void, undefined> {
    try {
      for (const item of given) {
        log.push(`made ${String(item)}`)
        if (typeof item !== 'number') throw item
        yield item
      }
    } finally {
      log.push('ended')
    }
  }
  const taken = await begun(items(1, 2, 3))
  t.strictSame(log.splice(0), ['made 1'], 'before anybody reads')
  t.strictSame(await Array.fromAsync(taken), [1, 2, 3])
  t.strictSame(log.splice(0), ['made 2', 'made 3', 'ended'])
  t.strictSame(await Array.fromAsync(await begun(items())), [])
  await t.rejects(begun(items(new Error('at once'))), { message: 'at once' })
  log.length = 0
  for await (const item of await begun(items(1, 2, 3))) if (item === 1) break
  t.strictSame(log.splice(0), ['made 1', 'ended'])
  for await (const item of await begun(items(1, 2, 3))) if (item === 2) break
  t.strictSame(log, ['made 1', 'made 2', 'ended'])
})
