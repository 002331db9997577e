import { hash, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { openLogKey } from '../../server/store/log-key.ts'
import { openDatabase } from '../../server/store/open-database.ts'
import { openStore } from '../../server/store/open.ts'
import type { Store } from '../../server/store/store.ts'
import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import type { Measurement } from '../harness/measurement.ts'
import { profileOwnThread } from '../harness/own-profile.ts'
import { startPostgres } from '../harness/postgres.ts'

/** What commits in groups gain: the same store with 64 signatures on their way at once, beside one after the other; no server, no signing. */
export const groupCommit: Benchmark = { name: 'group-commit', number: '-', title: 'Signatures committed together, beside one by one', run }

const KEEP_MS = 60_000
const TOGETHER = 64

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const identity = await openLogKey({ origin: 'benchmark/log', path: join(bench.folder, 'log.key') })
  // A profile sees one thread: where it is wanted the database works in this one.
  const store = await openStore({ url: await urlOf(bench), identity, keepMs: KEEP_MS }, ...(bench.profileFolder === undefined ? [] : [openDatabase]))
  bench.opened.defer(async () => await store.close())
  await profileOwnThread(bench, 'group-commit')
  const signatures = bench.size(2000, 200)
  return [await interleave({
    name: bench.store,
    figure: 'rate',
    unit: 'signatures/s',
    ours: { label: `${TOGETHER} at once`, measure: async () => await rateOf(store, signatures, TOGETHER) },
    theirs: { label: 'one after the other', measure: async () => await rateOf(store, signatures / 10, 1) },
  }, bench.rounds)]
}

async function urlOf(bench: Bench): Promise<string> {
  if (bench.store === 'sqlite') return `sqlite:${join(bench.folder, 'group-commit.db')}`
  return await (await startPostgres(bench)).createDatabase('group_commit')
}

/** Records so many signatures, each of a content of its own, and returns how many a second. */
async function rateOf(store: Store, signatures: number, together: number): Promise<number> {
  let left = signatures
  const began = performance.now()
  await Promise.all(Array.from({ length: together }, async () => {
    while (left > 0) {
      left -= 1
      await record(store)
    }
  }))
  return signatures / ((performance.now() - began) / 1000)
}

async function record(store: Store): Promise<void> {
  const id = randomUUID()
  const sha256 = hash('sha256', id)
  const signature = Buffer.alloc(256, sha256, 'hex').toString('base64')
  await store.record(
    { artefact: hash('sha256', sha256), sha256, levels: [], force: false, resign: false, recipient: { client: 'benchmark', spkiSha256: sha256 } },
    {
      id, filename: 'x', format: 'other', source: 'digest', sha256, sizeBytes: 1, keyid: '1001', algorithm: 'rsa-2048-sha256', covers: 'file', signature, signedAt: new Date().toISOString(), records: [],
    },
  )
}
