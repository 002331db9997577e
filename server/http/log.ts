import type { FastifyReply, FastifyRequest } from 'fastify'
import type { LoggerOptions } from 'pino'
import type { ErrorCode } from '../errors.ts'
import type { Outcome } from '../operations/outcome.ts'
import type { Signature } from '../schemas/signature.ts'
import { problemFromError } from './problems.ts'

declare module 'fastify' {
  interface FastifyReply {
    /** The code of the problem that was sent, for log and metrics. */
    problemCode: ErrorCode | undefined
    /** What was thrown, when it was our fault: the log shows it, the client does not. */
    failure: unknown
  }
}

/** Members that never reach the log, wherever they stand. */
const REDACTED = ['passphrase', 'privateKey', 'pin', 'passin', 'authorization', 'cookie'].flatMap((member) => [member, `*.${member}`, `*.*.${member}`])

/** pino's options: what is never logged, and how. The log is JSON lines; the destination is the process's choice. */
export function logOptions(level: string): LoggerOptions {
  return { level, redact: REDACTED, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"`, formatters: { level: (label) => ({ level: label }) } }
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

/** Logs the outcome of a request in one line: done, refused, or failed by our fault. */
export function logOutcome(request: FastifyRequest, reply: FastifyReply): void {
  const facts = { ...requestFacts(request), method: request.method, status: reply.statusCode, code: reply.problemCode, durationMs: Math.round(reply.elapsedTime * 10) / 10 }
  if (reply.failure !== undefined) request.log.error({ ...facts, err: reply.failure }, 'request failed')
  else if (reply.problemCode !== undefined) request.log.warn(facts, 'request refused')
  else request.log.info(facts, 'request done')
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

function signatureFacts({ id, keyid, sha256, covers, records }: Signature): Readonly<Record<string, unknown>> {
  const [first] = records
  return { id, keyid, covers, sha256, package: first?.package, fileset: records.map(({ fileset }) => fileset), vrmf: first?.vrmf }
}

function logFailure(request: FastifyRequest, facts: Readonly<Record<string, unknown>>, error: unknown): void {
  const problem = problemFromError(error, request.id)
  const line = { ...facts, code: problem.code, ...(problem.status >= 500 ? { err: error } : { detail: problem.detail }) }
  if (problem.status >= 500) request.log.error(line, 'file not signed')
  else request.log.warn(line, 'file refused')
}
