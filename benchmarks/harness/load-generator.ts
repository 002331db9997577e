import { setTimeout as delay } from 'node:timers/promises'
import { packageChunks } from '../../formats/index.ts'
import type { ArrivalsResult, DirectoryResult, LoadResult, LoadTask } from './load.ts'
import type { Credentials } from './place.ts'
import { requestsOf } from './request-source.ts'
import { createUndiciClient, type UndiciClient } from './undici-client.ts'
import { openConnection, type Request, type WireConnection } from './wire-client.ts'
import type { WireAnswer } from './answer-parser.ts'

/** Plays the clients of a benchmark; one task at a time. */
export type LoadGenerator = Readonly<{ perform: (task: LoadTask) => Promise<LoadResult | ArrivalsResult | DirectoryResult | number>; close: () => void }>

/** What can be asked, by whatever client. */
type Asker = Pick<WireConnection, 'ask' | 'isOpen'>

type Task<Kind extends LoadTask['kind']> = Extract<LoadTask, { kind: Kind }>

/** Creates a generator that connects as `credentials`. Connections stay open between tasks: what is measured is warm unless it says otherwise. */
export function createLoadGenerator(credentials: Credentials): LoadGenerator {
  const kept = new Map<number, WireConnection[]>()
  const libraries = new Map<number, UndiciClient>()

  async function connections(port: number, count: number): Promise<readonly WireConnection[]> {
    const open = (kept.get(port) ?? []).filter((connection) => connection.isOpen())
    while (open.length < count) open.push(await openConnection({ port, credentials }))
    kept.set(port, open)
    return open.slice(0, count)
  }

  function library({ port, connections: count }: Task<'requests'>): readonly Asker[] {
    const client = libraries.get(port) ?? createUndiciClient({ port, credentials }, count)
    libraries.set(port, client)
    return Array.from({ length: count }, () => client)
  }

  async function directory({ port, path, fresh, members }: Task<'directory'>): Promise<DirectoryResult> {
    const request: Request = { method: 'POST', path: '/sign', body: JSON.stringify({ path, ...members }) }
    const started = performance.now()
    const [connection] = fresh ? [await openConnection({ port, credentials })] : await connections(port, 1)
    const answer = await (connection as WireConnection).ask(request)
    const elapsedMs = performance.now() - started
    if (fresh) connection?.close()
    return { elapsedMs, signed: countSigned(answer), bytes: answer.body.length }
  }

  async function upload({ port, source, filename }: Task<'upload'>): Promise<number> {
    const [connection] = await connections(port, 1)
    let bodyBytes = 0
    for (const chunk of packageChunks(source)) bodyBytes += chunk.length
    const started = performance.now()
    const answer = await (connection as WireConnection).ask({
      method: 'POST', path: `/sign?filename=${filename}`, headers: { 'content-type': 'application/octet-stream' }, bodyBytes, pieces: packageChunks(source),
    })
    const elapsedMs = performance.now() - started
    if (answer.status !== 200) throw new Error(refusalText(answer))
    return elapsedMs
  }

  async function handshakes({ port, connections: count, count: total, resumed }: Task<'handshakes'>): Promise<number> {
    const ticket = resumed ? await newTicket(port) : undefined
    let left = total
    const started = performance.now()
    await Promise.all(Array.from({ length: count }, async () => {
      while ((left -= 1) >= 0) await handshake(port, ticket)
    }))
    return performance.now() - started
  }

  async function handshake(port: number, ticket: Buffer | undefined): Promise<void> {
    const resumption = ticket === undefined ? 'full' : 'resumed'
    const connection = await openConnection({ port, credentials }, ticket)
    const isAsWanted = connection.isResumed() === (ticket !== undefined)
    await connection.leave()
    if (!isAsWanted) throw new Error(`a handshake that was to be ${resumption} was not`)
  }

  async function newTicket(port: number): Promise<Buffer> {
    const connection = await openConnection({ port, credentials })
    const ticket = await connection.ticket
    connection.close()
    return ticket
  }

  return {
    perform: async (task) => {
      switch (task.kind) {
        case 'requests':
          return await drive(task.client === 'undici' ? library(task) : await connections(task.port, task.connections), task)
        case 'arrivals':
          return await arrive(await connections(task.port, task.connections), task)
        case 'directory':
          return await directory(task)
        case 'upload':
          return await upload(task)
        case 'handshakes':
          return await handshakes(task)
      }
    },
    close: () => {
      for (const client of [...[...kept.values()].flat(), ...libraries.values()]) client.close()
    },
  }
}

/** Keeps every connection busy until the extent is reached; the clock stops with the last answer. */
async function drive(askers: readonly Asker[], { source, extent, paceMs, tolerant = false }: Task<'requests'>): Promise<LoadResult> {
  const next = requestsOf(source)
  const tally = createTally(tolerant)
  let begun = 0
  const mayGoOn = () => ('requests' in extent ? begun < extent.requests : tally.elapsedMs() < extent.durationMs)
  await Promise.all(askers.map(async (asker) => {
    while (mayGoOn() && asker.isOpen()) {
      begun += 1
      await tally.ask(asker, next())
      if (paceMs !== undefined) await delay(paceMs)
    }
  }))
  return tally.result()
}

/** How often arrivals are dealt out. */
const TICK_MS = 5

/** Sends requests at a rate, each on a connection that is free; ends when the last is answered. */
async function arrive(askers: readonly Asker[], { source, perSecond, durationMs }: Task<'arrivals'>): Promise<ArrivalsResult> {
  const next = requestsOf(source)
  const tally = createTally(true)
  const free = [...askers]
  const running = new Set<Promise<void>>()
  let [begun, withheld] = [0, 0]
  const begin = async (asker: Asker): Promise<void> => {
    await tally.ask(asker, next())
    if (asker.isOpen()) free.push(asker)
  }
  for (let ms = tally.elapsedMs(); ms < durationMs; ms = tally.elapsedMs()) {
    for (const due = (ms / 1000) * perSecond; begun + withheld < due;) {
      const asker = free.shift()
      if (asker === undefined) withheld += 1
      else {
        begun += 1
        const asked = begin(asker)
        running.add(asked)
        void asked.finally(() => running.delete(asked))
      }
    }
    await delay(TICK_MS)
  }
  await Promise.all(running)
  return { ...tally.result(), withheld }
}

type Tally = Readonly<{ ask: (asker: Asker, request: Request) => Promise<void>; elapsedMs: () => number; result: () => LoadResult }>

/** Counts what is answered, and how. @throws Error (from `ask`) unless tolerant, for an answer other than 200 and for none */
function createTally(tolerant: boolean): Tally {
  const latenciesMs: number[] = []
  const refusals: Record<string, number> = {}
  let [broken, retryAfterMissing] = [0, 0]
  const started = performance.now()
  const elapsedMs = () => performance.now() - started
  const judge = (answer: WireAnswer, ms: number): void => {
    if (answer.status === 200) return void latenciesMs.push(ms)
    if (!tolerant) throw new Error(refusalText(answer))
    const refusal = `${answer.status} ${codeOf(answer)}`
    refusals[refusal] = (refusals[refusal] ?? 0) + 1
    if (answer.status === 503 && !/\r\nretry-after: /i.test(answer.head)) retryAfterMissing += 1
  }
  return {
    ask: async (asker, request) => {
      const asked = elapsedMs()
      try {
        judge(await asker.ask(request), elapsedMs() - asked)
      } catch (error) {
        if (!tolerant) throw error
        broken += 1
      }
    },
    elapsedMs,
    result: () => ({ elapsedMs: elapsedMs(), answered: latenciesMs.length, latenciesMs, refusals, broken, retryAfterMissing }),
  }
}

/** How many signatures a SignAnswer holds. @throws Error when anything in it failed */
function countSigned(answer: WireAnswer): number {
  if (answer.status !== 200) throw new Error(refusalText(answer))
  const text = answer.body.toString()
  const { signatures, failures } = JSON.parse(text) as { signatures: object; failures: object }
  if (Object.keys(failures).length > 0) throw new Error(`files of the directory were not signed: ${JSON.stringify(failures).slice(0, 500)}`)
  return Object.keys(signatures).length
}

function codeOf({ body }: WireAnswer): string {
  return /"code":"([A-Z_]+)"/.exec(body.toString())?.[1] ?? '-'
}

function refusalText({ status, body }: WireAnswer): string {
  return `the server answered ${status}: ${body.toString().slice(0, 300)}`
}
