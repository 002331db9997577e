import type { BatchAnswer, BatchOutcome, DescribedFile, DigestItem, KeyOptions, Problem, SignBatchRequest } from '../sdk/index.ts'
import type { Invocation } from './invocation.ts'
import type { RunEvent } from './output.ts'
import type { Session } from './session.ts'

/** A local file, and what it is. */
export type Described = Readonly<{ name: string; found: DescribedFile }>

/** What is said about earlier signatures of the same. */
export type Anew = Pick<SignBatchRequest, 'force' | 'resign'>

/** How a batch is asked for. */
export type BatchWays = Readonly<{ key: KeyOptions; anew: Anew }>

/** Returns what --force and --resign say. */
export function anewOf({ force, resign }: Invocation['members']): Anew {
  return { ...(force === true ? { force } : {}), ...(resign === true ? { resign } : {}) }
}

/** Of the 1,000 items that one request may have: the server signs a batch while the next one is read here. */
const ITEMS_MAX = 250

/**
 * Signs files by their digests, many in one request; what is an event already goes through. While a request is under way the files of the
 * next one are read. When a request fails, or the loop is left, the one that is under way is told to stop and waited for.
 */
export async function* batchEvents(session: Session, files: AsyncIterable<Described | RunEvent>, ways: BatchWays): AsyncGenerator<RunEvent, void, undefined> {
  const stop = new AbortController()
  const signal = AbortSignal.any([session.io.signal, stop.signal])
  let underWay: Promise<readonly RunEvent[]> = Promise.resolve([])
  try {
    for await (const part of inBatches(files)) {
      if ('event' in part) {
        yield part
        continue
      }
      const before = underWay
      underWay = Array.fromAsync(signBatch(session, part.batch, { ...ways, signal }))
      // It may fail while nobody waits for it yet.
      underWay.catch(() => undefined)
      yield* await before
    }
    yield* await underWay
  } finally {
    stop.abort()
    await underWay.catch(() => undefined)
  }
}

async function* inBatches(files: AsyncIterable<Described | RunEvent>): AsyncGenerator<Readonly<{ batch: readonly Described[] }> | RunEvent, void, undefined> {
  let batch: Described[] = []
  for await (const file of files) {
    if ('event' in file) yield file
    else batch.push(file)
    if (batch.length < ITEMS_MAX) continue
    yield { batch }
    batch = []
  }
  if (batch.length > 0) yield { batch }
}

/** `signal` ends the request. */
type Asking = BatchWays & Readonly<{ signal: AbortSignal }>

async function* signBatch(session: Session, batch: readonly Described[], ways: Asking): AsyncGenerator<RunEvent, void, undefined> {
  const { sdk } = session
  const answer = await ask(session, batch, ways)
  if ('code' in answer) return yield* inHalves(session, batch, { problem: answer, ways })
  const { items, warnings } = answer
  if (items.length !== batch.length) throw new sdk.ConnectionError('ANSWER_NOT_UNDERSTOOD', `the server answered to ${items.length} of ${batch.length} digests`)
  for (const warning of warnings) yield { event: 'warning', warning }
  for (const [place, { name }] of batch.entries()) yield outcomeEvent(session, name, items[place]!)
}

/** Packages with many filesets, or a server that takes small bodies alone: in two requests they may fit. */
async function* inHalves(session: Session, batch: readonly Described[], { problem, ways }: Readonly<{ problem: Problem; ways: Asking }>): AsyncGenerator<RunEvent, void, undefined> {
  const middle = Math.ceil(batch.length / 2)
  if (batch.length === 1) return yield { event: 'failure', name: batch[0]!.name, problem }
  yield* signBatch(session, batch.slice(0, middle), ways)
  yield* signBatch(session, batch.slice(middle), ways)
}

/** Returns the answer, or the problem where the request was too large for the server. */
async function ask({ client, settings: { keyid }, sdk }: Session, batch: readonly Described[], { key, anew, signal }: Asking): Promise<BatchAnswer | Problem> {
  const items = batch.map(({ found }) => itemOf(found))
  try {
    return await client.sign({ items, ...(keyid === undefined ? {} : { keyid }), ...anew }, { ...key, signal })
  } catch (error) {
    if (error instanceof sdk.ProblemError && error.code === 'BODY_TOO_LARGE') return error.toJSON()
    throw error
  }
}

/** Everything that is told of a file; of what is no package only its digest, size and name. */
function itemOf({ digest, sizeBytes, filename, package: name, ftype, filesets, builtAt }: DescribedFile): DigestItem {
  const about = name === undefined ? {} : { package: name, ftype: ftype!, filesets: filesets!, builtAt: builtAt! }
  return { digest, sizeBytes, filename, ...about }
}

function outcomeEvent({ sdk }: Session, name: string, { signature, problem }: BatchOutcome): RunEvent {
  if (signature !== undefined) return { event: 'signature', name, signature }
  if (problem !== undefined) return { event: 'failure', name, problem }
  throw new sdk.ConnectionError('ANSWER_NOT_UNDERSTOOD', 'the server answered an item with neither a signature nor a problem')
}
