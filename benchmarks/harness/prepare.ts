import { readFileSync } from 'node:fs'
import type { Bench } from './benchmark.ts'
import { startLoad, type Load } from './load.ts'
import { signingAnew } from './packages.ts'
import { makePlace, type Place } from './place.ts'
import { startServer, type BenchServer, type ServerOptions } from './server.ts'

/** What almost every benchmark begins with. `anew`: members of a request by path that want a new signature, whatever was signed before. */
export type Prepared = Readonly<{ place: Place; server: BenchServer; load: Load; anew: Readonly<Record<string, unknown>> }>

const DOCUMENT = new URL('../../openapi.yaml', import.meta.url)

/** Makes a place, starts the server in it and a process that plays its clients. */
export async function prepare(bench: Bench, options: ServerOptions | ((place: Place) => Promise<ServerOptions>) = {}): Promise<Prepared> {
  const place = await makePlace(bench.folder)
  const server = await startServer(bench, place, typeof options === 'function' ? await options(place) : options)
  return { place, server, load: await startLoad(place.credentials, bench.opened), anew: signingAnew(readFileSync(DOCUMENT, 'utf8')) }
}
