import pino from 'pino'
import { loadConfig } from '../../server/config/load.ts'
import { logOptions } from '../../server/http/log.ts'
import { startServer } from '../../server/process.ts'
import { keepHeapSmall, letHeapGrow } from '../../server/small-heap.ts'
import type { Store } from '../../server/store/store.ts'

// The same server, started as server/main.ts starts it, but for its store: this one forgets everything at once. Only what a benchmark
// compares with; what it signs is recorded nowhere.

keepHeapSmall()

const nothing = async (): Promise<undefined> => undefined

// As long as a receipt of a log of a million leaves, so that both sides send as much.
const receipt = { index: 999_999, entry: 'x'.repeat(900), path: Array.from({ length: 20 }, () => Buffer.alloc(32).toString('base64')), checkpoint: 'x'.repeat(200) }

const forgetful: Store = {
  lookUp: nothing,
  record: async (_subject, signature) => ({ kind: 'recorded', signature: { ...signature, replayed: false, receipt } }),
  countOf: async () => 0,
  get: nothing,
  wasHandedTo: async () => false,
  findByDigest: async () => [],
  find: async () => [],
  signedAmong: async () => new Set<string>(),
  append: nothing,
  begin: nothing,
  checkpoint: async () => '',
  tile: nothing,
  entries: nothing,
  proof: nothing,
  audit: async () => ({ checkpoint: '', intact: true, findings: [] }),
  ask: async () => ({ kind: 'begun' }),
  answer: async () => true,
  giveUp: nothing,
  items: async () => [],
  probe: nothing,
  close: nothing,
}

const config = await loadConfig(process.argv.at(-1) as string)
const log = pino(logOptions(config.log.level), pino.destination({ fd: 2, sync: true }))
const server = await startServer(config, log, async () => forgetful)
letHeapGrow()
process.once('SIGTERM', () => void server.close())
