import type { BatchAnswer, BatchOutcome, SignEvent, Warning } from '../schemas/sign.ts'
import type { BatchRun, Outcome, Settled, SignRun } from '../operations/outcome.ts'
import { problemFromError } from './problems.ts'

/** Called once for each outcome, before it is written: log and metrics. */
export type Observer = (outcome: Outcome) => void

/** Yields a signing run as events: `listing` first, one per name as files finish, then warnings and `end`. */
export async function* signEvents(run: SignRun, requestId: string, observe: Observer): AsyncGenerator<SignEvent, void, undefined> {
  const count = { signed: 0, failed: 0, skipped: 0 }
  yield { event: 'listing', kind: run.kind, path: run.path, files: [...run.files] }
  for await (const outcome of run.outcomes) {
    observe(outcome)
    count[outcome.kind] += 1
    yield eventOf(outcome, requestId)
  }
  const warnings = [...run.warnings]
  if (count.signed + count.failed === 0) warnings.push(NO_PACKAGES)
  for (const warning of warnings) yield { event: 'warning', warning }
  yield { event: 'end', ...count }
}

/** Returns the answer to a batch: the outcome of each item in the order of the request. */
export function batchAnswer({ outcomes, warnings }: BatchRun, requestId: string, observe: Observer): BatchAnswer {
  outcomes.forEach(observe)
  return { items: outcomes.map((outcome) => batchOutcome(outcome, requestId)), warnings: [...warnings] }
}

function batchOutcome(outcome: Settled, requestId: string): BatchOutcome {
  const { name: filename } = outcome
  return outcome.kind === 'signed' ? { filename, signature: outcome.signature } : { filename, problem: problemFromError(outcome.error, requestId) }
}

const NO_PACKAGES: Warning = { code: 'NO_PACKAGES', detail: 'the directory has no package' }

function eventOf(outcome: Outcome, requestId: string): SignEvent {
  const { name } = outcome
  switch (outcome.kind) {
    case 'signed':
      return { event: 'signature', name, signature: outcome.signature }
    case 'failed':
      return { event: 'failure', name, problem: problemFromError(outcome.error, requestId) }
    case 'skipped':
      return { event: 'skipped', name, reason: outcome.reason }
  }
}

/** Yields objects as NDJSON, one line each. */
export async function* asNdjson(events: AsyncIterable<object>): AsyncGenerator<string, void, undefined> {
  for await (const event of events) yield `${JSON.stringify(event)}\n`
}

/**
 * Yields events as the one JSON document that a SignAnswer is, piece by piece, so that a long directory is never held as a whole.
 * Signatures stand in the order of the listing: what finishes early waits for its turn.
 */
export async function* asJson(events: AsyncIterable<SignEvent>): AsyncGenerator<string, void, undefined> {
  const members = { failures: '', skipped: '', warnings: '' }
  const turns = createTurns()
  for await (const event of events) {
    if (event.event === 'listing') {
      turns.begin(event.files)
      yield `{"path":${JSON.stringify(event.path)},"files":${JSON.stringify(event.files)},"signatures":{`
    } else if (event.event === 'warning') members.warnings = joined(members.warnings, JSON.stringify(event.warning))
    else if (event.event !== 'end') {
      const { name } = event
      if (event.event === 'failure') members.failures = joined(members.failures, member(name, event.problem))
      if (event.event === 'skipped') members.skipped = joined(members.skipped, member(name, event.reason))
      const text = turns.take(name, event.event === 'signature' ? member(name, event.signature) : '')
      if (text !== '') yield text
    }
  }
  yield `},"failures":{${members.failures}},"skipped":{${members.skipped}},"warnings":[${members.warnings}]}`
}

/**
 * Puts texts back into the order of the listing; holds no more than what overtook an unfinished file. By place, not in a Map from which they
 * are deleted: such a Map makes itself a new table again and again, the old one points at it with all that was in it by then, and once one of
 * them is old for V8 so is every text after it. A directory of 10,000 left 34 MB behind in that way.
 */
function createTurns() {
  let places: ReadonlyMap<string, number> = new Map()
  let texts: (string | undefined)[] = []
  let next = 0
  let written = false
  return {
    begin(listing: readonly string[]): void {
      places = new Map(listing.map((name, place) => [name, place]))
      texts = Array.from({ length: listing.length })
    },
    take(name: string, text: string): string {
      texts[places.get(name) as number] = text
      let ready = ''
      for (let due = texts[next]; due !== undefined; due = texts[next]) {
        ready = joined(ready, due)
        texts[next] = undefined
        next += 1
      }
      if (ready === '') return ''
      const separator = written ? ',' : ''
      written = true
      return separator + ready
    },
  }
}

function member(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`
}

function joined(list: string, item: string): string {
  return list === '' || item === '' ? list + item : `${list},${item}`
}
