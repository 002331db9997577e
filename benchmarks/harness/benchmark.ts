import type { Measurement } from './measurement.ts'
import type { Rounds } from './interleave.ts'

/** Where the catalogue lies during a run. */
export const STORES = ['sqlite', 'postgres'] as const
export type StoreKind = (typeof STORES)[number]

/** What a benchmark gets to work with. */
export type Bench = Readonly<{
  /** A private folder, removed behind the benchmark. */
  folder: string
  store: StoreKind
  rounds: Rounds
  /** Returns the first of two sizes in a full run, the second in a quick one. */
  size: (full: number, quick: number) => number
  /** Where CPU profiles are written at the end, if they are wanted. */
  profileFolder?: string | undefined
  /** Whatever is deferred here is closed behind the benchmark, the last first. */
  opened: AsyncDisposableStack
}>

/** One file of `benchmarks/goals/`. `number` is that of the table of goals, `-` for a figure without one. */
export type Benchmark = Readonly<{ name: string; number: string; title: string; run: (bench: Bench) => Promise<readonly Measurement[]> }>
