import { SigningError } from '../../server/errors.ts'

/** Resolves with the code of the SigningError that `what` rejects with, `OK` when it does not, else the error as text. */
export async function codeOf(what: Promise<unknown>): Promise<string> {
  return await what.then(() => 'OK', (error: unknown) => (error instanceof SigningError ? error.code : String(error)))
}

/** Runs `check` as a user who is not root, for whom permissions count. */
export async function asNobody<T>(check: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await check()
  process.setegid?.(65_534)
  process.seteuid?.(65_534)
  try {
    return await check()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}
