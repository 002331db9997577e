import { isUtf8 } from 'node:buffer'
import type { FastifyBodyParser, FastifyInstance } from 'fastify'
import { SigningError } from '../errors.ts'

/** Returns the parser of JSON bodies. Bytes that are not UTF-8 are refused; decoding would put other characters in their place. Of a body that did not declare its length the bytes are counted now. */
export function jsonParser(app: FastifyInstance): FastifyBodyParser<Buffer> {
  const parse = app.getDefaultJsonParser('error', 'error')
  return (request, body, done) => {
    if (request.headers['content-length'] === undefined) request.caller?.spend?.(body.length)
    if (isUtf8(body)) void parse(request, body.toString(), done)
    else done(new SigningError('BODY_MALFORMED', 'the body is not UTF-8'))
  }
}
