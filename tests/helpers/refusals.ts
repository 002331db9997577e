import { accessSync, constants } from 'node:fs'
import { SigningError } from '../../server/errors.ts'

/** Resolves with the code of the SigningError that `what` rejects with, `OK` when it does not, else the error as text. */
export async function codeOf(what: Promise<unknown>): Promise<string> {
  return await what.then(() => 'OK', (error: unknown) => (error instanceof SigningError ? error.code : String(error)))
}

/** The user and group who own nothing. */
export const NOBODY = 65_534

/** Becomes a user who is not root, for whom permissions count; returns how to be root again. */
function becomeNobody(): () => void {
  if (process.geteuid?.() !== 0) return () => undefined
  process.setegid?.(NOBODY)
  process.seteuid?.(NOBODY)
  return () => {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}

/** Runs `check` as a user who is not root. */
export async function asNobody<T>(check: () => Promise<T>): Promise<T> {
  const restore = becomeNobody()
  try {
    return await check()
  } finally {
    restore()
  }
}

/** Why a test that needs {@link asNobody} cannot run in a folder, or false: root may keep its checkout where nobody else gets in. */
export function nobodyCannotReach(path: string): string | false {
  const restore = becomeNobody()
  try {
    accessSync(path, constants.R_OK)
    return false
  } catch {
    return 'skipped: this test runs as root and another user cannot read the checkout'
  } finally {
    restore()
  }
}
