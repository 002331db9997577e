import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * Tells a client that waits to be asked for the body (`Expect: 100-continue`, RFC 9110, 10.1.1) to send it: a hook for after the decision who
 * may do what. Who was refused before is never asked; Node then closes the connection, for the body may come all the same.
 */
export function inviteBody({ raw }: FastifyRequest, reply: FastifyReply, _payload: unknown, done: () => void): void {
  if (raw.httpVersion === '1.1' && /^100-continue$/i.test(raw.headers.expect ?? '')) reply.raw.writeContinue()
  done()
}
