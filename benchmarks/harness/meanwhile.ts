/**
 * Samples again and again until `work` is done, at least once; resolves with all samples.
 * @throws what either of them throws, but only when the work is over
 */
export async function meanwhile(work: Promise<unknown>, sample: () => Promise<readonly number[]>): Promise<readonly number[]> {
  const state = { running: true }
  const settled = work.finally(() => (state.running = false))
  const samples: number[] = []
  try {
    do samples.push(...(await sample()))
    while (state.running)
  } finally {
    await settled
  }
  return samples
}
