import type { Signature } from '../sdk/index.ts'
import { failureOf } from './failure.ts'
import type { RunEvent } from './output.ts'

/** Writes a signature where it is wanted, for the local file of that path. */
export type Keeper = (path: string, signature: Signature) => Promise<void>

/** Keeps each signature as it comes. One that cannot be kept is a failure of its file, and the count at the end says so. */
export async function* keptEvents(events: AsyncIterable<RunEvent>, keeper: Keeper, pathOf: (name: string) => string): AsyncGenerator<RunEvent, void, undefined> {
  let lost = 0
  for await (const event of events) {
    const kept = event.event === 'signature' ? await keepOne(event, keeper, pathOf(event.name)) : event
    if (kept !== event) lost += 1
    yield kept.event === 'end' ? { ...kept, signed: kept.signed - lost, failed: kept.failed + lost } : kept
  }
}

async function keepOne(event: Extract<RunEvent, { event: 'signature' }>, keeper: Keeper, path: string): Promise<RunEvent> {
  try {
    await keeper(path, event.signature)
    return event
  } catch (error) {
    const problem = failureOf(error)
    if (problem === undefined) throw error
    return { event: 'failure', name: event.name, problem }
  }
}
