import { SigningError } from '../errors.ts'
import type { Keyring } from '../keys/key.ts'
import type { AnswerHead, Answers, Asked, Asking, ReadItem } from '../store/store.ts'
import type { Answered } from './once.ts'
import type { BatchRun, Outcome, Settled, SignRun } from './outcome.ts'
import { refuseRevoked } from './revocation.ts'

export type RepeatDeps = Readonly<{ store: Answers; keyring: Keyring }>

type Finished = Extract<Asking, Readonly<{ kind: 'finished' }>>

/**
 * Returns an answer that was kept, made again from the catalogue: the same outcomes in the order in which they were written. They are read
 * a page at a time while they are handed on; only the names of a directory are held. What was signed with a key that is revoked since is
 * not handed out again.
 * @throws SigningError `KEY_REVOKED`; `STORE_FAILED`, also while the outcomes are read
 */
export async function repeatAnswer({ store, keyring }: RepeatDeps, asked: Asked, { requestId, head, items: count }: Finished): Promise<Answered> {
  const items = () => unrevoked(readItems(store, asked, count), keyring)
  if (head.kind !== 'problem') return { kind: 'run', run: await repeatedRun({ ...head, kind: head.kind }, items), requestId, repeated: true }
  // A problem is one failed item.
  const [{ code, detail }] = (await Array.fromAsync(items())) as [Extract<ReadItem, Readonly<{ kind: 'failed' }>>]
  return { kind: 'problem', error: new SigningError(code, detail), requestId }
}

type RunHead = AnswerHead & Readonly<{ kind: 'file' | 'directory' | 'batch' }>

async function repeatedRun({ kind, path, warnings }: RunHead, items: () => AsyncIterable<ReadItem>): Promise<SignRun | BatchRun> {
  if (kind === 'batch') return { kind, warnings, outcomes: (await Array.fromAsync(items(), outcomeOf)).filter(isSettled) }
  const files: string[] = []
  for await (const { name, listed } of items()) files[listed] = name
  return { kind, path, files, warnings, outcomes: outcomesOf(items()) }
}

async function* readItems(store: Answers, asked: Asked, count: number): AsyncGenerator<ReadItem, void, undefined> {
  for (let from = 0; from < count; ) {
    const page = await store.items(asked, from)
    // The time that answers are kept may end in the middle of one.
    if (page.length === 0) throw incomplete()
    yield* page
    from += page.length
  }
}

async function* unrevoked(items: AsyncIterable<ReadItem>, keyring: Keyring): AsyncGenerator<ReadItem, void, undefined> {
  for await (const item of items) {
    const signed = item.kind === 'signed' ? [item.signature, ...(item.signature.also ?? [])] : []
    for (const signature of signed) refuseRevoked(signature, keyring)
    yield item
  }
}

async function* outcomesOf(items: AsyncIterable<ReadItem>): AsyncGenerator<Outcome, void, undefined> {
  for await (const item of items) yield outcomeOf(item)
}

function outcomeOf(item: ReadItem): Outcome {
  const { name } = item
  switch (item.kind) {
    case 'signed':
      return { name, durationMs: 0, kind: 'signed', signature: item.signature }
    case 'failed':
      return { name, durationMs: 0, kind: 'failed', error: new SigningError(item.code, item.detail) }
    case 'skipped':
      return { name, durationMs: 0, kind: 'skipped', reason: item.reason }
  }
}

function isSettled(outcome: Outcome): outcome is Settled {
  return outcome.kind !== 'skipped'
}

function incomplete(): SigningError {
  return new SigningError('STORE_FAILED', 'the answer to the first request is not kept any more')
}
