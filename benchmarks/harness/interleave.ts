import { figureText, type Goal, type Measurement } from './measurement.ts'
import { summarise } from './statistics.ts'

/** How one side is measured: resolves with a rate, where more is better, or with a duration or a size, where less is. */
export type Measure = () => Promise<number>

/** Two things to compare. `figure` says what both sides return: a rate is divided ours by theirs, a time theirs by ours, a cost ours by theirs. */
export type Comparison = Readonly<{
  name: string
  figure: 'rate' | 'time' | 'cost'
  unit: string
  ours: Readonly<{ label: string; measure: Measure }>
  theirs: Readonly<{ label: string; measure: Measure }>
  goal?: Goal
}>

/** How often: `warmUp` rounds are run and thrown away, `rounds` are kept. `say` is told each round as it is done. */
export type Rounds = Readonly<{ warmUp: number; rounds: number; say?: (text: string) => void }>

/**
 * Measures both sides round by round, alternating who begins, and returns the ratio: each round gives one, made of two figures that lie
 * as near together in time as they can, so that what else the machine does meets both.
 * @throws RangeError when a side returns something that is no positive number, and whatever a side throws
 */
export async function interleave(comparison: Comparison, { warmUp, rounds, say }: Rounds): Promise<Measurement> {
  const { name, figure, unit, ours, theirs, goal } = comparison
  const kept: { ours: number; theirs: number; ratio: number }[] = []
  for (let round = 0; round < warmUp + rounds; round += 1) {
    const pair = await measurePair(comparison, round % 2 === 0)
    const ratio = figure === 'time' ? pair.theirs / pair.ours : pair.ours / pair.theirs
    if (round >= warmUp) kept.push({ ...pair, ratio })
    say?.(`${name}: ${figureText(pair.ours)} to ${figureText(pair.theirs)} ${unit}, ratio ${figureText(ratio)}${round < warmUp ? ' (warm-up)' : ''}`)
  }
  const side = (label: string, figures: readonly number[]) => ({ label, unit, summary: summarise(figures) })
  return {
    name,
    unit: '×',
    summary: summarise(kept.map(({ ratio }) => ratio)),
    ...(goal === undefined ? {} : { goal }),
    sides: { ours: side(ours.label, kept.map((pair) => pair.ours)), theirs: side(theirs.label, kept.map((pair) => pair.theirs)) },
  }
}

/** One figure that is compared with nothing but its goal. */
export type Single = Readonly<{ name: string; unit: Measurement['unit']; measure: Measure; goal?: Goal }>

/** Measures one figure as often as `rounds` says, behind the warm-up. @throws whatever it throws */
export async function repeat({ name, unit, measure, goal }: Single, { warmUp, rounds, say }: Rounds): Promise<Measurement> {
  const kept: number[] = []
  for (let round = 0; round < warmUp + rounds; round += 1) {
    const figure = await measure()
    if (round >= warmUp) kept.push(figure)
    say?.(`${name}: ${figureText(figure)} ${unit}${round < warmUp ? ' (warm-up)' : ''}`)
  }
  return { name, unit, summary: summarise(kept), ...(goal === undefined ? {} : { goal }) }
}

async function measurePair({ ours, theirs }: Comparison, oursFirst: boolean): Promise<Readonly<{ ours: number; theirs: number }>> {
  if (!oursFirst) {
    const second = await positive(theirs)
    return { ours: await positive(ours), theirs: second }
  }
  const first = await positive(ours)
  return { ours: first, theirs: await positive(theirs) }
}

async function positive({ label, measure }: Comparison['ours']): Promise<number> {
  const figure = await measure()
  if (!Number.isFinite(figure) || figure <= 0) throw new RangeError(`${label} gave ${figure}, which is no figure to compare`)
  return figure
}
