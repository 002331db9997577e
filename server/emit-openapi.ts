import pino from 'pino'
import { buildApp, type AppDeps } from './app.ts'
import { emitFile } from './emit-file.ts'
import { openapiYaml } from './http/openapi.ts'

/** A dependency that is never used while the document is made; a use would be a fault of the app, so it throws. */
function inert(name: string): never {
  return new Proxy({}, {
    get: (_target, member) => {
      throw new TypeError(`${name}.${String(member)} was used while the document was made`)
    },
  }) as never
}

/** Returns the text of openapi.yaml, made from the routes as the server has them. */
export async function emitOpenapi(): Promise<string> {
  const deps: AppDeps = {
    policy: [],
    identify: () => undefined,
    roots: [],
    keyring: new Map(),
    signer: inert('signer'),
    inspector: inert('inspector'),
    store: inert('store'),
    receiver: inert('receiver'),
    dsb: { keyDirectory: '/', allowRsa3072: false },
    metrics: inert('metrics'),
    clock: () => new Date(0),
    maxEntries: 1,
    concurrency: 1,
    stop: new AbortController().signal,
    bodyBytes: 1,
    draining: () => false,
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
