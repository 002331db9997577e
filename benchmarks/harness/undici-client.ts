import { Pool } from 'undici'
import type { WireAnswer } from './answer-parser.ts'
import type { Request, Target } from './wire-client.ts'

/** A client as programs in Node have it: undici's pool, keep-alive, one request at a time on each connection. Only for requests without a stream. */
export type UndiciClient = Readonly<{ isOpen: () => boolean; ask: (request: Request) => Promise<WireAnswer>; close: () => void }>

/** Creates such a client with at most so many connections. */
export function createUndiciClient({ port, credentials }: Target, connections: number): UndiciClient {
  const pool = new Pool(`https://localhost:${port}`, { connections, pipelining: 1, connect: { ...credentials } })
  return {
    isOpen: () => !pool.destroyed,
    ask: async (request) => {
      if ('pieces' in request) throw new TypeError('this client sends no streams')
      const { method, path, body, headers } = request
      const answer = await pool.request({ method, path, headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }, ...(body === undefined ? {} : { body }) })
      return { status: answer.statusCode, head: headText(answer.headers), body: Buffer.from(await answer.body.arrayBuffer()) }
    },
    close: () => void pool.destroy(),
  }
}

function headText(headers: Readonly<Record<string, string | string[] | undefined>>): string {
  return Object.entries(headers).map(([name, value]) => `\r\n${name}: ${String(value)}`).join('')
}
