import type { FastifyReply } from 'fastify'
import type { ClientConfig } from '../config/schema.ts'
import { SigningError } from '../errors.ts'
import type { Caller } from '../operations/caller.ts'
import type { Entry, Meters, Standing } from '../policy/meters.ts'

/** Who counts, and how large a file and a JSON body may be: `limits.fileBytes` and `limits.bodyBytes` of the configuration. */
export type LimitOptions = Readonly<{ meters: Meters; fileBytes: number; bodyBytes: number }>

/** Short: what runs ends when it ends. */
const BUSY_RETRY_MS = 1_000

/**
 * Lets a request in, counts it, and has its answer say how the client stands to its limits: `RateLimit-Policy` and `RateLimit` of
 * draft-ietf-httpapi-ratelimit-headers-11, an item for each limit that the client has. Its place is free again when the last byte of the
 * answer is handed on, before whoever reads that can ask for more; or when the client goes away.
 * @throws SigningError `CLIENT_BUSY`, `RATE_LIMITED`, both with the fact `retryAfterMs`
 */
export function enter(reply: FastifyReply, caller: Caller, { meters, ...largest }: LimitOptions): Caller {
  const { client } = caller
  const entry = meters.enter(client, declaredBytes(reply, client, largest))
  if (entry.kind !== 'entered') {
    reply.standing = () => meters.standing(client)
    throw refusal(entry)
  }
  const { pass } = entry
  reply.standing = pass.tell
  reply.raw.once('prefinish', () => pass.leave(false)).once('close', () => pass.leave(true))
  return { ...caller, spend: pass.spend }
}

/** Writes the limits of the client into the head of its answer. */
export function tellLimits(reply: FastifyReply): void {
  const standings = reply.standing?.() ?? []
  if (standings.length === 0) return
  reply.header('ratelimit-policy', standings.map(formatPolicy).join(', ')).header('ratelimit', standings.map(formatStanding).join(', '))
}

/** What a body costs that says how long it is: no more than the largest that would be taken, whatever it says. The parser of HTTP takes nothing but digits. */
function declaredBytes({ request }: FastifyReply, { maxFileBytes = Number.POSITIVE_INFINITY }: ClientConfig, { fileBytes, bodyBytes }: Omit<LimitOptions, 'meters'>): number {
  return Math.min(Number(request.headers['content-length'] ?? 0), Math.max(bodyBytes, Math.min(fileBytes, maxFileBytes)))
}

function refusal(entry: Exclude<Entry, { kind: 'entered' }>): SigningError {
  if (entry.kind === 'busy') return new SigningError('CLIENT_BUSY', 'as many requests of this client run as may run at once', { retryAfterMs: BUSY_RETRY_MS })
  return new SigningError('RATE_LIMITED', `this client has used up its ${entry.limit} of this window of time`, { retryAfterMs: entry.retryAfterMs })
}

const UNITS: Readonly<Record<Standing['limit'], string>> = { requests: '', bytes: ';qu="content-bytes"', concurrency: ';qu="concurrent-requests"' }

function formatPolicy({ limit, most, windowMs }: Standing): string {
  return `"${limit}";q=${most}${UNITS[limit]}${windowMs === undefined ? '' : `;w=${windowMs / 1000}`}`
}

/** Whole seconds, rounded up: who waits for them is let in. */
function formatStanding({ limit, left, resetMs }: Standing): string {
  return `"${limit}";r=${left}${resetMs === undefined ? '' : `;t=${Math.ceil(resetMs / 1000)}`}`
}
