import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { openLogKey } from '../../server/store/log-key.ts'
import { openStore } from '../../server/store/open.ts'
import type { Store } from '../../server/store/store.ts'
import type { DatabaseThreadData } from '../../server/store/thread-protocol.ts'
import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { clientNumber, fillCatalogue, idNumber, packageNumber, signedNumber, type Signed } from '../harness/catalogue.ts'
import { interleave } from '../harness/interleave.ts'
import { figureText, type Goal, type Measurement } from '../harness/measurement.ts'
import { startPostgres } from '../harness/postgres.ts'
import { summarise } from '../harness/statistics.ts'

/**
 * What a catalogue and a log of many signatures cost beside those of a thousand: both stores are open at once and asked in turns. No
 * server and no signing; the store is in the thread that it has in the server.
 */
export const growth: Benchmark = { name: 'growth', number: '-', title: 'A catalogue and a log of a million signatures, beside those of a thousand', run }

const KEEP_MS = 60_000
const SMALL = 1000
/** How often each thing is done in a row, and how many times as many rounds there are as elsewhere: what lasts a millisecond is disturbed by anything. */
const [TIMES, ROUNDS] = [10, 5]
const FOUND = 20
/** The number of a signature that no catalogue here has. */
const NOBODYS = 1_000_000_000

/** A store of so many signatures; `next` is the number of the first that it does not have. */
type Filled = Readonly<{ store: Store; size: number; next: () => number }>

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const [small, large] = [await locate(bench, 'small'), await locate(bench, 'large')]
  await fillCatalogue(small, { from: 0, to: SMALL })
  const smallStore = await openFilled(bench, small, SMALL)
  const measured: Measurement[] = []
  let filled = 0
  for (const size of sizesOf(bench)) {
    const ms = await fillCatalogue(large, { from: filled, to: size })
    bench.rounds.say?.(`${bench.store}: ${(size - filled).toLocaleString('en-US')} signatures written, ${Math.round((ms * 1000) / (size - filled))} µs each`)
    const largeStore = await openFilled(bench, large, size)
    for (const deed of DEEDS) measured.push(await compare(bench, deed, { small: smallStore, large: largeStore }))
    await largeStore.store.close()
    filled = largeStore.next()
  }
  return measured
}

function sizesOf({ size }: Bench): readonly number[] {
  return [...new Set([size(100_000, 10_000), size(1_000_000, 10_000)])]
}

async function locate(bench: Bench, name: string): Promise<DatabaseThreadData> {
  const url = bench.store === 'sqlite' ? `sqlite:${join(bench.folder, `${name}.db`)}` : await (await startPostgres(bench)).createDatabase(name)
  return { url, identity: await openLogKey({ origin: `benchmark/${name}`, path: join(bench.folder, `${name}.key`) }), keepMs: KEEP_MS }
}

async function openFilled({ opened }: Bench, location: DatabaseThreadData, size: number): Promise<Filled> {
  const store = await openStore(location)
  opened.defer(async () => await store.close())
  let count = size
  return { store, size, next: () => (count += 1) - 1 }
}

/** What is done to a store, `some` being the number of a signature that it has; once in a round and in one round alone where it is `long`. */
type Deed = Readonly<{ name: string; long?: true; goal?: Goal; perform: (filled: Filled, some: number) => Promise<unknown> }>

const DEEDS: readonly Deed[] = [
  { name: 'sign: look-up of what was never signed', perform: async ({ store }) => await store.lookUp(signedNumber(NOBODYS).subject) },
  { name: 'sign: look-up of what was signed', perform: async ({ store }, some) => await store.lookUp(signedNumber(some).subject) },
  { name: 'sign: recorded durably, one after the other', goal: { kind: 'at-most', value: 1.2 }, perform: async ({ store, next }) => await record(store, signedNumber(next())) },
  { name: 'search by digest', perform: async ({ store }, some) => await expectFound(store.findByDigest(signedNumber(some).signature.sha256)) },
  { name: 'search by package', perform: async ({ store }, some) => await expectFound(store.find({ package: packageNumber(some), limit: FOUND })) },
  { name: 'search for the newest', perform: async ({ store }) => await expectFound(store.find({ limit: FOUND })) },
  { name: 'search for the newest of a client', perform: async ({ store }, some) => await expectFound(store.find({ visibleTo: clientNumber(some), limit: FOUND })) },
  // No index helps here: every signature is looked at.
  { name: 'search by a level that nobody has', long: true, perform: async ({ store }) => await store.find({ vrmf: '9.9.9.9', limit: FOUND }) },
  { name: 'signature by its id', perform: async ({ store }, some) => await expectThere(store.get(idNumber(some))) },
  { name: 'proof', perform: async ({ store }, some) => await expectThere(store.proof(idNumber(some))) },
  { name: 'checkpoint', perform: async ({ store }) => await store.checkpoint() },
  { name: 'audit', long: true, perform: async ({ store }) => await auditStore(store) },
]

async function compare(bench: Bench, { name, long, goal, perform }: Deed, { small, large }: Readonly<{ small: Filled; large: Filled }>): Promise<Measurement> {
  const isLargest = large.size === sizesOf(bench).at(-1)
  const side = (filled: Filled) => ({ label: `${filled.size.toLocaleString('en-US')} signatures`, measure: async () => await medianMs(long === true ? 1 : TIMES, async () => await perform(filled, randomInt(filled.size))) })
  const measurement = await interleave({
    name: `${bench.store}: ${name}`,
    figure: 'cost',
    unit: 'ms',
    ...(goal === undefined || !isLargest ? {} : { goal }),
    ours: side(large),
    theirs: side(small),
  }, long === true ? { warmUp: 0, rounds: 1 } : { warmUp: bench.rounds.warmUp, rounds: bench.rounds.rounds * ROUNDS })
  bench.rounds.say?.(`${large.size.toLocaleString('en-US')}, ${measurement.name}: ratio ${figureText(measurement.summary.median)}`)
  return measurement
}

async function medianMs(times: number, perform: () => Promise<unknown>): Promise<number> {
  const each: number[] = []
  for (let count = 0; count < times; count += 1) {
    const began = performance.now()
    await perform()
    each.push(performance.now() - began)
  }
  return summarise(each).median
}

async function record(store: Store, { subject, signature }: Signed): Promise<void> {
  const { kind } = await store.record(subject, signature)
  if (kind !== 'recorded') throw new Error(`a signature was not recorded: ${kind}`)
}

async function expectFound(found: Promise<readonly unknown[]>): Promise<void> {
  if ((await found).length === 0) throw new Error('a search found nothing')
}

async function expectThere(found: Promise<unknown>): Promise<void> {
  if ((await found) === undefined) throw new Error('a signature is not there')
}

async function auditStore(store: Store): Promise<void> {
  const { intact, findings } = await store.audit()
  if (!intact) throw new Error(`the audit found ${JSON.stringify(findings)}`)
}
