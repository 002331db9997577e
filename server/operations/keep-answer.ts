import { asSigningError, SigningError, type ErrorCode } from '../errors.ts'
import type { AnswerHead, AnswerItem, Answers, Asked } from '../store/store.ts'
import type { BatchRun, Outcome, SignRun } from './outcome.ts'

export type KeepDeps = Readonly<{ store: Answers; isFinal: (error: unknown) => boolean }>

/**
 * Makes the first answer to a request that was begun, and keeps it: durably, before the last of its outcomes is handed on. Whatever goes
 * wrong, the request does not stay begun: it ends kept, or given up.
 * @throws SigningError `REQUEST_IN_PROGRESS` when another attempt has taken the request over, `STORE_FAILED`, `STORAGE_FULL`, and what `make` throws
 */
export async function keepAnswer({ store, isFinal }: KeepDeps, asked: Asked, make: () => Promise<SignRun | BatchRun>, signal: AbortSignal): Promise<SignRun | BatchRun> {
  const attempt = createAttempt(store, asked, signal)
  try {
    signal.throwIfAborted()
    const run = await make()
    if (run.kind !== 'batch') return { ...run, outcomes: keptOutcomes(run, attempt, isFinal) }
    const interrupted = run.outcomes.find(isInterrupted)
    if (interrupted !== undefined) throw interrupted.error
    await attempt.keep({ kind: 'batch', path: '', warnings: run.warnings }, run.outcomes.map(itemOf))
    return run
  } catch (error) {
    await end(attempt, error, isFinal)
    throw error
  }
}

/** An attempt at a request, until it is kept or given up. */
type Attempt = Readonly<{
  /** Tells that somebody reads the outcomes, and so will come to their end or let go of them. */
  read(): void
  keep(head: AnswerHead, items: readonly AnswerItem[]): Promise<void>
  giveUp(): Promise<void>
}>

function createAttempt(store: Answers, asked: Asked, signal: AbortSignal): Attempt {
  let isOver = false
  const over = (): void => {
    isOver = true
    signal.removeEventListener('abort', unread)
  }
  const giveUp = async (): Promise<void> => {
    if (isOver) return
    over()
    // What cannot be given up ends by itself when nothing is heard of it.
    await store.giveUp(asked).catch(() => undefined)
  }
  // An answer whose reader goes away before it begins has no end of its own.
  const unread = (): void => void giveUp()
  signal.addEventListener('abort', unread)
  return {
    read: () => signal.removeEventListener('abort', unread),
    keep: async (head, items) => {
      const kept = await store.answer(asked, head, items)
      over()
      if (!kept) throw new SigningError('REQUEST_IN_PROGRESS', 'another attempt has taken this request over', { retryAfterMs: 1000 })
    },
    giveUp,
  }
}

async function* keptOutcomes({ kind, path, files, warnings, outcomes }: SignRun, attempt: Attempt, isFinal: KeepDeps['isFinal']): AsyncGenerator<Outcome, void, undefined> {
  attempt.read()
  const places = new Map(files.map((name, index) => [name, index]))
  const items: AnswerItem[] = []
  let interruption: unknown
  try {
    for await (const outcome of outcomes) {
      // A single file that is not signed is a problem, and the whole answer.
      if (kind === 'file' && outcome.kind === 'failed') {
        await end(attempt, outcome.error, isFinal)
        return yield outcome
      }
      if (isInterrupted(outcome)) interruption ??= outcome.error
      items.push(itemOf(outcome, places.get(outcome.name) as number))
      yield outcome
    }
    if (interruption !== undefined) throw interruption
    await attempt.keep({ kind, path, warnings }, items)
  } finally {
    await attempt.giveUp()
  }
}

/** Ends a request whose whole answer is a problem: kept when the problem would come again, else given up. */
async function end(attempt: Attempt, error: unknown, isFinal: KeepDeps['isFinal']): Promise<void> {
  if (!isFinal(error)) return await attempt.giveUp()
  const { code, message } = asSigningError(error)
  await attempt.keep({ kind: 'problem', path: '', warnings: [] }, [{ name: '', listed: 0, kind: 'failed', code, detail: message }])
}

function itemOf(outcome: Outcome, listed: number): AnswerItem {
  const { name } = outcome
  switch (outcome.kind) {
    case 'signed': {
      const { id: signatureId, filename, replayed, also } = outcome.signature
      return { name, listed, kind: 'signed', signatureId, filename, replayed, ...(also === undefined ? {} : { also: also.map((other) => ({ signatureId: other.id, replayed: other.replayed })) }) }
    }
    case 'failed': {
      const { code, message } = asSigningError(outcome.error)
      return { name, listed, kind: 'failed', code, detail: message }
    }
    case 'skipped':
      return { name, listed, kind: 'skipped', reason: outcome.reason }
  }
}

/** What was not tried to its end says nothing of what the same request would give the next time. */
function isInterrupted(outcome: Outcome): outcome is Extract<Outcome, { kind: 'failed' }> {
  return outcome.kind === 'failed' && INTERRUPTIONS.has(asSigningError(outcome.error).code)
}

const INTERRUPTIONS: ReadonlySet<ErrorCode> = new Set(['REQUEST_ABORTED', 'SHUTTING_DOWN'])
