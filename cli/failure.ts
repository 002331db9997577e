import type { Problem } from '../sdk/index.ts'
import { isAboutFile } from './exit-status.ts'

/** Why something failed, as far as it is printed: a problem of the server, or something about a file of this machine, which has no more. */
export type Failure = Readonly<{ code: string; detail: string; hint: string }> & Partial<Omit<Problem, 'code' | 'detail' | 'hint'>>

type Coded = Readonly<{ name?: unknown; code?: unknown; detail?: unknown; hint?: unknown; toJSON?: () => Problem }>

/** Codes that a later file need not meet: they are about this request and not about every one. */
const PASSING: ReadonlySet<string> = new Set(['SERVER_BUSY', 'FORM_NOT_AVAILABLE', 'REQUEST_TIMEOUT', 'BODY_TOO_LARGE'])

/**
 * Returns why a file failed when that says nothing about the next one: a problem about this file, or a fault of the file itself here.
 * Undefined for everything that ends a whole run.
 */
export function failureOf(error: unknown): Failure | undefined {
  const fault = error as Coded
  if (fault.name === 'LocalFileError') return { code: fault.code as string, detail: fault.detail as string, hint: fault.hint as string }
  if (fault.name !== 'ProblemError') return undefined
  const problem = fault.toJSON!()
  return isAboutFile(problem.code) || PASSING.has(problem.code) ? problem : undefined
}

/** Returns why a file of this machine cannot be read. Throws what is no fault of the file system. */
export function fileFailure(error: unknown): Failure {
  const { code, syscall } = error as NodeJS.ErrnoException
  if (syscall === undefined) throw error
  const detail = code === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${code})`
  return { code: 'FILE_UNREADABLE', detail, hint: 'Check the spelling of the name and whether you may read the file.' }
}
