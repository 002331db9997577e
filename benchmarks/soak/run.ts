import { createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench } from '../harness/benchmark.ts'
import { MIB, signingAnew, writePackages } from '../harness/packages.ts'
import { makePlace, type Place } from '../harness/place.ts'
import { descriptorsOf, memoryOf } from '../harness/process-memory.ts'
import { startServer, type BenchServer } from '../harness/server.ts'
import { ACTIVITIES, type Activity, type Given, type Surroundings } from './activities.ts'
import { createSoakClient, type SoakClient } from './client.ts'
import type { ActivityTally, Observations, Sample } from './observations.ts'
import { reloadUntil } from './reloads.ts'

/** How long, how often the server is looked at, and whether its configuration is changed meanwhile. `say` is told how it goes. */
export type SoakOptions = Readonly<{ minutes: number; sampleMs: number; reloads: boolean; say: (text: string) => void }>

const DOCUMENT = new URL('../../openapi.yaml', import.meta.url)
/** Every so many-th signature is verified: all of them would be a second load. */
const VERIFY_EVERY = 20
/** An audit reads everything that was written. */
const AUDIT_MS = 15 * 60_000
/** Connections that were closed take a moment to be gone. */
const SETTLE_MS = 3_000

/** Runs everything that clients do, all at once, for a bounded time on loopback, and resolves with what was seen. */
export async function soak(bench: Bench, { minutes, sampleMs, reloads, say }: SoakOptions): Promise<Observations> {
  const place = await makePlace(bench.folder)
  const server = await startServer(bench, place)
  const ledger = createLedger(place)
  const around: Surroundings = {
    directory: writePackages(place.root, 'many', { count: 100, sizeBytes: 20 * 1024 }),
    large: writePackages(place.root, 'large', { count: 2, sizeBytes: 50 * MIB }),
    anew: signingAnew(readFileSync(DOCUMENT, 'utf8')),
    ...ledger,
  }
  // Threads start when they are needed, and each has some descriptors for good: all of them are there when everything was done once.
  await doEachOnce(place, server, around)
  await auditOf(place, server)
  await delay(SETTLE_MS)
  const baseDescriptors = descriptorsOf(server.pid)
  const until = performance.now() + minutes * 60_000
  const sampling = sampleUntil(server.pid, { until, sampleMs, say })
  const reloading = reloads ? reloadUntil(server, { file: join(place.folder, 'server.yaml'), until }) : undefined
  const activities = await runActivities(place, server, { around, until })
  const samples = await sampling
  const reloaded = await reloading
  const audit = await auditOf(place, server)
  await delay(SETTLE_MS)
  const endDescriptors = descriptorsOf(server.pid)
  await server.close()
  const seen = { minutes, samples, baseDescriptors, endDescriptors, activities, audit, ...(reloaded === undefined ? {} : { reloads: reloaded }) }
  return { ...seen, ...ledger.account(), ...checkCatalogue(bench, place, ledger.ids), ...checkLog(server) }
}

/** Has the server compare its database with what it wrote, once nobody asks for anything else. */
async function auditOf({ credentials }: Place, { port }: BenchServer): Promise<string> {
  const client = createSoakClient({ port, credentials }, AUDIT_MS)
  const answer = await client.ask({ method: 'GET', path: '/log/audit' })
  client.close()
  if (answer === undefined) return `not answered: ${Object.keys(client.tally().outcomes).join(', ')}`
  const { intact, findings } = JSON.parse(answer.body.toString()) as Readonly<{ intact: boolean; findings: readonly object[] }>
  return intact ? 'intact' : JSON.stringify(findings)
}

async function doEachOnce({ credentials }: Place, { port }: BenchServer, around: Surroundings): Promise<void> {
  const client = createSoakClient({ port, credentials })
  for (const { once } of ACTIVITIES) await once(client, around)
  client.close()
}

type Running = Readonly<{ around: Surroundings; until: number }>

async function runActivities({ credentials }: Place, { port }: BenchServer, running: Running): Promise<Observations['activities']> {
  const tallies = await Promise.all(ACTIVITIES.map(async (activity) => {
    const clients = Array.from({ length: activity.clients }, () => createSoakClient({ port, credentials }))
    await Promise.all(clients.map(async (client) => await repeatActivity(activity, client, running)))
    return [activity.name, sum(clients.map((client) => client.tally()))] as const
  }))
  return Object.fromEntries(tallies)
}

async function repeatActivity({ once, pauseMs }: Activity, client: SoakClient, { around, until }: Running): Promise<void> {
  while (performance.now() < until) {
    await once(client, around)
    await delay(pauseMs * 2 * Math.random())
  }
  client.close()
}

function sum(tallies: readonly ActivityTally[]): ActivityTally {
  const outcomes: Record<string, number> = {}
  for (const tally of tallies) for (const [outcome, count] of Object.entries(tally.outcomes)) outcomes[outcome] = (outcomes[outcome] ?? 0) + count
  return { requests: tallies.reduce((total, { requests }) => total + requests, 0), outcomes }
}

async function sampleUntil(pid: number, { until, sampleMs, say }: Readonly<{ until: number; sampleMs: number; say: SoakOptions['say'] }>): Promise<readonly Sample[]> {
  const samples: Sample[] = []
  const started = performance.now()
  while (performance.now() < until) {
    await delay(sampleMs)
    const sample = { seconds: (performance.now() - started) / 1000, residentBytes: memoryOf(pid).residentBytes, descriptors: descriptorsOf(pid) }
    samples.push(sample)
    say(`${Math.round(sample.seconds)} s: ${Math.round(sample.residentBytes / MIB)} MiB, ${sample.descriptors} descriptors`)
  }
  return samples
}

/** Remembers every id that a client was given, and verifies some of the signatures, by node:crypto alone. */
function createLedger({ publicKey }: Place) {
  const key = createPublicKey(readFileSync(publicKey))
  const ids = new Set<string>()
  const wrong: string[] = []
  let verified = 0
  let last: Given | undefined
  return {
    ids,
    give: (given: Given): void => {
      ids.add(given.id)
      last = given
      const { content, signature, filename } = given
      if (content === undefined || ids.size % VERIFY_EVERY !== 0) return
      const bytes = typeof content === 'string' ? readFileSync(content) : content
      if (verify('sha256', bytes, key, Buffer.from(signature, 'base64'))) verified += 1
      else wrong.push(filename)
    },
    recent: () => last,
    account: () => ({ given: ids.size, verified, wrong }),
  }
}

/** Every signature that was given must be in the catalogue; the database is asked directly, when the server has let go of it. */
function checkCatalogue({ store }: Bench, { folder }: Place, ids: ReadonlySet<string>): Pick<Observations, 'integrity' | 'catalogued' | 'missing'> {
  if (store !== 'sqlite') throw new TypeError('the catalogue is checked where it is a file')
  const database = new DatabaseSync(join(folder, 'server.db'), { readOnly: true })
  try {
    const [row] = database.prepare('pragma integrity_check').all()
    const found = new Set(database.prepare('select id from signatures').all().map(({ id }) => String(id)))
    return { integrity: String(row?.['integrity_check']), catalogued: found.size, missing: [...ids].filter((id) => !found.has(id)) }
  } finally {
    database.close()
  }
}

function checkLog({ log }: BenchServer): Pick<Observations, 'complaints' | 'stoppedCleanly'> {
  const lines = log().split('\n')
  return { complaints: lines.filter((line) => /^\{"level":"(?:error|fatal)"/.test(line)), stoppedCleanly: lines.some((line) => line.includes('"msg":"stopped"')) }
}
