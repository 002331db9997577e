import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'

export const NDJSON = 'application/x-ndjson'

/**
 * Sends an answer piece by piece, as fast as the client reads; when it goes away, the source is ended. Once the answer has begun, a
 * fault can only cut it off: the connection ends without the last chunk, and the log shows why.
 */
export async function sendStream(reply: FastifyReply, mediaType: string, pieces: AsyncIterable<string>): Promise<FastifyReply> {
  const body = Readable.from(pieces, { objectMode: false })
  body.once('error', (error) => {
    reply.failure = error
  })
  return await reply.type(mediaType).send(body)
}

/** Returns the same items once the first of them is there, so that what fails before it is an answer of its own. */
export async function begun<Item>(items: AsyncGenerator<Item, void, undefined>): Promise<AsyncGenerator<Item, void, undefined>> {
  const first = await items.next()
  return (async function* () {
    if (first.done === true) return
    try {
      yield first.value
      yield* items
    } finally {
      await items.return()
    }
  })()
}
