import { FormatError } from '../formats/index.ts'

/** Returns what `work` returns, or the FormatError that it throws; throws everything else. */
export function attempt<T>(work: () => T): T | FormatError {
  try {
    return work()
  } catch (error) {
    if (error instanceof FormatError) return error
    throw error
  }
}
