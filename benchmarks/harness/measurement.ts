import type { Summary } from './statistics.ts'

/** What a figure should be. It is the median that is compared. */
export type Goal = Readonly<{ kind: 'at-least' | 'at-most'; value: number }>

/** `×` is a ratio of two things of one run; everything else is a figure of this machine at this time. */
export type Unit = '×' | 'MiB' | 'ms' | 'µs' | '/s'

/** One side of a ratio: what it is, in what its own figures are, and those figures. */
export type Side = Readonly<{ label: string; unit: string; summary: Summary }>

/** One line of the table. `goal` is absent where the table of goals has none; `sides` where the figure is no ratio. */
export type Measurement = Readonly<{ name: string; unit: Unit; summary: Summary; goal?: Goal; sides?: Readonly<{ ours: Side; theirs: Side }> }>

/** Whether a measurement reaches its goal; `no goal` where there is none. */
export type Verdict = 'meets' | 'misses' | 'no goal'

/** What became of one benchmark. `number` is that of the table of goals, `-` where it has none. */
export type Result = Readonly<{ benchmark: string; number: string; title: string; seconds: number }> &
  Readonly<{ kind: 'measured'; measurements: readonly Measurement[] } | { kind: 'failed'; reason: string } | { kind: 'unavailable'; reason: string }>

/** Returns the verdict of a measurement. */
export function verdictOf({ goal, summary }: Pick<Measurement, 'goal' | 'summary'>): Verdict {
  if (goal === undefined) return 'no goal'
  const isMet = goal.kind === 'at-least' ? summary.median >= goal.value : summary.median <= goal.value
  return isMet ? 'meets' : 'misses'
}

/** Returns a goal as the tables show it, such as `≥ 0.88`. */
export function goalText(goal: Goal): string {
  return `${goal.kind === 'at-least' ? '≥' : '≤'} ${figureText(goal.value)}`
}

/** Returns a figure with three significant digits, or as a whole number from 1,000 on. */
export function figureText(figure: number): string {
  return Math.abs(figure) >= 1000 ? Math.round(figure).toLocaleString('en-US') : String(Number(figure.toPrecision(3)))
}

/** A benchmark cannot run here: a program or a part of the server is missing. It is neither met nor missed. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
}
