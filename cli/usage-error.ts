/** Something on this side has a fault: the command line, the settings or the credentials. Nothing was sent. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  /** Every fault, each a sentence in lower case. */
  readonly faults: readonly string[]
  /** What to do next, one sentence each. */
  readonly hints: readonly string[]

  constructor(faults: readonly string[], hints: readonly string[] = []) {
    super(faults.join('; '))
    this.faults = faults
    this.hints = hints
  }
}
