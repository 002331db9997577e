import type { Duplex } from 'node:stream'
import type { FastifyReply } from 'fastify'

const patient = new WeakSet<Duplex>()

/**
 * Lets the body of a request take longer than `limits.requestMs` to arrive, until its answer is sent. For whoever reads the body and
 * watches that it does not stall: an upload takes as long as its network.
 */
export function allowTime({ raw, request }: FastifyReply): void {
  const { socket } = request.raw
  patient.add(socket)
  raw.once('close', () => void patient.delete(socket))
}

/** Whether what arrives on this connection may take longer than `limits.requestMs`. */
export function hasTime(socket: Duplex): boolean {
  return patient.has(socket)
}
