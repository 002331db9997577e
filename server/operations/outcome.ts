import type { SkipReason, Warning } from '../schemas/sign.ts'
import type { Signature } from '../schemas/signature.ts'

/** What was learnt of something while it was being signed, for the logs: where it lies, and its SHA-256 (64 hexadecimal digits). */
export type Learnt = Readonly<{ place?: Readonly<{ root: string; relativePath: string }>; sha256?: string }>

/** What became of one name. What was never opened, or has no path, has no place. */
export type Outcome = Readonly<{ name: string; durationMs: number }> &
  Learnt &
  (Readonly<{ kind: 'signed'; signature: Signature }> | Readonly<{ kind: 'failed'; error: unknown }> | Readonly<{ kind: 'skipped'; reason: SkipReason }>)

/** An outcome of something that was asked for by itself, and so is never skipped. */
export type Settled = Exclude<Outcome, Readonly<{ kind: 'skipped' }>>

/** A signing run that has begun: the whole listing in name order, and the outcomes as files finish. Each name has one outcome. */
export type SignRun = Readonly<{ kind: 'file' | 'directory'; path: string; files: readonly string[]; warnings: readonly Warning[]; outcomes: AsyncIterable<Outcome> }>

/** A batch: no listing, but the outcome of each item in the order of the request. */
export type BatchRun = Readonly<{ kind: 'batch'; outcomes: readonly Settled[]; warnings: readonly Warning[] }>

/** Runs `work` and returns its outcome; a throw is one too. `learn` is told what is for the logs, as soon as it is known. */
export async function outcomeOf(name: string, work: (learn: (facts: Learnt) => void) => Promise<Signature>): Promise<Settled> {
  const started = performance.now()
  let learnt: Learnt = {}
  const facts = () => ({ name, durationMs: performance.now() - started, ...learnt })
  try {
    const signature = await work((more) => void (learnt = { ...learnt, ...more }))
    return { ...facts(), kind: 'signed', signature }
  } catch (error) {
    return { ...facts(), kind: 'failed', error }
  }
}

/** Returns a run of one file, whose outcome is made when it is asked for. */
export function runOfOne(name: string, path: string, { warnings, outcome }: Readonly<{ warnings: readonly Warning[]; outcome: () => Promise<Outcome> }>): SignRun {
  return { kind: 'file', path, files: [name], warnings, outcomes: one(outcome) }
}

async function* one(make: () => Promise<Outcome>): AsyncGenerator<Outcome> {
  yield await make()
}

/** What a person should know of every signature over a digest alone. */
export const CONTENT_NOT_SEEN: Warning = { code: 'CONTENT_NOT_SEEN', detail: 'the server signed a digest and never saw the file; package and filesets are what the client said' }
