import pino from 'pino'
import { buildApp, type AppDeps } from './app.ts'
import { emitFile } from './emit-file.ts'
import { openapiYaml } from './http/openapi.ts'

/** Stands for everything that is never used while the document is made. */
const UNUSED = undefined as never

/** Returns the text of openapi.yaml, made from the routes as the server has them. */
export async function emitOpenapi(): Promise<string> {
  const deps: AppDeps = {
    identify: UNUSED,
    lives: UNUSED,
    meters: UNUSED,
    signer: UNUSED,
    store: UNUSED,
    receiver: UNUSED,
    metrics: UNUSED,
    logKey: UNUSED,
    clock: UNUSED,
    maxEntries: 1,
    concurrency: 1,
    turns: UNUSED,
    searches: UNUSED,
    stop: new AbortController().signal,
    fileBytes: 1,
    bodyBytes: 1,
    idempotency: { keepMs: 86_400_000 },
    draining: UNUSED,
    log: pino({ enabled: false }),
  }
  const app = await buildApp(deps)
  await app.ready()
  const text = openapiYaml(app)
  await app.close()
  return text
}

if (import.meta.main) {
  const target = new URL('../openapi.yaml', import.meta.url)
  process.exitCode = await emitFile(target, await emitOpenapi(), { args: process.argv.slice(2), complain: console.error })
}
