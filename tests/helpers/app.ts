import { mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import pino from 'pino'
import type { Test } from 'tap'
import { buildApp, type AppDeps } from '../../server/app.ts'
import type { ClientConfig } from '../../server/config/schema.ts'
import { createLives, type Live } from '../../server/http/live.ts'
import { logOptions } from '../../server/http/log.ts'
import type { ClientIdentity } from '../../server/identity/client.ts'
import { createInspector } from '../../server/packages/inspect.ts'
import { createMeters } from '../../server/policy/meters.ts'
import { openRoots } from '../../server/roots/open-roots.ts'
import { OPERATIONS } from '../../server/schemas/whoami.ts'
import { createEmbeddedSigner } from '../../server/signers/embedded.ts'
import { createReceiver, UPLOAD_MODULE } from '../../server/uploads/receive.ts'
import { createThreadPool, type ThreadPool } from '../../server/threads/pool.ts'
import { createTurns } from '../../server/threads/turns.ts'
import { WORKER_MODULE } from '../../server/threads/worker-module.ts'
import { openTestStore, TEST_LOG } from './store.ts'
import { openedKey, rsaKeyPair, type RsaKeyPair } from './signables.ts'

export type LogLine = Readonly<Record<string, unknown>>

/** What the app stands on, and what is live in it, together. */
export type TestDeps = Omit<AppDeps, 'lives'> & Live

/** The app over real roots, keys, threads and a real catalogue, without TLS: who calls is what `identity` says. */
export type TestApp = Readonly<{
  app: FastifyInstance
  folder: string
  root: string
  pair: RsaKeyPair
  deps: TestDeps
  lines: LogLine[]
  /** What the metrics were told of requests and files. */
  requests: unknown[]
  files: unknown[]
  /** Sets whose certificate the next requests carry, by the name in its SAN; undefined: none. */
  become(name: string | undefined): void
}>

export const NOW = new Date('2026-11-24T09:15:00.000Z')

export function identityNamed(name: string): ClientIdentity {
  return { sans: [`URI:urn:example:${name}`], spkiSha256: 'ab'.repeat(32), serial: '01', notAfter: new Date('2028-02-27T09:00:00Z') }
}

export function clientNamed(name: string, more: Partial<ClientConfig> = {}): ClientConfig {
  return { name, match: { san: `URI:urn:example:${name}` }, allow: [...OPERATIONS], keys: ['1001'], roots: ['nim'], digestOnly: false, resign: false, sees: 'own', ...more }
}

let pair: RsaKeyPair | undefined
let pool: ThreadPool | undefined
let uploads: ThreadPool | undefined

/** Builds the app itself; whoever does closes it. */
export async function buildTestApp(deps: TestDeps): Promise<FastifyInstance> {
  const { policy, keyring, roots, inspector, dsb } = deps
  return await buildApp({ ...deps, lives: createLives({ policy, keyring, roots, inspector, dsb }) })
}

/** Builds an app that is closed with the test. `change` replaces some of what it stands on. */
export async function makeApp(test: Test, change: (deps: TestDeps) => Partial<TestDeps> = () => ({})): Promise<TestApp> {
  const folder = realpathSync(test.testdir({}))
  const root = join(folder, 'nim')
  for (const name of ['nim', 'other']) mkdirSync(join(folder, name))
  pair ??= rsaKeyPair()
  const [lines, requests, files]: [LogLine[], unknown[], unknown[]] = [[], [], []]
  let identity: ClientIdentity | undefined = identityNamed('bot')
  // One for all apps of a file: a thread takes longer to start than most tests.
  pool ??= createThreadPool({ module: WORKER_MODULE, size: 1, maxWaiting: 1000 })
  uploads ??= createThreadPool({ module: UPLOAD_MODULE, size: 1, maxWaiting: 1000 })
  const store = await openTestStore(join(folder, 'signing.db'))
  const clock = () => NOW
  const usual: TestDeps = {
    policy: [clientNamed('bot'), clientNamed('auditor', { allow: ['listFiles'] }), clientNamed('nobody', { allow: [], keys: [], roots: [] })],
    identify: () => identity,
    meters: createMeters({ nowMs: () => performance.now() }),
    roots: await openRoots(['nim', 'other'].map((name) => ({ name, path: join(folder, name) }))),
    keyring: new Map(['1001', '1002'].map((keyid) => [keyid, { ...openedKey('file', pair as RsaKeyPair), keyid }])),
    signer: createEmbeddedSigner({ timestamp: { syntax: 'epoch', source: 'build' }, clock }),
    inspector: createInspector({ pool, maxFileBytes: 1_000_000, accept: ['installp', 'compress', 'rpm'] }),
    receiver: createReceiver({ thread: uploads, directory: folder, maxFileBytes: 1_000_000, maxUploads: 8, stallMs: 10_000 }),
    dsb: { keyDirectory: '/etc/security/certificates/', allowRsa3072: false },
    store,
    logKey: TEST_LOG.verifierKey,
    metrics: { requestFinished: (outcome) => requests.push(outcome), fileFinished: (outcome) => files.push(outcome) },
    clock,
    maxEntries: 100,
    concurrency: 4,
    turns: createTurns({ concurrency: 64, waiting: 1000, busy: { code: 'SERVER_BUSY', message: 'too many files wait for their turn' } }),
    searches: createTurns({ concurrency: 4, waiting: 64, busy: { code: 'SERVER_BUSY', message: 'too many searches wait for their turn' } }),
    stop: new AbortController().signal,
    draining: () => false,
    fileBytes: 1_000_000,
    bodyBytes: 65_536,
    idempotency: { keepMs: 86_400_000 },
    log: pino(logOptions('info'), { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) }),
  }
  const deps = { ...usual, ...change(usual) }
  const app = await buildTestApp(deps)
  test.teardown(async () => {
    await app.close()
    await store.close()
  })
  await app.ready()
  return { app, folder, root, pair, deps, lines, requests, files, become: (name) => void (identity = name === undefined ? undefined : identityNamed(name)) }
}
