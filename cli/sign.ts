import { basename } from 'node:path'
import type { Problem, SignEvent, SignRequest, SkipReason } from '../sdk/index.ts'
import { EXIT, isAboutFile, type ExitStatus } from './exit-status.ts'
import { explainFailure, hintLine } from './explain.ts'
import { signForm, type OutcomeEvent } from './output.ts'
import { startProgress } from './progress.ts'
import type { Session } from './session.ts'
import type { Stop } from './terminal.ts'
import { createTurns } from './turns.ts'

const SKIP_SENTENCES: Readonly<Record<SkipReason, string>> = {
  DIRECTORY: 'a directory; --recursive signs what is in it',
  TOC: 'a table of contents is not signed',
  SPECIAL_FILE: 'a device, pipe, socket or the like is not signed',
  NOT_A_PACKAGE: 'not an installp package image',
  FORMAT_NOT_ACCEPTED: 'a format that the server is not configured to sign',
}

/**
 * Signs a file or a directory and prints the outcomes in the order of the listing, each as soon as its turn comes. Returns `done`, or
 * `notSigned` when a requested file was not signed.
 * @throws ProblemError when the server refuses the request as a whole; ConnectionError; the reason of the signal. What was signed
 * until then is printed before.
 */
export async function signCommand(session: Session, request: SignRequest): Promise<ExitStatus> {
  let run: Run | undefined
  try {
    for await (const event of session.client.signEvents(request, { signal: session.io.signal })) {
      run ??= await beginRun(session, event)
      await run.take(event)
    }
    // The SDK throws when there was no `end`, so there was an event.
    return await run!.finish()
  } catch (error) {
    await run?.cutOff()
    if (run !== undefined || !(error instanceof session.sdk.ProblemError) || !isAboutFile(error.code)) throw error
    explainFailure(session.terminal, basename(request.path), error)
    return EXIT.notSigned
  }
}

type Run = Readonly<{ take: (event: SignEvent) => Promise<void>; finish: () => Promise<ExitStatus>; cutOff: () => Promise<void> }>

async function beginRun({ terminal, settings, sdk, io }: Session, listing: SignEvent): Promise<Run> {
  if (listing.event !== 'listing') throw new sdk.ConnectionError('ANSWER_NOT_UNDERSTOOD', 'the answer does not begin with the listing')
  const isDirectory = listing.kind === 'directory'
  const form = signForm(settings.output, { isDirectory, sdk })
  const turns = createTurns<OutcomeEvent>(listing.files)
  const bar = terminal.live && isDirectory ? startProgress(terminal, listing.files.length, io.now) : undefined
  const count = { signature: 0, failure: 0, skipped: 0 }
  const problems: Problem[] = []

  const print = async (outcomes: readonly OutcomeEvent[]) => {
    for (const outcome of outcomes) {
      if (outcome.event === 'failure') terminal.line(`${outcome.name}: ${outcome.problem.code} ${outcome.problem.detail}`)
      if (outcome.event === 'skipped') terminal.note(`${outcome.name}: ${outcome.reason} ${SKIP_SENTENCES[outcome.reason] ?? 'not signed'}`)
      await terminal.out(form.outcome(outcome))
    }
  }
  const summary = (word: string) => `${word}${count.signature} of ${listing.files.length} files, failed ${count.failure}, skipped ${count.skipped}`

  return {
    take: async (event) => {
      await terminal.out(form.event(event))
      if (event.event === 'warning') terminal.line(`warning: ${event.warning.code} ${event.warning.detail}`)
      if (!isOutcome(event)) return
      count[event.event] += 1
      if (event.event === 'failure') problems.push(event.problem)
      bar?.add(event.event === 'signature' ? event.signature.sizeBytes : 0)
      await print(turns.take(event.name, event))
    },
    finish: async () => {
      bar?.stop()
      await terminal.out(form.end())
      for (const hint of new Set(problems.map(hintLine))) terminal.line(hint)
      if (problems[0] !== undefined) terminal.line(`request id: ${problems[0].instance.replace('urn:uuid:', '')}`)
      if (isDirectory) terminal.note(summary('signed '))
      return count.failure === 0 ? EXIT.done : EXIT.notSigned
    },
    cutOff: async () => {
      bar?.stop()
      if (outputClosed(io.signal)) return
      // What the fault was is said by whoever reports it; a second one on the way is of no interest.
      await print(turns.rest()).catch(() => undefined)
      terminal.line(summary('cut off: signed '))
    },
  }
}

function outputClosed({ reason }: AbortSignal): boolean {
  return (reason as Stop | undefined)?.kind === 'output-closed'
}

function isOutcome(event: SignEvent): event is OutcomeEvent {
  return event.event === 'signature' || event.event === 'failure' || event.event === 'skipped'
}
