import { register } from 'prom-client'
import t from 'tap'
import { createMetrics } from '../../../server/http/metrics.ts'
import type { Metrics, MetricSources } from '../../../server/http/metrics.ts'
import { TLS_ERROR_LABELS, tlsErrorLabel } from '../../../server/http/tls-error-label.ts'
import { OPERATIONS } from '../../../server/schemas/whoami.ts'

const NOTHING: MetricSources = { waiting: { turns: () => 5, threads: () => 0, signer: () => 0, tokens: () => 0, searches: () => 0 }, connections: { service: () => 0, browser: () => 0 } }

function open(sources: MetricSources = NOTHING): Metrics {
  const metrics = createMetrics(sources)
  t.teardown(() => metrics.close())
  return metrics
}

/** The samples by name and labels. A line that is not in the exposition format is an error. */
async function samples(metrics: Metrics): Promise<Map<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => {
    const [, series, value] = /^([a-z][a-z0-9_]*(?:\{(?:[a-z_]+="[^"]*",?)+\})?) (\S+)$/.exec(line) ?? []
    if (series === undefined) throw new Error(`no sample: ${line}`)
    return [series, Number(value)]
  }))
}

void t.test('requests are counted by operation and code, and their durations are in seconds', async (t) => {
  const metrics = open()
  metrics.requestFinished({ operation: 'sign', code: 'OK', durationMs: 3 })
  metrics.requestFinished({ operation: 'sign', code: 'OK', durationMs: 70_000 })
  metrics.requestFinished({ operation: 'sign', code: 'FILE_TOO_LARGE', durationMs: 0.5 })
  metrics.requestFinished({ operation: 'other', code: 'ROUTE_NOT_FOUND', durationMs: 1 })
  const found = await samples(metrics)
  t.equal(found.get('signing_requests_total{operation="sign",code="OK"}'), 2)
  t.equal(found.get('signing_requests_total{operation="sign",code="FILE_TOO_LARGE"}'), 1)
  t.equal(found.get('signing_requests_total{operation="other",code="ROUTE_NOT_FOUND"}'), 1)
  t.equal(found.get('signing_request_duration_seconds_bucket{le="0.001",operation="sign"}'), 1)
  t.equal(found.get('signing_request_duration_seconds_bucket{le="0.005",operation="sign"}'), 2)
  t.equal(found.get('signing_request_duration_seconds_bucket{le="60",operation="sign"}'), 2)
  t.equal(found.get('signing_request_duration_seconds_bucket{le="120",operation="sign"}'), 3)
  t.equal(found.get('signing_request_duration_seconds_count{operation="sign"}'), 3)
  t.equal(found.get('signing_request_duration_seconds_sum{operation="sign"}'), 70.0035)
})

void t.test('every operation has a zero before its first request', async (t) => {
  const found = await samples(open())
  for (const operation of OPERATIONS) {
    t.equal(found.get(`signing_requests_total{operation="${operation}",code="OK"}`), 0)
    t.equal(found.get(`signing_request_duration_seconds_count{operation="${operation}"}`), 0)
  }
  t.equal(found.get('signing_files_total{outcome="signed",code="OK"}'), 0)
  t.equal(found.get('signing_bytes_hashed_total'), 0)
})

void t.test('files are counted by outcome and code, bytes are summed', async (t) => {
  const metrics = open()
  metrics.fileFinished({ outcome: 'signed' })
  metrics.fileFinished({ outcome: 'signed' })
  metrics.fileFinished({ outcome: 'failed', code: 'PACKAGE_MALFORMED' })
  metrics.fileFinished({ outcome: 'skipped', code: 'TOC' })
  metrics.bytesHashed(2 ** 31)
  metrics.bytesHashed(1)
  const found = await samples(metrics)
  t.equal(found.get('signing_files_total{outcome="signed",code="OK"}'), 2)
  t.equal(found.get('signing_files_total{outcome="failed",code="PACKAGE_MALFORMED"}'), 1)
  t.equal(found.get('signing_files_total{outcome="skipped",code="TOC"}'), 1)
  t.equal(found.get('signing_bytes_hashed_total'), 2_147_483_649)
})

void t.test('waiting lines and connections are read at each scrape', async (t) => {
  let threads = 4
  const metrics = open({ waiting: { turns: () => 5, threads: () => threads, signer: () => 2, tokens: () => 3, searches: () => 6 }, connections: { service: () => 7, browser: () => 1 } })
  const first = await samples(metrics)
  threads = 0
  const second = await samples(metrics)
  t.equal(first.get('signing_waiting{line="threads"}'), 4)
  t.equal(first.get('signing_waiting{line="signer"}'), 2)
  t.equal(first.get('signing_waiting{line="tokens"}'), 3)
  t.equal(first.get('signing_waiting{line="searches"}'), 6)
  t.equal(first.get('signing_connections{port="service"}'), 7)
  t.equal(first.get('signing_connections{port="browser"}'), 1)
  t.equal(second.get('signing_waiting{line="threads"}'), 0)
})

void t.test('TLS errors are counted under a closed list of labels', async (t) => {
  const metrics = open()
  for (const code of ['CERT_REVOKED', 'CERT_REVOKED', 'ERR_SSL_SOMETHING_NEW', 'a"b\n', undefined]) metrics.tlsClientFailed(code)
  const found = await samples(metrics)
  t.equal(found.get('signing_tls_client_errors_total{code="CERT_REVOKED"}'), 2)
  t.equal(found.get('signing_tls_client_errors_total{code="OTHER"}'), 3)
  t.equal([...found.keys()].filter((series) => series.startsWith('signing_tls_client_errors_total')).length, 2)
  t.same(TLS_ERROR_LABELS.map(tlsErrorLabel), TLS_ERROR_LABELS)
})

void t.test('expiry is in seconds since 1970, and a CRL that is gone leaves no series behind', async (t) => {
  const metrics = open()
  const serverNotAfter = new Date('2030-01-01T00:00:00Z')
  const clientCaNotAfter = new Date('2031-01-01T00:00:00Z')
  metrics.validityRead({ serverNotAfter, clientCaNotAfter, crlNextUpdate: new Date('2027-01-01T00:00:00Z') })
  const withCrl = await samples(metrics)
  metrics.validityRead({ serverNotAfter: clientCaNotAfter, clientCaNotAfter })
  const without = await samples(metrics)
  t.equal(withCrl.get('signing_certificate_expiry_timestamp_seconds{certificate="server"}'), 1_893_456_000)
  t.equal(withCrl.get('signing_certificate_expiry_timestamp_seconds{certificate="client_ca"}'), 1_924_992_000)
  t.equal(withCrl.get('signing_certificate_expiry_timestamp_seconds{certificate="crl"}'), 1_798_761_600)
  t.equal(without.get('signing_certificate_expiry_timestamp_seconds{certificate="server"}'), 1_924_992_000)
  t.notOk(without.has('signing_certificate_expiry_timestamp_seconds{certificate="crl"}'))
})

void t.test('the end of each key is a number, until the keys are read again', async (t) => {
  const metrics = open()
  metrics.keysRead(new Map([['1001', new Date('2030-01-01T00:00:00Z')]]))
  t.equal((await samples(metrics)).get('signing_key_expiry_timestamp_seconds{keyid="1001"}'), 1_893_456_000)
  metrics.keysRead(new Map())
  t.notOk((await samples(metrics)).has('signing_key_expiry_timestamp_seconds{keyid="1001"}'))
})

void t.test('the text is for Prometheus, has the event-loop delay, and belongs to one server alone', async (t) => {
  const metrics = open()
  metrics.bytesHashed(5)
  const found = await samples(metrics)
  t.match(metrics.contentType, /^text\/plain; version=0\.0\.4/)
  t.ok(found.has('nodejs_eventloop_lag_p99_seconds'))
  t.ok(found.has('process_resident_memory_bytes'))
  t.equal((await samples(open())).get('signing_bytes_hashed_total'), 0)
  t.same(await register.getMetricsAsJSON(), [], 'the global registry of prom-client stays empty')
  metrics.close()
  t.equal((await metrics.text()).trim(), '')
})
