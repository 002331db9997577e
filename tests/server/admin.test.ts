import t from 'tap'
import { buildAdmin, type AdminDeps } from '../../server/admin.ts'
import { SigningError } from '../../server/errors.ts'
import { createStopping } from '../../server/stopping.ts'

const metrics: AdminDeps['metrics'] = { text: async () => 'up 1\n', contentType: 'text/plain; version=0.0.4; charset=utf-8' }

void t.test('GET /health/ready shows each check, and is 503 when one fails, hangs, or the server stops', async (t) => {
  let draining = false
  const checks = { store: async () => undefined, signer: async () => await Promise.reject(new SigningError('SIGNER_NOT_AVAILABLE', 'no', { path: '/srv/secret' })), key: async () => await Promise.reject(new Error('/srv/secret')), slow: async () => await new Promise<void>(() => undefined) }
  const admin = buildAdmin({ metrics, probes: () => checks, draining: () => draining, probeMs: 20 })
  const ready = await admin.inject('/health/ready')
  t.equal(ready.statusCode, 503)
  t.strictSame(ready.json(), { status: 'not ready', checks: { store: 'ok', signer: 'SIGNER_NOT_AVAILABLE', key: 'INTERNAL', slow: 'TIMEOUT' } })
  const healthy = buildAdmin({ metrics, probes: () => ({ store: checks.store }), draining: () => draining, probeMs: 1000 })
  t.match(await healthy.inject('/health/ready'), { statusCode: 200, payload: '{"status":"ready","checks":{"store":"ok"}}' })
  draining = true
  t.match(await healthy.inject('/health/ready'), { statusCode: 503, payload: '{"status":"draining","checks":{"store":"ok"}}' })
  t.match(await healthy.inject('/health/live'), { statusCode: 200, payload: '{"status":"live"}' })
})

void t.test('the administration listener knows GET and three paths, and its faults say nothing', async (t) => {
  const admin = buildAdmin({ metrics, probes: () => ({}), draining: () => false, probeMs: 1000 })
  t.match(await admin.inject('/metrics'), { statusCode: 200, payload: 'up 1\n', headers: { 'content-type': metrics.contentType } })
  for (const [method, url] of [['POST', '/metrics'], ['HEAD', '/health/live'], ['PUT', '/health/ready'], ['DELETE', '/metrics'], ['GET', '/'], ['GET', '/sign'], ['GET', '/metrics/']] as const) {
    t.match(await admin.inject({ method, url }), { statusCode: 404, headers: { 'content-type': /^application\/problem\+json/ } }, `${method} ${url}`)
  }
  t.match((await admin.inject('/%zz')).json(), { code: 'REQUEST_MALFORMED', instance: /^urn:uuid:[0-9a-f-]{36}$/ })
  t.match(await admin.inject({ method: 'POST', url: '/metrics', payload: { large: 'x'.repeat(100) } }), { statusCode: 404 })
  const broken = buildAdmin({ metrics: { ...metrics, text: async () => await Promise.reject(new Error('/srv/secret')) }, probes: () => ({}), draining: () => false, probeMs: 1000 })
  const failed = await broken.inject('/metrics')
  t.equal(failed.statusCode, 500)
  t.notMatch(failed.payload, /secret/)
})

void t.test('a stop lets what runs finish, and ends it only after the deadline', async (t) => {
  const quick = createStopping(10_000)
  t.equal(quick.draining(), false)
  const closed = quick.drain([{ drain: async () => undefined, cut: () => t.fail('nothing is cut') }])
  t.equal(quick.draining(), true)
  await closed
  t.equal(quick.signal.aborted, false)

  const patient = createStopping(20)
  const ends = await new Promise<string>((resolve) => {
    const drained = new Promise<void>((finish) => void patient.signal.addEventListener('abort', () => finish()))
    void patient.drain([{ drain: async () => await drained, cut: () => t.fail('what ends when it is told is not cut') }]).then(() => resolve('ended'))
  })
  t.equal(ends, 'ended')
  t.match(patient.signal.reason, { code: 'SHUTTING_DOWN' })

  const stubborn = createStopping(20)
  const cut = Promise.withResolvers<void>()
  await stubborn.drain([{ drain: async () => await cut.promise, cut: () => cut.resolve() }])
  t.equal(stubborn.signal.aborted, true)
})
