import type { SkipReason } from '../sdk/index.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import { hintLine } from './explain.ts'
import type { Failure } from './failure.ts'
import { signForm, type Layout, type OutcomeEvent, type RunEvent } from './output.ts'
import { startProgress, type ProgressBar } from './progress.ts'
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

/** How a run is shown, where its listing does not tell; `bar` is stopped when the run ends. */
export type RunFacts = Readonly<{ layout?: Layout; bar?: ProgressBar | undefined }>

/**
 * Prints the outcomes of a run in the order of its listing, each as soon as its turn comes. Returns `done`, or `notSigned` when a
 * requested file was not signed.
 * @throws what `events` throws; what was signed until then is printed before
 */
export async function showRun(session: Session, events: AsyncIterable<RunEvent>, facts: RunFacts = {}): Promise<ExitStatus> {
  let run: Run | undefined
  try {
    for await (const event of events) {
      run ??= await beginRun(session, event, facts)
      await run.take(event)
    }
    // What has no `end` throws, so there was an event.
    return await run!.finish()
  } catch (error) {
    if (run === undefined) facts.bar?.stop()
    else await run.cutOff()
    throw error
  }
}

type Run = Readonly<{ take: (event: RunEvent) => Promise<void>; finish: () => Promise<ExitStatus>; cutOff: () => Promise<void> }>

async function beginRun({ terminal, settings, sdk, io }: Session, listing: RunEvent, facts: RunFacts): Promise<Run> {
  if (listing.event !== 'listing') throw new sdk.ConnectionError('ANSWER_NOT_UNDERSTOOD', 'the answer does not begin with the listing')
  const layout = facts.layout ?? listing.kind
  const form = signForm(settings.output, { layout, sdk })
  const turns = createTurns<OutcomeEvent>(listing.files)
  const bar = facts.bar ?? (terminal.live && layout === 'directory' ? startProgress(terminal, { total: listing.files.length, now: io.now }) : undefined)
  const count = { signature: 0, failure: 0, skipped: 0 }
  const problems: Failure[] = []

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
      if (event.event === 'end' && event.replayed === true) terminal.note('this is the answer of an earlier run with the same --idempotency-key')
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
      const named = problems.find(({ instance }) => instance !== undefined)
      if (named !== undefined) terminal.line(`request id: ${named.instance!.replace('urn:uuid:', '')}`)
      if (layout !== 'file') terminal.note(summary('signed '))
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

function isOutcome(event: RunEvent): event is OutcomeEvent {
  return event.event === 'signature' || event.event === 'failure' || event.event === 'skipped'
}
