import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { rateOf, type ArrivalsResult, type Load } from '../harness/load.ts'
import type { Measurement } from '../harness/measurement.ts'
import { MIB, writePackages } from '../harness/packages.ts'
import { prepare } from '../harness/prepare.ts'
import { memoryGrowth } from '../harness/process-memory.ts'
import { percentile, summarise } from '../harness/statistics.ts'

/**
 * What happens when more is asked than can be done: packages of 8 MiB arrive at twice, four and ten times the rate at which they can be
 * signed, for a minute each. Large packages, so that what the requests themselves cost the machine stays beside the point.
 */
export const overload: Benchmark = { name: 'overload', number: '-', title: 'Two, four and ten times the capacity for a minute', run }

/** How many connections the clients have together; the server takes 1,000. */
const CONNECTIONS = 800
/** The documented answers of a server that has too much to do. */
const DOCUMENTED = new Set(['503 SERVER_BUSY', '429 RATE_LIMITED', '503 SIGNER_BUSY'])

async function run(bench: Bench): Promise<readonly Measurement[]> {
  const { place, server, load, anew } = await prepare(bench)
  const { paths } = writePackages(place.root, 'eight', { count: 20, sizeBytes: 8 * MIB })
  const source = { kind: 'sign-paths', paths, members: anew } as const
  const peak = await peakOf(load, { port: server.port, source, durationMs: bench.size(10_000, 1000) })
  bench.rounds.say?.(`capacity ${Math.round(peak)} packages/s`)
  const measured: Measurement[] = []
  for (const factor of [2, 4, 10]) {
    let result: ArrivalsResult | undefined
    const task = { port: server.port, connections: CONNECTIONS, source, perSecond: peak * factor, durationMs: bench.size(60_000, 1000) }
    const growth = await memoryGrowth(server.pid, async () => (result = await load.arrivals(task)))
    measured.push(...measurementsOf(result as unknown as ArrivalsResult, { factor, peak, growth }))
    bench.rounds.say?.(`${factor} × the capacity: ${describe(result as unknown as ArrivalsResult)}`)
  }
  return measured
}

async function peakOf(load: Load, { durationMs, ...task }: Readonly<{ port: number; source: Parameters<Load['requests']>[0]['source']; durationMs: number }>): Promise<number> {
  const rates: number[] = []
  for (const connections of [8, 32]) rates.push(rateOf(await load.requests({ ...task, connections, extent: { durationMs } })))
  return Math.max(...rates)
}

function measurementsOf(result: ArrivalsResult, { factor, peak, growth }: Readonly<{ factor: number; peak: number; growth: number }>): readonly Measurement[] {
  const wrong = Object.keys(result.refusals).filter((refusal) => !DOCUMENTED.has(refusal))
  if (wrong.length > 0) throw new Error(`at ${factor} times the capacity the server answered ${wrong.join(', ')}`)
  if (result.retryAfterMissing > 0) throw new Error(`${result.retryAfterMissing} refusals had no Retry-After`)
  if (result.broken > 0) throw new Error(`${result.broken} requests got no answer`)
  const figure = (name: string, value: number, rest: Pick<Measurement, 'unit' | 'goal'>): Measurement => ({ name: `${factor} × the capacity: ${name}`, summary: summarise([value]), ...rest })
  return [
    figure('signed, beside the peak', rateOf(result) / peak, { unit: '×', goal: { kind: 'at-least', value: 0.9 } }),
    figure('memory growth', growth / MIB, { unit: 'MiB', goal: { kind: 'at-most', value: 64 } }),
    figure('p99 of what was signed', percentile(result.latenciesMs, 99), { unit: 'ms' }),
  ]
}

function describe({ answered, refusals, withheld }: ArrivalsResult): string {
  return `${answered} signed, refused ${JSON.stringify(refusals)}, ${withheld} not sent for want of a connection; every request was answered`
}
