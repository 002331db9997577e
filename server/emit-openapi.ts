import { readFile, writeFile } from 'node:fs/promises'
import pino from 'pino'
import { buildApp, type AppDeps } from './app.ts'
import { openapiYaml } from './http/openapi.ts'

const TARGET = new URL('../openapi.yaml', import.meta.url)

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
  const text = await emitOpenapi()
  if (process.argv.includes('--check')) {
    const same = (await readFile(TARGET, 'utf8').catch(() => '')) === text
    if (!same) console.error('openapi.yaml differs from the routes; run `npm run generate`')
    process.exitCode = same ? 0 : 1
  } else await writeFile(TARGET, text)
}
