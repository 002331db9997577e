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

/** The most items that one request takes. */
const ITEMS_MAX = 1000

/** Signs files by their digests, up to 1,000 in one request; what is an event already goes through. */
export async function* batchEvents(session: Session, files: AsyncIterable<Described | RunEvent>, ways: BatchWays): AsyncGenerator<RunEvent, void, undefined> {
  let batch: Described[] = []
  for await (const file of files) {
    if ('event' in file) {
      yield file
      continue
    }
    batch.push(file)
    if (batch.length < ITEMS_MAX) continue
    yield* signBatch(session, batch, ways)
    batch = []
  }
  if (batch.length > 0) yield* signBatch(session, batch, ways)
}

async function* signBatch(session: Session, batch: readonly Described[], ways: BatchWays): AsyncGenerator<RunEvent, void, undefined> {
  const { sdk } = session
  const answer = await ask(session, batch, ways)
  if ('code' in answer) return yield* inHalves(session, batch, { problem: answer, ways })
  const { items, warnings } = answer
  if (items.length !== batch.length) throw new sdk.ConnectionError('ANSWER_NOT_UNDERSTOOD', `the server answered to ${items.length} of ${batch.length} digests`)
  for (const warning of warnings) yield { event: 'warning', warning }
  for (const [place, { name }] of batch.entries()) yield outcomeEvent(session, name, items[place]!)
}

/** Packages with many filesets, or a server that takes small bodies alone: in two requests they may fit. */
async function* inHalves(session: Session, batch: readonly Described[], { problem, ways }: Readonly<{ problem: Problem; ways: BatchWays }>): AsyncGenerator<RunEvent, void, undefined> {
  const middle = Math.ceil(batch.length / 2)
  if (batch.length === 1) return yield { event: 'failure', name: batch[0]!.name, problem }
  yield* signBatch(session, batch.slice(0, middle), ways)
  yield* signBatch(session, batch.slice(middle), ways)
}

/** Returns the answer, or the problem where the request was too large for the server. */
async function ask({ client, settings: { keyid }, io, sdk }: Session, batch: readonly Described[], { key, anew }: BatchWays): Promise<BatchAnswer | Problem> {
  const items = batch.map(({ found }) => itemOf(found))
  try {
    return await client.sign({ items, ...(keyid === undefined ? {} : { keyid }), ...anew }, { ...key, signal: io.signal })
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
