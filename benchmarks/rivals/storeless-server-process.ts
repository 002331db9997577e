import { setFlagsFromString } from 'node:v8'
import pino from 'pino'
import { loadConfig } from '../../server/config/load.ts'
import { logOptions } from '../../server/http/log.ts'
import { startServer } from '../../server/process.ts'
import type { Store } from '../../server/store/store.ts'

// The same server, started as server/main.ts starts it, but for its store: this one forgets everything at once. Only what a benchmark
// compares with; what it signs is recorded nowhere.

setFlagsFromString('--semi-space-growth-factor=1')
setFlagsFromString('--optimize-for-size')

const forgetful: Store = {
  record: async () => {},
  get: async () => undefined,
  findByDigest: async () => [],
  signedAmong: async () => new Set<string>(),
  probe: async () => {},
  close: async () => {},
}

const config = await loadConfig(process.argv.at(-1) as string)
const log = pino(logOptions(config.log.level), pino.destination({ fd: 2, sync: true }))
const server = await startServer(config, log, async () => forgetful)
process.once('SIGTERM', () => void server.close())
