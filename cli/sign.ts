import { basename, join } from 'node:path'
import type { KeyOptions, SignPathRequest } from '../sdk/index.ts'
import { EXIT, isAboutFile, type ExitStatus } from './exit-status.ts'
import { explainFailure } from './explain.ts'
import { keptEvents, type Keeper } from './keep.ts'
import type { RunEvent } from './output.ts'
import type { Session } from './session.ts'
import { showRun } from './sign-run.ts'

/** How it is signed beside what the request says: what names the request, and what is done with each signature. */
export type SignWays = KeyOptions & Readonly<{ keeper: Keeper | undefined }>

/**
 * Signs a file or a directory that the server can read, and prints the outcomes. Where signatures are kept, the path is one of this
 * machine too. Returns `done`, or `notSigned` when a requested file was not signed.
 * @throws ProblemError when the server refuses the request as a whole; ConnectionError; the reason of the signal
 */
export async function signCommand(session: Session, request: SignPathRequest, { keeper, ...key }: SignWays): Promise<ExitStatus> {
  let begun = false
  let pathOf = (_name: string): string => request.path
  const events = async function* (): AsyncGenerator<RunEvent, void, undefined> {
    for await (const event of session.client.signEvents(request, { ...key, signal: session.io.signal })) {
      begun = true
      if (event.event === 'listing' && event.kind === 'directory') pathOf = (name) => join(request.path, name)
      yield event
    }
  }
  try {
    return await showRun(session, keeper === undefined ? events() : keptEvents(events(), keeper, (name) => pathOf(name)))
  } catch (error) {
    if (begun || !(error instanceof session.sdk.ProblemError) || !isAboutFile(error.code)) throw error
    explainFailure(session.terminal, basename(request.path), error)
    return EXIT.notSigned
  }
}
