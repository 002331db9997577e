import { accessSync, constants } from 'node:fs'
import { SigningError } from '../../server/errors.ts'

/** Resolves with the code of the SigningError that `what` rejects with, `OK` when it does not, else the error as text. */
export async function codeOf(what: Promise<unknown>): Promise<string> {
  return await what.then(() => 'OK', (error: unknown) => (error instanceof SigningError ? error.code : String(error)))
}

/** The user and group who own nothing. */
export const NOBODY = 65_534

/** Runs `check` as a user who is not root, for whom permissions count. */
export async function asNobody<T>(check: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await check()
  process.setegid?.(NOBODY)
  process.seteuid?.(NOBODY)
  try {
    return await check()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}

/** Why a test that needs {@link asNobody} cannot run in a folder, or false: root may keep its checkout where nobody else gets in. */
export function nobodyCannotReach(path: string): string | false {
  try {
    asNobodySync(() => accessSync(path, constants.R_OK))
    return false
  } catch {
    return 'skipped: this test runs as root and another user cannot read the checkout'
  }
}

function asNobodySync(check: () => void): void {
  if (process.geteuid?.() !== 0) return check()
  process.setegid?.(NOBODY)
  process.seteuid?.(NOBODY)
  try {
    check()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}
