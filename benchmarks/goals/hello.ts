import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import { rateOf } from '../harness/load.ts'
import type { Goal, Measurement } from '../harness/measurement.ts'
import { prepare, type Prepared } from '../harness/prepare.ts'
import { openConnection } from '../harness/wire-client.ts'
import { startBareHttps } from '../rivals/bare-https.ts'

/** Goal 11: the smallest request through the whole stack, identity, policy, schema, log and metrics, beside node:https alone. */
export const hello: Benchmark = { name: 'hello', number: '11', title: 'Hello through the whole stack, beside bare node:https', run }

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const prepared = await prepare(bench)
  const { place, server, load } = prepared
  // The same answer to the byte of its body, and as many bytes of header fields.
  const { body, headers } = await answerOf(prepared)
  const barePort = await startBareHttps({ tls: place.tls, body, headers }, bench.opened)
  const extent = { durationMs: bench.size(2000, 500) }
  const rate = async (client: 'wire' | 'undici', port: number, path: string) =>
    rateOf(await load.requests({ port, connections: 64, client, source: { kind: 'get', path }, extent }))
  const compare = async (client: 'wire' | 'undici', name: string, goal?: Goal) =>
    await interleave({
      name,
      figure: 'rate',
      unit: 'requests/s',
      ...(goal === undefined ? {} : { goal }),
      ours: { label: 'GET /whoami', measure: async () => await rate(client, server.port, '/whoami') },
      theirs: { label: 'node:https', measure: async () => await rate(client, barePort, '/') },
    }, bench.rounds)
  return [
    await compare('undici', '64 connections, as a program with undici sees it', { kind: 'at-least', value: 0.85 }),
    // Nobody's client is so cheap; it shows what our stack costs more sharply, and has no goal.
    await compare('wire', '64 connections, with a client that costs next to nothing'),
  ]
}

async function answerOf({ place, server }: Prepared): Promise<Readonly<{ body: string; headers: Readonly<Record<string, string>> }>> {
  const connection = await openConnection({ port: server.port, credentials: place.credentials })
  const { head, body } = await connection.ask({ method: 'GET', path: '/whoami' })
  connection.close()
  const fields = head.split('\r\n').slice(1).map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const)
  const own = new Set(['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding'])
  return { body: body.toString(), headers: Object.fromEntries(fields.filter(([name]) => !own.has(name))) }
}
