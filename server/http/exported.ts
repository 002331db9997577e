import type { FastifyReply } from 'fastify'
import type { Exported } from '../operations/export-signature.ts'

/** Sends a file to keep, with its name (RFC 6266, RFC 8187). */
export async function sendExported(reply: FastifyReply, { bytes, filename, mediaType }: Exported): Promise<FastifyReply> {
  // The plain form for old readers: nothing in it may end the quoted string or need a decision about its encoding.
  const plain = filename.replaceAll(/[^A-Za-z0-9._+ -]/g, '_')
  reply.header('content-disposition', `attachment; filename="${plain}"; filename*=UTF-8''${encodeRfc8187(filename)}`)
  return await reply.type(mediaType).send(bytes)
}

function encodeRfc8187(text: string): string {
  return encodeURIComponent(text).replaceAll(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}
