import { figureText, verdictOf, type Goal, type Measurement } from './measurement.ts'
import type { Report } from './table.ts'

const ROW = 18
const LABEL_WIDTH = 420
const BAR_WIDTH = 300
const WIDTH = LABEL_WIDTH + BAR_WIDTH + 90
/** How far the axis goes: three times the goal. What is better than that ends there. */
const AXIS = 3

/**
 * Returns an SVG with one bar per measurement that has a goal: the median against the goal, which is the line at 1. Right of the line is
 * better, for times and sizes too. The thin line over each bar goes from the worst round to the best.
 */
export function chart({ results }: Report): string {
  const rows = results.flatMap((result) => (result.kind === 'measured' ? result.measurements.filter(({ goal }) => goal !== undefined).map((measurement) => ({ label: `${result.benchmark}: ${measurement.name}`, measurement })) : []))
  const height = (rows.length + 2) * ROW
  const goalX = LABEL_WIDTH + BAR_WIDTH / AXIS
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...rows.map((row, index) => rowSvg(row, index * ROW + ROW)),
    `<line x1="${goalX}" y1="${ROW / 2}" x2="${goalX}" y2="${height - ROW}" stroke="#000"/>`,
    `<text x="${goalX}" y="${height - 4}" text-anchor="middle">goal</text>`,
    '</svg>\n',
  ].join('\n')
}

function rowSvg({ label, measurement }: Readonly<{ label: string; measurement: Measurement }>, y: number): string {
  const { summary, unit } = measurement
  const goal = measurement.goal as Goal
  const x = (figure: number) => LABEL_WIDTH + Math.min(Math.max(score(figure, goal), 0), AXIS) * (BAR_WIDTH / AXIS)
  const [median, a, b] = [x(summary.median), x(summary.min), x(summary.max)]
  const fill = verdictOf(measurement) === 'meets' ? '#2a7' : '#c43'
  const middle = y + ROW / 2 - 2
  return [
    `<text x="${LABEL_WIDTH - 8}" y="${middle + 4}" text-anchor="end">${escapeXml(label)}</text>`,
    `<rect x="${LABEL_WIDTH}" y="${y}" width="${round(median - LABEL_WIDTH)}" height="${ROW - 4}" fill="${fill}"/>`,
    `<line x1="${round(Math.min(a, b))}" y1="${middle}" x2="${round(Math.max(a, b))}" y2="${middle}" stroke="#333"/>`,
    `<text x="${LABEL_WIDTH + BAR_WIDTH + 6}" y="${middle + 4}">${escapeXml(`${figureText(summary.median)} ${unit}`)}</text>`,
  ].join('\n')
}

/** How much of its goal a figure reaches: 1 is the goal, more is better. */
function score(figure: number, { kind, value }: Goal): number {
  return kind === 'at-least' ? figure / value : value / Math.max(figure, Number.EPSILON)
}

function round(figure: number): number {
  return Math.round(figure * 10) / 10
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
