import type { Machine } from './machine.ts'
import { figureText, goalText, verdictOf, type Measurement, type Result, type Side } from './measurement.ts'

/** One run of the suite, or several put together: what `--json` writes. Results by benchmark, each with the machine it was made on. */
export type Report = Readonly<{ results: readonly (Result & Readonly<{ machine: Machine; quick: boolean; store: string }>)[] }>

/** Returns the lines that a person reads when a benchmark is done. */
export function resultLines(result: Result): readonly string[] {
  const heading = `${result.benchmark} (goal ${result.number}): ${result.title}`
  switch (result.kind) {
    case 'measured':
      return [heading, ...result.measurements.map((measurement) => `  ${measurementLine(measurement)}`)]
    case 'failed':
      return [heading, `  FAILED: ${result.reason}`]
    case 'unavailable':
      return [heading, `  not available here: ${result.reason}`]
  }
}

function measurementLine(measurement: Measurement): string {
  const { name, unit, summary, goal } = measurement
  const verdict = goal === undefined ? 'no goal' : `${verdictOf(measurement)} ${goalText(goal)}`
  return `${name}: median ${figureText(summary.median)} ${unit}, ${figureText(summary.min)} to ${figureText(summary.max)} in ${summary.count} rounds; ${verdict}${sidesText(measurement)}`
}

function sidesText({ sides }: Measurement): string {
  if (sides === undefined) return ''
  const text = ({ label, unit, summary }: Side) => `${label} ${figureText(summary.median)} ${unit}`
  return ` (${text(sides.ours)}; ${text(sides.theirs)})`
}

/** Returns the Markdown table of a report: one row per measurement, failures and what is not available as rows of their own. */
export function markdownTable({ results }: Report): string {
  const rows = results.flatMap((result) => {
    const name = `\`${result.benchmark}\``
    if (result.kind !== 'measured') return [[result.number, `${name}: ${result.title}`, '', '', '', result.kind === 'failed' ? '**failed**' : 'not available', result.reason]]
    return result.measurements.map((measurement) => [result.number, `${name}: ${measurement.name}`, ...measurementCells(measurement)])
  })
  const header = ['goal', 'benchmark', 'median', 'min to max (rounds)', 'wanted', 'verdict', 'beside']
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.map(escapeCell).join(' | ')} |\n`).join('')
}

function measurementCells(measurement: Measurement): readonly string[] {
  const { unit, summary, goal, sides } = measurement
  const beside = sides === undefined ? '' : `${sideText(sides.ours)}; ${sideText(sides.theirs)}`
  return [
    `${figureText(summary.median)} ${unit}`,
    `${figureText(summary.min)} to ${figureText(summary.max)} (${summary.count})`,
    goal === undefined ? '' : goalText(goal),
    goal === undefined ? '' : verdictOf(measurement),
    beside,
  ]
}

function sideText({ label, unit, summary }: Side): string {
  return `${label} ${figureText(summary.median)} ${unit}`
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').slice(0, 300)
}

/** Puts newer results in the place of those of the same benchmark and store, the rest stays; in the order of `names`. */
export function mergeReports(older: Report, newer: Report, names: readonly string[]): Report {
  const isNew = ({ benchmark, store }: Report['results'][number]) => newer.results.some((result) => result.benchmark === benchmark && result.store === store)
  const rank = ({ benchmark }: Report['results'][number]) => (names.indexOf(benchmark) + names.length + 1) % (names.length + 1)
  return { results: [...older.results.filter((result) => !isNew(result)), ...newer.results].toSorted((a, b) => rank(a) - rank(b) || b.store.localeCompare(a.store)) }
}
