/** Whether counts and sizes are those of the specification (`npm run test:full`) rather than quick ones. */
export const FULL = process.env['TEST_FULL'] === '1' || Number(process.env['TEST_FULL_FACTOR'] ?? 1) > 1

/** Returns the first of two counts in a quick run, the second in a full one. */
export function count(quick: number, full: number): number {
  return FULL ? full : quick
}

/** For tests that take long and whose subject quicker ones cover in part: `false` in a full run, else the reason to skip. */
export const needsFull = FULL ? false : 'part of npm run test:full'
