import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism, tmpdir } from 'node:os'
import type { AddressInfo } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { buildAdmin, type Probe } from './admin.ts'
import { buildApp } from './app.ts'
import type { Config } from './config/load.ts'
import { createListener, type ConnectionDeps, type Listener, type ListenerName } from './http/connections.ts'
import { createMetrics, type Metrics } from './http/metrics.ts'
import { identityOf } from './identity/client.ts'
import { checkTls, tlsOptions, type TlsMaterial } from './identity/tls.ts'
import { readValidity } from './identity/validity.ts'
import { watchExpiry } from './keys/expiry-watch.ts'
import { isHeld, type Keyring } from './keys/key.ts'
import { endOf, isInUse } from './keys/life.ts'
import { openKeys } from './keys/open.ts'
import { createTokens } from './keys/pkcs11.ts'
import { probeKey } from './keys/probe.ts'
import { spkiSha256 } from './keys/spki.ts'
import { createMeters } from './policy/meters.ts'
import { createInspector, type Inspector } from './packages/inspect.ts'
import { openRoots } from './roots/open-roots.ts'
import { openSigner } from './signers/open.ts'
import type { OpenedSigner } from './signers/signer.ts'
import { createStopping, type Stopping } from './stopping.ts'
import { openLogKey } from './store/log-key.ts'
import { openStore } from './store/open.ts'
import type { Store } from './store/store.ts'
import { createReceiver } from './uploads/receive.ts'
import { createThreadPool, type ThreadPool } from './threads/pool.ts'
import { createTurns, type Turns } from './threads/turns.ts'
import { WORKER_MODULE } from './threads/worker-module.ts'

/** Where the server listens, with the ports it really got. */
export type Listening = Readonly<Record<ListenerName | 'admin', AddressInfo>>

/** A server that runs. `close` stops accepting, waits for what is running until the deadline, then ends it; it resolves when everything is closed. */
export type RunningServer = Readonly<{ listening: Listening; close(): Promise<void> }>

type Parts = Readonly<{ pool: ThreadPool; turns: Turns; inspector: Inspector; keyring: Keyring; signer: OpenedSigner; store: Store; logKey: string; metrics: Metrics; tls: TlsMaterial }>

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
    const watch = watchExpiry({ keyring: parts.keyring, clock, tell: (notice) => log.warn(notice, notice.notice === 0 ? 'key expired' : 'key expires soon') })
    opened.defer(() => watch.close())
    const app = await openApp(config, parts, { log, stopping })
    opened.defer(async () => await app.close())
    for (const name of ['service', 'browser'] as const) listeners.set(name, createListener(name, { handler: (request, response) => app.routing(request, response), log, ...connectionDeps(config, parts) }))
    const admin = buildAdmin({ metrics: parts.metrics, probes: probesOf(parts), draining: stopping.draining, probeMs: PROBE_MS })
    opened.defer(async () => await admin.close())
    const listening = await listenAll(config, listeners, admin, opened)
    for (const [listener, { address, port }] of Object.entries(listening)) log.info({ listener, address, port }, 'listening')
    return { listening, close: async () => await stop({ config, opened, stopping, listeners, log }) }
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

/** A probe that takes longer has failed. */
const PROBE_MS = 5_000

type Running = Readonly<{ config: Config; opened: AsyncDisposableStack; stopping: Stopping; listeners: ReadonlyMap<ListenerName, Listener>; log: FastifyBaseLogger }>

async function stop({ config, opened, stopping, listeners, log }: Running): Promise<void> {
  log.info({ deadlineMs: config.shutdown.deadlineMs }, 'draining')
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
  const { limits } = config
  const tls = await readTls(config.tls)
  const validity = readValidity({ certPem: tls.cert, clientCaPem: tls.clientCa, crlPem: tls.crl })
  checkTls(tls)
  const pool = createThreadPool({ module: WORKER_MODULE, size: availableParallelism(), maxWaiting: limits.waitingFiles + FILES_AT_ONCE })
  opened.defer(async () => await pool.close())
  const turns = createTurns({ concurrency: FILES_AT_ONCE, waiting: limits.waitingFiles, busy: { code: 'SERVER_BUSY', message: 'too many files wait for their turn' } })
  const tokens = createTokens(config.keys.filter((key) => key.kind === 'pkcs11'), log)
  opened.defer(async () => await tokens.close())
  const keyring = await openKeys(config.keys, { pool, maxWholeBytes: limits.wholeFileBytes }, tokens)
  const { store, logKey } = await openLoggedStore(config, { opened, open, keyring, log })
  const inspector = createInspector({ pool, maxFileBytes: limits.fileBytes, accept: config.formats.accept, hashed: (bytes) => metrics.bytesHashed(bytes) })
  const signer = await openSigner(config.signer, { clock, copier: inspector, environment: process.env })
  opened.defer(async () => await signer.close())
  // Asked only when somebody scrapes, and by then the ports are there.
  const connections = (name: ListenerName) => (listeners.get(name) as Listener).connections()
  const metrics = createMetrics({
    waiting: { turns: () => turns.waiting(), threads: () => pool.waiting(), signer: () => signer.waiting(), tokens: () => tokens.waiting() },
    connections: { service: () => connections('service'), browser: () => connections('browser') },
  })
  opened.defer(() => metrics.close())
  metrics.validityRead(validity)
  metrics.keysRead(endsOf(keyring))
  return { pool, turns, inspector, keyring, signer, store, logKey, metrics, tls }
}

/** Opens the store, and has its log say that the server starts, and at the end that it stops. */
async function openLoggedStore(config: Config, { opened, open, keyring, log }: Pick<Opening, 'opened' | 'open' | 'log'> & Readonly<{ keyring: Keyring }>): Promise<Pick<Parts, 'store' | 'logKey'>> {
  const { transparencyLog: { origin, key }, signatureFile, idempotency: { keepMs } } = config
  const identity = await openLogKey({ origin, path: key })
  const store = await open({ ...config.store, signatureFile, identity, keepMs })
  opened.defer(async () => await store.close())
  const keys = new Map([...keyring.values()].map(({ keyid, publicKey }) => [keyid, spkiSha256(publicKey)]))
  await store.begin({ at: clock().toISOString(), version, configurationSha256: config.sha256, keys })
  opened.defer(async () => await store.append({ kind: 'stop', at: clock().toISOString() }).catch((error: unknown) => log.error({ err: error }, 'the log does not say that the server stopped')))
  return { store, logKey: identity.verifierKey }
}

function endsOf(keyring: Keyring): ReadonlyMap<string, Date> {
  return new Map([...keyring].flatMap(([keyid, key]) => {
    const end = endOf(key)
    return end === undefined ? [] : [[keyid, end.at] as const]
  }))
}

async function readTls({ cert, key, clientCa, crl }: Config['tls']): Promise<TlsMaterial> {
  const text = async (path: string) => await readFile(path, 'utf8')
  return { cert: await text(cert), key: await text(key), clientCa: await text(clientCa), ...(crl === undefined ? {} : { crl: await text(crl) }) }
}

async function openApp(config: Config, parts: Parts, { log, stopping }: Readonly<{ log: FastifyBaseLogger; stopping: Stopping }>): Promise<FastifyInstance> {
  const app = await buildApp({
    ...parts,
    policy: config.clients,
    identify: identityOf,
    meters: createMeters({ nowMs: () => performance.now() }),
    roots: await openRoots(config.roots),
    clock,
    dsb: config.dsb,
    receiver: createReceiver({ directory: config.uploadDir ?? tmpdir(), maxFileBytes: config.limits.fileBytes, maxUploads: config.limits.uploads, stallMs: config.limits.requestMs }),
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

function connectionDeps(config: Config, { tls, metrics }: Parts): Omit<ConnectionDeps, 'handler' | 'log'> {
  const { limits, clients } = config
  return {
    tls: tlsOptions(tls, limits.handshakeMs),
    limits,
    policy: clients,
    connectionRefused: (limit) => metrics.connectionRefused(limit),
    tlsClientFailed: (code) => metrics.tlsClientFailed(code),
    requestRefused: (code) => metrics.requestFinished({ operation: 'other', code, durationMs: 0 }),
  }
}

function probesOf({ store, signer, keyring }: Parts): Readonly<Record<string, Probe>> {
  const keys = [...keyring.values()].flatMap((key) => (isHeld(key) && isInUse(key) ? [[`key ${key.keyid}`, async () => await probeKey(key)] as const] : []))
  return { store: async () => await store.probe(), signer: async () => await signer.probe(), ...Object.fromEntries(keys) }
}
