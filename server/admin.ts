import { randomUUID } from 'node:crypto'
import Fastify, { LogController, type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Metrics } from './http/metrics.ts'
import { SigningError } from './errors.ts'
import { answerError, answerNotFound } from './http/problems.ts'

/** One thing that must work before the server is ready; rejects with the reason. */
export type Probe = () => Promise<void>

export type AdminDeps = Readonly<{ metrics: Pick<Metrics, 'text' | 'contentType'>; probes: () => Readonly<Record<string, Probe>>; draining: () => boolean; probeMs: number }>

/**
 * Builds the administration listener: plain HTTP for loopback, GET only, nothing but health and metrics.
 *
 *     GET /health/ready → 200 {"status":"ready","checks":{"store":"ok","key 1001":"ok","signer":"ok"}}
 *
 * A check that fails shows its error code and turns the answer into a 503.
 */
export function buildAdmin({ metrics, probes, draining, probeMs }: AdminDeps): FastifyInstance {
  const admin = Fastify({
    logger: false,
    logController: new LogController({ disableRequestLogging: true }),
    exposeHeadRoutes: false,
    requestTimeout: 10_000,
    bodyLimit: 1,
    genReqId: () => randomUUID(),
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => void answerError(error, request, reply),
  })
  admin.removeAllContentTypeParsers()
  admin.setErrorHandler(answerError)
  admin.setNotFoundHandler(answerNotFound)
  admin.get('/health/live', async () => ({ status: 'live' }))
  admin.get('/health/ready', async (_request, reply) => {
    const checks = Object.fromEntries(await Promise.all(Object.entries(probes()).map(async ([name, probe]) => [name, await outcomeOf(probe, probeMs)])))
    const ready = !draining() && Object.values(checks).every((outcome) => outcome === 'ok')
    return await reply.code(ready ? 200 : 503).send({ status: draining() ? 'draining' : ready ? 'ready' : 'not ready', checks })
  })
  admin.get('/metrics', async (_request, reply) => await reply.type(metrics.contentType).send(await metrics.text()))
  return admin
}

async function outcomeOf(probe: Probe, probeMs: number): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('TIMEOUT'), probeMs)
  })
  const outcome = probe().then(() => 'ok', (error: unknown) => (error instanceof SigningError ? error.code : 'INTERNAL'))
  return await Promise.race([outcome, late]).finally(() => clearTimeout(timer))
}
