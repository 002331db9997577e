import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { ErrorCode } from '../errors.ts'
import type { Validity } from '../identity/validity.ts'
import type { SkipReason } from '../schemas/sign.ts'
import { OPERATIONS } from '../schemas/whoami.ts'
import type { Operation } from '../schemas/whoami.ts'
import type { ConnectionLimit } from './connections.ts'
import { tlsErrorLabel } from './tls-error-label.ts'

/** Numbers that are read when somebody scrapes: how many items wait in each line, how many connections each port has. */
export type MetricSources = Readonly<{
  waiting: Readonly<Record<'turns' | 'threads' | 'signer' | 'tokens' | 'searches', () => number>>
  connections: Readonly<Record<'service' | 'browser', () => number>>
}>

/** A finished request: `OK` or the code of the problem it was answered with. `other` is every route that is no operation. */
export type RequestOutcome = Readonly<{ operation: Operation | 'other'; code: ErrorCode | 'OK'; durationMs: number }>

/** What became of one name of a listing. */
export type FileOutcome = Readonly<
  | { outcome: 'signed' }
  | { outcome: 'failed'; code: ErrorCode }
  | { outcome: 'skipped'; code: SkipReason }
>

/** The numbers of this server for Prometheus. No label carries anything that a client can choose. */
export interface Metrics {
  requestFinished(outcome: RequestOutcome): void
  fileFinished(outcome: FileOutcome): void
  bytesHashed(bytes: number): void
  /**
   * A TLS handshake failed. `code` is `socket.authorizationError` where there is one, else the `code` of the error: Node's
   * `tlsClientError` reports a refused certificate as ECONNRESET and keeps the reason on the socket. Unknown codes count as `OTHER`.
   */
  tlsClientFailed(code: string | undefined): void
  /** A connection was one too many for `limits.connections` or `limits.handshakesPerAddress`. */
  connectionRefused(limit: ConnectionLimit): void
  /** The keys were opened: when each one ends, or its certificate, by keyid. */
  keysRead(ends: ReadonlyMap<string, Date>): void
  /** The TLS configuration was read (again). */
  validityRead(validity: Validity): void
  /** A reload of the configuration was done, or refused. */
  reloaded(result: 'done' | 'refused', at: Date): void
  /** The text exposition format, of media type {@link Metrics.contentType}. */
  text(): Promise<string>
  readonly contentType: string
  /** Forgets all numbers. */
  close(): void
}

const REQUEST_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

/**
 * Creates the metrics in a registry of their own; Node's (memory, CPU, garbage collection, `nodejs_eventloop_lag_*`) are in it too.
 *
 *     signing_requests_total{operation="sign",code="OK"} 1
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  sampledGauge(registry, { name: 'signing_waiting', help: 'Items that wait for their turn.', label: 'line', sources: sources.waiting })
  sampledGauge(registry, { name: 'signing_connections', help: 'Open connections.', label: 'port', sources: sources.connections })
  return {
    ...requestMetrics(registry),
    ...fileMetrics(registry),
    ...tlsMetrics(registry),
    ...keyMetrics(registry),
    ...reloadMetrics(registry),
    text: () => registry.metrics(),
    contentType: registry.contentType,
    close: () => registry.clear(),
  }
}

function requestMetrics(registry: Registry): Pick<Metrics, 'requestFinished'> {
  const registers = [registry]
  const requests = new Counter({ name: 'signing_requests_total', help: 'Finished requests by operation and code.', labelNames: ['operation', 'code'], registers })
  const durations = new Histogram({
    name: 'signing_request_duration_seconds',
    help: 'From the headers of a request to the end of its answer.',
    labelNames: ['operation'],
    buckets: REQUEST_BUCKETS_SECONDS,
    registers,
  })
  // A rate needs a zero to start from: a counter that appears with its first event hides that event.
  for (const operation of [...OPERATIONS, 'other']) {
    requests.inc({ operation, code: 'OK' }, 0)
    durations.zero({ operation })
  }
  return {
    requestFinished: ({ operation, code, durationMs }) => {
      requests.inc({ operation, code })
      durations.observe({ operation }, durationMs / 1000)
    },
  }
}

function fileMetrics(registry: Registry): Pick<Metrics, 'fileFinished' | 'bytesHashed'> {
  const registers = [registry]
  const files = new Counter({ name: 'signing_files_total', help: 'Names of listings by what became of them.', labelNames: ['outcome', 'code'], registers })
  const bytes = new Counter({ name: 'signing_bytes_hashed_total', help: 'Bytes of packages that were hashed.', registers })
  files.inc({ outcome: 'signed', code: 'OK' }, 0)
  return {
    fileFinished: (file) => files.inc({ outcome: file.outcome, code: file.outcome === 'signed' ? 'OK' : file.code }),
    bytesHashed: (count) => bytes.inc(count),
  }
}

function tlsMetrics(registry: Registry): Pick<Metrics, 'tlsClientFailed' | 'connectionRefused' | 'validityRead'> {
  const registers = [registry]
  const errors = new Counter({ name: 'signing_tls_client_errors_total', help: 'TLS handshakes that failed.', labelNames: ['code'], registers })
  const refused = new Counter({ name: 'signing_connections_refused_total', help: 'Connections that were one too many, by the limit.', labelNames: ['limit'], registers })
  for (const limit of ['connections', 'handshakesPerAddress']) refused.inc({ limit }, 0)
  const expiry = new Gauge({
    name: 'signing_certificate_expiry_timestamp_seconds',
    help: 'When the first of these certificates, or the revocation list, expires; seconds since 1970.',
    labelNames: ['certificate'],
    registers,
  })
  return {
    connectionRefused: (limit) => refused.inc({ limit }),
    tlsClientFailed: (code) => errors.inc({ code: tlsErrorLabel(code) }),
    validityRead: ({ serverNotAfter, clientCaNotAfter, crlNextUpdate }) => {
      expiry.reset()
      expiry.set({ certificate: 'server' }, serverNotAfter.getTime() / 1000)
      expiry.set({ certificate: 'client_ca' }, clientCaNotAfter.getTime() / 1000)
      if (crlNextUpdate !== undefined) expiry.set({ certificate: 'crl' }, crlNextUpdate.getTime() / 1000)
    },
  }
}

function reloadMetrics(registry: Registry): Pick<Metrics, 'reloaded'> {
  const registers = [registry]
  const reloads = new Counter({ name: 'signing_reloads_total', help: 'Reloads of the configuration by result.', labelNames: ['result'], registers })
  const last = new Gauge({ name: 'signing_last_reload_timestamp_seconds', help: 'When the configuration was reloaded last, with success; seconds since 1970, 0 before.', registers })
  for (const result of ['done', 'refused']) reloads.inc({ result }, 0)
  return {
    reloaded: (result, at) => {
      reloads.inc({ result })
      if (result === 'done') last.set(at.getTime() / 1000)
    },
  }
}

function keyMetrics(registry: Registry): Pick<Metrics, 'keysRead'> {
  const expiry = new Gauge({
    name: 'signing_key_expiry_timestamp_seconds',
    help: 'When a key in use, or its certificate, ends; seconds since 1970.',
    labelNames: ['keyid'],
    registers: [registry],
  })
  return {
    keysRead: (ends) => {
      expiry.reset()
      for (const [keyid, end] of ends) expiry.set({ keyid }, end.getTime() / 1000)
    },
  }
}

function sampledGauge(
  registry: Registry,
  { name, help, label, sources }: Readonly<{ name: string; help: string; label: string; sources: Readonly<Record<string, () => number>> }>,
): void {
  const gauge: Gauge = new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect: () => {
      for (const [value, read] of Object.entries(sources)) gauge.set({ [label]: value }, read())
    },
  })
}
