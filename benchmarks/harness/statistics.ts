/** What is kept of a list of figures. `median` of an even count is the mean of the middle two. */
export type Summary = Readonly<{ median: number; min: number; max: number; count: number }>

/** Returns the summary of at least one finite figure. @throws RangeError for an empty list or a figure that is none */
export function summarise(figures: readonly number[]): Summary {
  const sorted = sortedFigures(figures)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
  return { median, min: sorted[0] as number, max: sorted.at(-1) as number, count: sorted.length }
}

/**
 * Returns the smallest figure that `percent` (0 to 100) of the figures do not exceed (nearest rank): the 99th percentile of 100 figures
 * is the second largest. @throws RangeError for an empty list or a figure that is none
 */
export function percentile(figures: readonly number[], percent: number): number {
  const sorted = sortedFigures(figures)
  const rank = Math.ceil((percent / 100) * sorted.length)
  return sorted[Math.max(rank, 1) - 1] as number
}

/** Returns by how much `y` grows per unit of `x`, by least squares. @throws RangeError for fewer than two different `x` */
export function slope(points: readonly Readonly<{ x: number; y: number }>[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const meanX = mean(points.map(({ x }) => x))
  const meanY = mean(points.map(({ y }) => y))
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0)
  if (!(spread > 0)) throw new RangeError('a slope needs two different points')
  return points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread
}

function sortedFigures(figures: readonly number[]): readonly number[] {
  if (figures.length === 0 || !figures.every((figure) => Number.isFinite(figure))) throw new RangeError('there are no figures, or one of them is not finite')
  return figures.toSorted((a, b) => a - b)
}
