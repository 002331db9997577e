import { hash, randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { verifySignature, writePackage } from '../../formats/index.ts'
import type { SignRequest } from '../../server/schemas/sign.ts'
import type { Signature } from '../../server/schemas/signature.ts'
import { askAt, clientOf, problemIn, type Answer, type Client } from '../helpers/client.ts'
import { count } from '../helpers/full-size.ts'
import { NO_HAPROXY, startHaproxy, type Balancer } from '../helpers/haproxy.ts'
import { post, signaturesIn, startLoad, type Job } from '../helpers/load.ts'
import { isSignatureOf, packageSource, putPackage, putPackages } from '../helpers/packages.ts'
import { makePlace, TRUSTED_BOT, type Place } from '../helpers/place.ts'
import { NO_POSTGRES, startPostgres, type Cluster } from '../helpers/postgres.ts'
import { eventually } from '../helpers/processes.ts'
import { startServer, type TestServer } from '../helpers/server.ts'
import { checkRecorded, digestsByLevel, fetchCatalogue, fetchLog, provenIndex } from '../helpers/whole-log.ts'

const skip = NO_POSTGRES === false ? NO_HAPROXY : NO_POSTGRES

/** Three replicas behind HAProxy, on one database, one directory and one log key; `client` asks through HAProxy, `direct` each of them. */
type Replicas = Readonly<{ place: Place; servers: readonly TestServer[]; balancer: Balancer; client: Client; direct: readonly Client[]; startAgain(index: number): Promise<TestServer> }>

const cluster: Cluster | undefined = skip === false ? await startPostgres(t) : undefined

async function startReplicas(t: Test): Promise<Replicas> {
  const { store } = await (cluster as Cluster).createDatabase()
  const place = await makePlace(t)
  const start = async (listen: object = {}): Promise<TestServer> => await startServer(t, { place, config: { store, clients: [TRUSTED_BOT], ...listen } })
  // All at once, on an empty database and without a key of the log: one makes each, and the others find it.
  const servers = await Promise.all([start(), start(), start()])
  const balancer = await startHaproxy(t, servers)
  const clients = await Promise.all([balancer, ...servers].map(async ({ url }) => await clientOf(t, url, 'release-bot', { connections: 12 })))
  const startAgain = async (index: number): Promise<TestServer> => {
    const { port, browserPort, adminUrl } = servers[index] as TestServer
    return await start({ listen: { host: '127.0.0.1', port, browserPort }, admin: { host: '127.0.0.1', port: Number(new URL(adminUrl).port) } })
  }
  return { place, servers, balancer, client: clients[0] as Client, direct: clients.slice(1), startAgain }
}

const first = <T>(items: readonly T[]): T => items[0] as T

const digestOf = (number: number | string, content = `content ${number}`): SignRequest =>
  ({ digest: { sha256: hash('sha256', content) }, sizeBytes: 1000, filename: `Pkg${number}.bff`, package: `Pkg${number}`, filesets: [{ fileset: `Pkg${number}.rte`, vrmf: '1.0.0.0' }], builtAt: 1_375_425_475 })

void t.test('three replicas behind HAProxy are one server', { skip, timeout: 200_000 }, async (t) => {
  const { place, servers, balancer, client, direct, startAgain } = await startReplicas(t)
  const { root, publicKey } = place

  await t.test('a directory, a file, an upload, digests: signed through one, known to all', async (t) => {
    const names = putPackages(root, 12)
    const { signatures, files } = await client.sign({ path: root })
    t.strictSame([files, Object.keys(signatures)], [names, names])
    for (const name of names) t.ok(isSignatureOf(signatures[name] as Signature, join(root, name), publicKey), name)
    const upload = writePackage(packageSource('PkgSent'))
    const sent = await client.signUpload('PkgSent.1.0.0.0.bff', upload)
    const byDigest = first(signaturesIn(await client.trySign(digestOf('Alone'))))
    const batch = signaturesIn(await client.trySign({ items: [digestOf('B1'), digestOf('B2')] as never }))
    t.equal(batch.length, 2)
    const all = [...Object.values(signatures), sent, byDigest, ...batch]
    for (const replica of direct) {
      const again = await replica.sign({ path: join(root, names[3] as string) })
      t.match(again.signatures, { [names[3] as string]: { id: signatures[names[3] as string]?.id, replayed: true } }, 'the same file is not signed again')
      t.equal((await replica.signUpload('PkgSent.1.0.0.0.bff', upload)).id, sent.id)
      t.match(await replica.verify({ path: join(root, names[0] as string) }), { valid: true, keyid: '1001' })
      const listed = JSON.parse((await replica.ask(`/files?path=${encodeURIComponent(root)}`)).text) as { files: readonly { signed: boolean }[] }
      t.ok(listed.files.every(({ signed }) => signed), 'every replica lists what another signed as signed')
      for (const { id } of all) t.equal((await replica.ask(`/signatures/${id}`)).status, 200)
    }
    t.ok(verifySignature({ publicKey, sha256: Buffer.from(hash('sha256', upload), 'hex'), signature: Buffer.from(sent.signature, 'base64') }))
    const log = await fetchLog(first(direct))
    checkRecorded(t, all, { log, catalogue: await fetchCatalogue(client) })
    for (const { id, receipt } of all.slice(0, 3)) t.equal(await provenIndex(client, id, log), receipt.index)
  })

  await t.test('other content under a level that another replica signed is refused by each', async (t) => {
    const earlier = first(signaturesIn(await (direct[0] as Client).trySign(digestOf('Level'))))
    const problems = await Promise.all(direct.map(async (replica, index) => problemIn(await replica.trySign(digestOf('Level', `other ${index}`)))))
    for (const problem of problems) t.match(problem, { code: 'FILESET_LEVEL_ALREADY_SIGNED', status: 409 })
    t.match(JSON.stringify(problems[2]), earlier.id, 'it names the earlier signature')
  })

  await t.test('one Idempotency-Key raced against all three gives one signature and one answer', async (t) => {
    for (let round = 0; round < count(6, 40); round += 1) {
      const name = `PkgRace${round}`
      const request = round % 2 === 0 ? digestOf(`Race${round}`) : { path: putPackage(root, name) }
      const job: Job = { key: randomUUID(), request }
      const raced = await Promise.all([...direct, client, ...direct].map(async (replica) => await post(replica, job)))
      const [answered, waiting] = [raced.filter(({ status }) => status === 200), raced.filter(({ status }) => status !== 200)]
      t.ok(answered.length > 0)
      for (const answer of waiting) {
        t.match(problemIn(answer), { code: 'REQUEST_IN_PROGRESS', status: 409 })
        t.ok(Number(answer.headers['retry-after']) >= 1)
      }
      const later = await Promise.all(direct.map(async (replica) => await post(replica, job)))
      t.equal(new Set([...answered, ...later].map(({ text }) => text)).size, 1, 'the same bytes from every replica')
      for (const { headers } of later) t.equal(headers['idempotent-replayed'], 'true')
      const found = JSON.parse((await client.ask(`/signatures?package=${name}`)).text) as { signatures: readonly unknown[] }
      t.equal(found.signatures.length, 1, 'one signature')
      t.match(problemIn(await post(direct[round % 3] as Client, { ...job, request: digestOf(`${name}x`) })), { code: 'IDEMPOTENCY_KEY_REUSED', status: 422 })
    }
  })

  await t.test('without a key the same content raced against all three is signed once', async (t) => {
    const raced = await Promise.all([...direct, ...direct, ...direct].map(async (replica) => first(signaturesIn(await replica.trySign(digestOf('Once'))))))
    t.equal(new Set(raced.map(({ id }) => id)).size, 1)
    t.equal(raced.filter(({ replayed }) => !replayed).length, 1)
  })

  await t.test('a replica that is killed in the middle of a load loses nothing that was answered, and the log stays one', async (t) => {
    const before = await fetchLog(client)
    let made = 0
    mkdirSync(join(root, 'more'))
    const packages = putPackages(join(root, 'more'), 30)
    const jobs = (): Job => {
      made += 1
      return { key: `load-${made}`, request: made % 5 === 0 ? { path: join(root, 'more', packages[made % 30] as string) } : digestOf(`L${made}`) }
    }
    const load = startLoad({ clients: [client], jobs, makers: 9 })
    await eventually(() => load.done.length >= 40, 20_000)
    const [killed] = servers as [TestServer]
    killed.process.kill('SIGKILL')
    await killed.exited
    await balancer.up(2)
    const without = load.done.length
    await eventually(() => load.done.length >= without + 40, 20_000)
    await startAgain(0)
    await balancer.up(3)
    await load.finish()
    t.comment(`${load.done.length} requests answered, ${load.counts.cut} attempts cut off, ${load.counts.inProgress} told to wait`)
    t.strictSame([...new Set(load.done.map(({ answer }) => answer.status))], [200])
    const answered = load.done.flatMap(({ answer }) => signaturesIn(answer))
    const logs = await Promise.all(direct.map(async (replica) => await fetchLog(replica, before)))
    const [log] = logs as [Awaited<ReturnType<typeof fetchLog>>]
    for (const other of logs) {
      const shorter = Math.min(log.leaves.length, other.leaves.length)
      t.ok(log.leaves.slice(0, shorter).every((leaf, index) => leaf.equals(other.leaves[index] as Buffer)), 'every replica shows the same log')
    }
    checkRecorded(t, answered, { log: logs[2] as typeof log, catalogue: await fetchCatalogue(client) })
    t.strictSame([...digestsByLevel(log)].filter(([, digests]) => digests.size !== 1), [])
    const again = await Promise.all(load.done.map(async ({ job, answer }, index) => (await post(direct[index % 3] as Client, job)).bytes.equals(answer.bytes)))
    t.ok(again.every(Boolean), 'asked again, any replica gives the same bytes')
    t.match(JSON.parse((await client.ask('/log/audit')).text), { intact: true })
  })

  await t.test('a replica that stops takes no request with it: HAProxy turns to the others while it drains', async (t) => {
    const load = startLoad({ clients: [client], jobs: counted('Drain'), makers: 4 })
    await eventually(() => load.done.length >= 10, 20_000)
    t.strictSame(await (servers[1] as TestServer).stop(), { code: 0, signal: null })
    await balancer.up(2)
    const without = load.done.length
    await eventually(() => load.done.length >= without + 10, 20_000)
    await load.finish()
    t.strictSame([...new Set(load.done.map(({ answer }) => answer.status))], [200])
    await startAgain(1)
    await balancer.up(3)
  })

  await t.test('the log of the server shows who called by certificate; the address is HAProxy\'s', async (t) => {
    const [line] = await (servers[2] as TestServer).logged(({ msg }) => msg === 'client connected')
    t.match(line, { client: 'release-bot', spki: /^[0-9a-f]{16}$/, address: '127.0.0.1' })
  })
})

function counted(name: string): () => Job {
  let made = 0
  return () => ({ key: `${name}-${++made}`, request: digestOf(`${name}${made}`) })
}

void t.test('a database that restarts fails what is running with STORE_FAILED, and nothing that was answered is lost', { skip, timeout: 100_000 }, async (t) => {
  const { store } = await (cluster as Cluster).createDatabase()
  const server = await startServer(t, { config: { store, clients: [TRUSTED_BOT] } })
  const client = await clientOf(t, server.url)
  const load = startLoad({ clients: [client], jobs: counted('Restart'), makers: 4 })
  await eventually(() => load.done.length >= 20, 20_000)
  await (cluster as Cluster).stop('SIGQUIT')
  const refused: Answer = await client.trySign(digestOf('Away'))
  t.match(problemIn(refused), { code: 'STORE_FAILED', status: 503, retryable: true })
  t.notMatch(refused.text, /127\.0\.0\.1|postgres|ECONNREFUSED/i, 'nothing internal')
  t.equal((await askAt(`${server.adminUrl}/health/ready`)).status, 503)
  await (cluster as Cluster).start()
  await load.finish()
  t.equal((await askAt(`${server.adminUrl}/health/ready`)).status, 200)
  t.strictSame([...new Set(load.done.map(({ answer }) => answer.status))], [200])
  checkRecorded(t, load.done.flatMap(({ answer }) => signaturesIn(answer)), { log: await fetchLog(client), catalogue: await fetchCatalogue(client) })
  t.notMatch(JSON.stringify(server.logs()), readFileSync(store.passwordFile, 'utf8').trim(), 'no password in the log')
})
