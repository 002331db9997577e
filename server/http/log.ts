import type { TLSSocket } from 'node:tls'
import type { FastifyReply, FastifyRequest } from 'fastify'
import pino, { type LoggerOptions } from 'pino'
import { SigningError, type ErrorCode } from '../errors.ts'
import type { Outcome } from '../operations/outcome.ts'
import type { Signature } from '../schemas/signature.ts'
import type { AuthenticateOptions } from './authenticate.ts'
import { REPLAYED } from './idempotency-key.ts'
import { PROBLEM_KINDS } from './problem-table.ts'
import { problemFromError } from './problems.ts'
import type { RefusalLog } from './refusal-log.ts'

declare module 'fastify' {
  interface FastifyReply {
    /** The code of the problem that was sent, for log and metrics. */
    problemCode: ErrorCode | undefined
    /** What was thrown: the log shows it, the client does not. */
    failure: unknown
  }
}

/** Members that never reach the log, wherever they stand down to this depth. */
const SECRET: ReadonlySet<string> = new Set(['passphrase', 'privateKey', 'pin', 'passin', 'authorization', 'cookie'])
const SECRET_DEPTH = 4

/** pino's options: what is never logged, and how. The log is JSON lines; the destination is the process's choice. */
export function logOptions(level: string): LoggerOptions {
  return {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }), log: (facts) => withoutSecrets(facts, SECRET_DEPTH) },
    serializers: { err: (error: unknown) => withoutSecrets(pino.stdSerializers.err(error as Error), SECRET_DEPTH) },
  }
}

/** Not pino's own `redact`: with a wildcard it walks every line for every path, which was a seventh of a short request. */
function withoutSecrets<T>(facts: T, depth: number): T {
  if (typeof facts !== 'object' || facts === null || facts instanceof Error || depth === 0) return facts
  let shown: Record<string, unknown> | undefined
  for (const [name, value] of Object.entries(facts)) {
    const instead = SECRET.has(name) ? '[Redacted]' : withoutSecrets(value, depth - 1)
    if (instead !== value) (shown ??= (Array.isArray(facts) ? [...facts] : { ...facts }) as Record<string, unknown>)[name] = instead
  }
  return (shown ?? facts) as T
}

/** The facts that every line about a request carries. */
export function requestFacts(request: FastifyRequest): Readonly<Record<string, unknown>> {
  const { caller } = request
  return {
    operation: request.routeOptions.config.operation,
    client: caller?.client.name,
    spki: caller?.identity.spkiSha256.slice(0, 16),
  }
}

/**
 * Logs the outcome of a request in one line: done, refused, given up by the client, or failed by our fault. Refusals of who is not listed, and
 * so answers to nobody for what it does, are counted when they repeat.
 */
export function logOutcome(request: FastifyRequest, reply: FastifyReply, { identify, refusals }: Readonly<{ refusals: RefusalLog }> & Pick<AuthenticateOptions, 'identify'>): void {
  const { problemCode: code, failure } = reply
  const facts = { ...requestFacts(request), method: request.method, status: reply.statusCode, code, durationMs: Math.round(reply.elapsedTime * 10) / 10 }
  const repeated = reply.hasHeader(REPLAYED) ? { repeated: true } : {}
  if (code === undefined) request.log.info({ ...facts, ...repeated }, 'request done')
  else if (isOurFault(code)) request.log.error({ ...facts, err: failure }, 'request failed')
  else if (code === 'REQUEST_ABORTED') request.log.warn(facts, 'client went away')
  else if (request.caller === undefined) refusals.write({ log: request.log, message: 'request refused', who: identify(request.raw.socket as TLSSocket)?.spkiSha256, why: code, facts: { ...facts, ...refusalFacts(failure) } })
  else request.log.warn({ ...facts, ...repeated, ...refusalFacts(failure) }, 'request refused')
}

/** Busy or stopping is no fault; the client is told when to come again. */
function isOurFault(code: ErrorCode): boolean {
  return PROBLEM_KINDS[code].status >= 500 && code !== 'SERVER_BUSY' && code !== 'SIGNER_BUSY' && code !== 'SHUTTING_DOWN'
}

function refusalFacts(error: unknown): Readonly<Record<string, unknown>> {
  return error instanceof SigningError ? { detail: error.message, facts: error.facts } : {}
}

/** Logs what became of one file in one line. */
export function logFile(request: FastifyRequest, outcome: Outcome): void {
  const facts = { ...requestFacts(request), root: outcome.place?.root, relativePath: outcome.place?.relativePath, name: outcome.name, durationMs: Math.round(outcome.durationMs * 10) / 10 }
  switch (outcome.kind) {
    case 'signed':
      return request.log.info({ ...facts, ...signatureFacts(outcome.signature) }, 'signed package')
    case 'skipped':
      return request.log.info({ ...facts, reason: outcome.reason }, 'skipped file')
    case 'failed':
      return logFailure(request, facts, outcome.error)
  }
}

function signatureFacts({ id, keyid, sha256, covers, records, also }: Signature): Readonly<Record<string, unknown>> {
  const [first] = records
  const others = also === undefined ? {} : { also: also.map((other) => ({ id: other.id, keyid: other.keyid })) }
  return { id, keyid, ...others, covers, sha256, package: first?.package, fileset: records.map(({ fileset }) => fileset), vrmf: first?.vrmf }
}

function logFailure(request: FastifyRequest, facts: Readonly<Record<string, unknown>>, error: unknown): void {
  const { code } = problemFromError(error, request.id)
  if (isOurFault(code)) request.log.error({ ...facts, code, err: error }, 'file not signed')
  else request.log.warn({ ...facts, code, ...refusalFacts(error) }, 'file refused')
}
