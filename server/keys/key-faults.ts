/**
 * Why keys of the configuration cannot be opened. Each fault is one sentence for the operator, with the path and the remedy, without
 * any key material. Thrown only while the server starts, never for a request: a path has no business in an answer, which is why this
 * is no SigningError.
 */
export class KeyFaults extends Error {
  override readonly name = 'KeyFaults'
  readonly faults: readonly string[]

  constructor(faults: readonly string[], options: { cause?: unknown } = {}) {
    super(faults.join('\n'), options)
    this.faults = faults
  }
}
