import { hash, randomInt } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { SignRequest } from '../../server/schemas/sign.ts'
import { clientOf } from '../helpers/client.ts'
import { freePort } from '../helpers/daemon.ts'
import { FULL } from '../helpers/full-size.ts'
import { post, signaturesIn, startLoad, type Job, type Load } from '../helpers/load.ts'
import { putPackages } from '../helpers/packages.ts'
import { makePlace, TRUSTED_BOT, type ConfigMembers, type Place } from '../helpers/place.ts'
import { NO_POSTGRES, startPostgres } from '../helpers/postgres.ts'
import { eventually } from '../helpers/processes.ts'
import { runServer, type ServerProcess } from '../helpers/server.ts'
import { checkRecorded, digestsByLevel, fetchCatalogue, fetchLog, provenIndex, type WholeLog } from '../helpers/whole-log.ts'

const PACKAGES = 60

/**
 * Requests of every kind. Most are digests under a level of their own, some with other content under a level that was asked for a moment
 * before, or the same again; the others are packages and a directory, over and over.
 */
function jobsIn({ root }: Place, names: readonly string[]): () => Job {
  let made = 0
  const digest = (level: number, content: string): SignRequest =>
    ({ digest: { sha256: hash('sha256', content) }, sizeBytes: 1000, filename: `Pkg${level}.bff`, package: `Pkg${level}`, filesets: [{ fileset: `Pkg${level}.rte`, vrmf: '1.0.0.0' }], builtAt: 1_375_425_475 })
  const make = (number: number): SignRequest => {
    const earlier = Math.max(1, number - randomInt(1, 12))
    switch (number % 8) {
      case 0: return { path: join(root, names[randomInt(names.length)] as string) }
      case 1: return number % 64 === 1 ? { path: join(root, 'together') } : digest(number, `content ${number}`)
      case 2: return digest(earlier, `other content ${number}`)
      case 3: return digest(earlier, `content ${earlier}`)
      default: return digest(number, `content ${number}`)
    }
  }
  return () => {
    made += 1
    return { key: `job-${made}`, request: make(made) }
  }
}

type Mortal = Readonly<{ place: Place; config: string; url: string; environment: Readonly<Record<string, string>> }>

async function makeMortal(t: Test, store: ConfigMembers): Promise<Mortal> {
  const place = await makePlace(t)
  const [port, browserPort, adminPort] = await Promise.all([freePort(), freePort(), freePort()])
  const config = place.configure({ ...store, listen: { host: '127.0.0.1', port, browserPort }, admin: { host: '127.0.0.1', port: adminPort }, clients: [TRUSTED_BOT] })
  // Half of a start is the stripping of types, which Node keeps where it is told to.
  return { place, config, url: `https://localhost:${port}`, environment: { NODE_COMPILE_CACHE: join(place.folder, 'compile-cache') } }
}

const live = (t: Test, { config, environment }: Mortal): ServerProcess => runServer(t, ['start', '--config', config], { environment })
const listening = async (server: ServerProcess): Promise<unknown> => await server.logged(({ msg }) => msg === 'listening', { count: 3, limitMs: 20_000 })

/** Kills a server at a random moment: one of five while it starts, the others in the middle of its work, after so many more answers. */
async function killSometime(server: ServerProcess, { done }: Load): Promise<void> {
  if (randomInt(5) > 0) {
    await listening(server)
    const enough = done.length + randomInt(60)
    await eventually(() => done.length >= enough, 20_000)
    await delay(randomInt(30))
  } else await delay(randomInt(500))
  server.process.kill('SIGKILL')
  await server.exited
}

async function killUnderLoad(t: Test, mortal: Mortal, kills: number): Promise<void> {
  const { place } = mortal
  const names = putPackages(place.root, PACKAGES)
  mkdirSync(join(place.root, 'together'))
  putPackages(join(place.root, 'together'), 12)
  const client = await clientOf(t, mortal.url, 'release-bot', { connections: 16 })
  let server = live(t, mortal)
  await listening(server)
  const load = startLoad({ clients: [client], jobs: jobsIn(place, names), makers: 8 })
  let log: WholeLog | undefined
  for (let kill = 0; kill < kills; kill += 1) {
    await killSometime(server, load)
    server = live(t, mortal)
    if (kill % 5 !== 4) continue
    await listening(server)
    log = await fetchLog(client, log)
  }
  await listening(server)
  await load.finish()
  t.comment(`${kills} kills, ${load.done.length} requests answered, ${load.counts.cut} attempts cut off, ${load.counts.inProgress} told to wait`)
  t.ok(load.counts.cut >= kills, 'the kills met requests')
  log = await fetchLog(client, log)
  checkRecorded(t, load.done.flatMap(({ answer }) => signaturesIn(answer)), { log, catalogue: await fetchCatalogue(client) })
  t.strictSame([...digestsByLevel(log)].filter(([, digests]) => digests.size !== 1), [], 'no level has two digests')
  t.equal(new Set(load.done.map(({ job }) => job.key)).size, load.done.length, 'each request has one answer')
  const statuses = new Set(load.done.map(({ answer }) => answer.status))
  t.strictSame([...statuses].sort(), [200, 409], 'signed, or the level has other content')
  const again = await Promise.all(load.done.map(async ({ job, answer }) => {
    const { bytes, headers } = await post(client, job)
    return bytes.equals(answer.bytes) && headers['idempotent-replayed'] === 'true' ? [] : [job.key]
  }))
  t.strictSame(again.flat(), [], 'asked again, each gives the same bytes')
  const [some] = load.done.flatMap(({ answer }) => signaturesIn(answer))
  t.equal(await provenIndex(client, some?.id ?? '', log), some?.receipt.index)
  t.match(JSON.parse((await client.ask('/log/audit')).text), { intact: true })
  server.process.kill('SIGTERM')
  t.strictSame(await server.exited, { code: 0, signal: null })
}

const FEW = FULL ? 50 : 3

void t.test(`kill -9 at a random moment under load, ${FEW} times: SQLite loses nothing that was answered, and signs nothing twice`, { timeout: 400_000 }, async (t) => {
  await killUnderLoad(t, await makeMortal(t, {}), FEW)
})

const FEWER = FULL ? 8 : 2

void t.test(`kill -9 at a random moment under load, ${FEWER} times: PostgreSQL loses nothing that was answered, and signs nothing twice`, { skip: NO_POSTGRES, timeout: 400_000 }, async (t) => {
  const cluster = await startPostgres(t)
  const { store } = await cluster.createDatabase()
  await killUnderLoad(t, await makeMortal(t, { store }), FEWER)
})
