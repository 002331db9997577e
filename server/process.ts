import { createRequire } from 'node:module'
import { availableParallelism, tmpdir } from 'node:os'
import type { AddressInfo } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { buildAdmin, type Probe } from './admin.ts'
import { buildApp } from './app.ts'
import type { Config } from './config/load.ts'
import { openConfigured, type Configured } from './configured.ts'
import { createListener, type ConnectionDeps, type Listener, type ListenerName } from './http/connections.ts'
import { createLives, type Lives } from './http/live.ts'
import { createMetrics, type Metrics } from './http/metrics.ts'
import { identityOf } from './identity/client.ts'
import { tlsOptions } from './identity/tls.ts'
import { createInForce } from './in-force.ts'
import { isHeld } from './keys/key.ts'
import { isInUse } from './keys/life.ts'
import { probeKey } from './keys/probe.ts'
import { spkiSha256 } from './keys/spki.ts'
import { createMeters } from './policy/meters.ts'
import { createReloader, type Reloader } from './reload.ts'
import { openSigner } from './signers/open.ts'
import type { OpenedSigner } from './signers/signer.ts'
import { createStopping, type Stopping } from './stopping.ts'
import { openLogKey } from './store/log-key.ts'
import { openStore } from './store/open.ts'
import type { Started, Store } from './store/store.ts'
import { createReceiver, UPLOAD_MODULE } from './uploads/receive.ts'
import { createThreadPool, type ThreadPool } from './threads/pool.ts'
import { createTurns, type Turns } from './threads/turns.ts'
import { WORKER_MODULE } from './threads/worker-module.ts'

/** Where the server listens, with the ports it really got. */
export type Listening = Readonly<Record<ListenerName | 'admin', AddressInfo>>

/** A server that runs. `reload` takes its configuration up again, whole or not at all. `close` stops accepting, waits for what is running until the deadline, then ends it; it resolves when everything is closed. */
export type RunningServer = Readonly<{ listening: Listening; reload: Reloader['reload']; close(): Promise<void> }>

type Parts = Readonly<{ pool: ThreadPool; uploads: ThreadPool; turns: Turns; searches: Turns; lives: Lives; reloader: Reloader; signer: OpenedSigner; store: Store; logKey: string; metrics: Metrics }>

/**
 * Starts the server that the configuration describes: opens keys, signer and store, then listens. When something does not open, what
 * was opened before is closed again. `open` is the way to the store, for a measurement of what the store costs.
 * @throws KeyFaults, SigningError, Error with a sentence for the operator
 */
export async function startServer(config: Config, log: FastifyBaseLogger, open: typeof openStore = openStore): Promise<RunningServer> {
  const opened = new AsyncDisposableStack()
  try {
    const stopping = createStopping(config.shutdown.deadlineMs)
    const listeners = new Map<ListenerName, Listener>()
    const parts = await openParts(config, { opened, listeners, open, log })
    const app = await openApp(config, parts, { log, stopping })
    opened.defer(async () => await app.close())
    for (const name of ['service', 'browser'] as const) listeners.set(name, createListener(name, { handler: (request, response) => app.routing(request, response), log, ...connectionDeps(config, parts) }))
    const admin = buildAdmin({ metrics: parts.metrics, probes: () => probesOf(parts), draining: stopping.draining, probeMs: PROBE_MS })
    opened.defer(async () => await admin.close())
    const listening = await listenAll(config, listeners, admin, opened)
    for (const [listener, { address, port }] of Object.entries(listening)) log.info({ listener, address, port }, 'listening')
    const { reloader } = parts
    reloader.watch()
    return { listening, reload: async (cause) => await reloader.reload(cause), close: async () => await stop({ config, opened, stopping, listeners, reloader, log }) }
  } catch (error) {
    await opened.disposeAsync()
    throw error
  }
}

const { version } = createRequire(import.meta.url)('#package.json') as { version: string }

const clock = (): Date => new Date()

/**
 * Files that are being signed at once, of all clients: enough that every thread has its next ones at hand while the answers of the last ones
 * travel, and that they commit in groups; few enough that one more does not wait long. Of one request not more than these either.
 */
const FILES_AT_ONCE = 64

/**
 * Searches that run at once and that wait, of all clients: the slowest look at the whole catalogue, in one thread where that is a file, and who
 * goes away ends none that runs.
 */
const [SEARCHES_AT_ONCE, SEARCHES_WAITING] = [4, 64]

/** A probe that takes longer has failed. */
const PROBE_MS = 5_000

type Running = Readonly<{ config: Config; opened: AsyncDisposableStack; stopping: Stopping; listeners: ReadonlyMap<ListenerName, Listener>; reloader: Reloader; log: FastifyBaseLogger }>

async function stop({ config, opened, stopping, listeners, reloader, log }: Running): Promise<void> {
  log.info({ deadlineMs: config.shutdown.deadlineMs }, 'draining')
  await reloader.close()
  await stopping.drain([...listeners.values()])
  await opened.disposeAsync()
  log.info('stopped')
}

async function listenAll({ listen, admin }: Config, listeners: ReadonlyMap<ListenerName, Listener>, adminApp: FastifyInstance, opened: AsyncDisposableStack): Promise<Listening> {
  const on = async (name: ListenerName, port: number): Promise<AddressInfo> => {
    const listener = listeners.get(name) as Listener
    opened.defer(async () => {
      listener.cut()
      await listener.drain()
    })
    return await listener.listen({ host: listen.host, port })
  }
  const service = await on('service', listen.port)
  const browser = await on('browser', listen.browserPort)
  await adminApp.listen({ host: admin.host, port: admin.port })
  return { service, browser, admin: adminApp.server.address() as AddressInfo }
}

type Opening = Readonly<{ opened: AsyncDisposableStack; listeners: ReadonlyMap<ListenerName, Listener>; open: typeof openStore; log: FastifyBaseLogger }>

async function openParts(config: Config, { opened, listeners, open, log }: Opening): Promise<Parts> {
  const pool = createThreadPool({ module: WORKER_MODULE, size: availableParallelism(), maxWaiting: config.limits.waitingFiles + FILES_AT_ONCE })
  opened.defer(async () => await pool.close())
  // An upload waits for one task at a time.
  const uploads = createThreadPool({ module: UPLOAD_MODULE, name: 'signing-uploads', size: 1, maxWaiting: config.limits.uploads })
  opened.defer(async () => await uploads.close())
  const turns = createTurns({ concurrency: FILES_AT_ONCE, waiting: config.limits.waitingFiles, busy: { code: 'SERVER_BUSY', message: 'too many files wait for their turn' } })
  const searches = createTurns({ concurrency: SEARCHES_AT_ONCE, waiting: SEARCHES_WAITING, busy: { code: 'SERVER_BUSY', message: 'too many searches wait for their turn' } })
  // Asked only when somebody scrapes, and by then all of it is there.
  const connections = (name: ListenerName) => () => (listeners.get(name) as Listener).connections()
  const metrics = createMetrics({
    waiting: { turns: () => turns.waiting(), threads: () => pool.waiting(), signer: () => signer.waiting(), tokens: () => reloader.now().tokens.waiting(), searches: () => searches.waiting() },
    connections: { service: connections('service'), browser: connections('browser') },
  })
  opened.defer(() => metrics.close())
  const ground = { pool, log, clock, metrics }
  const first = await openConfigured(config, ground)
  const lives = createLives(first.live)
  const inForce = createInForce(first, { lives, listeners, metrics, log, clock })
  opened.defer(async () => await inForce.close())
  const { store, logKey } = await openLoggedStore(first, { opened, open, log })
  const signer = await openSigner(config.signer, { clock, copier: first.live.inspector, environment: process.env })
  opened.defer(async () => await signer.close())
  const record = async (next: Configured): Promise<void> => await store.begin(startedOf(next))
  const reloader = createReloader({ first, ground, log, record, take: (...switched) => inForce.take(...switched), finished: (result) => metrics.reloaded(result, clock()) })
  opened.defer(async () => await reloader.close())
  return { pool, uploads, turns, searches, lives, reloader, signer, store, logKey, metrics }
}

/** Opens the store, and has its log say that the server starts, and at the end that it stops. */
async function openLoggedStore(first: Configured, { opened, open, log }: Pick<Opening, 'opened' | 'open' | 'log'>): Promise<Pick<Parts, 'store' | 'logKey'>> {
  const { config } = first
  const { transparencyLog: { origin, key }, signatureFile, idempotency: { keepMs } } = config
  const identity = await openLogKey({ origin, path: key })
  const store = await open({ ...config.store, signatureFile, identity, keepMs })
  opened.defer(async () => await store.close())
  await store.begin({ ...startedOf(first), version })
  opened.defer(async () => await store.append({ kind: 'stop', at: clock().toISOString() }).catch((error: unknown) => log.error({ err: error }, 'the log does not say that the server stopped')))
  return { store, logKey: identity.verifierKey }
}

/** What the log says of a configuration that takes effect. */
function startedOf({ config, live: { keyring } }: Configured): Omit<Started, 'version'> {
  const keys = new Map([...keyring.values()].map(({ keyid, publicKey }) => [keyid, spkiSha256(publicKey)]))
  return { at: clock().toISOString(), configurationSha256: config.sha256, keys }
}

async function openApp(config: Config, parts: Parts, { log, stopping }: Readonly<{ log: FastifyBaseLogger; stopping: Stopping }>): Promise<FastifyInstance> {
  const app = await buildApp({
    ...parts,
    identify: identityOf,
    meters: createMeters({ nowMs: () => performance.now() }),
    clock,
    receiver: createReceiver({ thread: parts.uploads, directory: config.uploadDir ?? tmpdir(), maxFileBytes: config.limits.fileBytes, maxUploads: config.limits.uploads, stallMs: config.limits.requestMs }),
    maxEntries: config.limits.directoryEntries,
    // Of one request not more than the command runs at once, so that a directory never fills its waiting line by itself.
    concurrency: config.signer.kind === 'command' ? config.signer.concurrency : FILES_AT_ONCE,
    turns: parts.turns,
    stop: stopping.signal,
    draining: stopping.draining,
    fileBytes: config.limits.fileBytes,
    bodyBytes: config.limits.bodyBytes,
    idempotency: config.idempotency,
    log,
  })
  await app.ready()
  return app
}

function connectionDeps(config: Config, { lives, reloader, metrics }: Parts): Omit<ConnectionDeps, 'handler' | 'log'> {
  return {
    tls: tlsOptions(reloader.now().tls, config.limits.handshakeMs),
    limits: config.limits,
    policy: () => lives.current().policy,
    connectionRefused: (limit) => metrics.connectionRefused(limit),
    tlsClientFailed: (code) => metrics.tlsClientFailed(code),
    requestRefused: (code) => metrics.requestFinished({ operation: 'other', code, durationMs: 0 }),
  }
}

/** Of the keys that are live when they are asked for, which stay so until the last probe is over. */
function probesOf({ store, signer, lives }: Parts): Readonly<Record<string, Probe>> {
  const keys = [...lives.current().keyring.values()].flatMap((key) => (isHeld(key) && isInUse(key) ? [[`key ${key.keyid}`, async () => await probeLive(key, lives)] as const] : []))
  return { store: async () => await store.probe(), signer: async () => await signer.probe(), ...Object.fromEntries(keys) }
}

async function probeLive(key: Parameters<typeof probeKey>[0], lives: Lives): Promise<void> {
  const live = lives.take()
  await probeKey(key).finally(() => lives.release(live))
}
