/**
 * Why nothing can be read from a keystore: `damaged` (it is not one, or not any more), `passphrase` (or damaged: who cannot check the
 * one cannot tell it from the other), `refused` with the end of a sentence that begins with the path of the keystore.
 */
export type KeystoreProblem = Readonly<{ kind: 'damaged' } | { kind: 'passphrase' } | { kind: 'refused'; sentence: string }>

/** Thrown where a keystore cannot be read. Names no path and holds nothing of what is in it. */
export class KeystoreFault extends Error {
  override readonly name = 'KeystoreFault'
  readonly problem: KeystoreProblem

  constructor(problem: KeystoreProblem, options: { cause?: unknown } = {}) {
    super(problem.kind === 'refused' ? problem.sentence : problem.kind, options)
    this.problem = problem
  }
}

/** Returns the fault of a keystore that may be sound, but not for us. */
export function refused(sentence: string, cause?: unknown): KeystoreFault {
  return new KeystoreFault({ kind: 'refused', sentence }, { cause })
}
