import { basename, join, resolve } from 'node:path'
import type { Destination, Signature } from '../sdk/index.ts'
import { failureOf } from './failure.ts'
import type { Invocation } from './invocation.ts'
import type { RunEvent } from './output.ts'
import type { Session } from './session.ts'

/** Writes a signature where it is wanted, for the local file of that path. */
export type Keeper = (path: string, signature: Signature) => Promise<void>

/**
 * Returns what `--attach` and `--detach` do with each signature; undefined when neither was given.
 * Attached is the block that the server makes of the signature: to NAME.signed beside the package, to DIRECTORY/NAME, or in place.
 */
export function createKeeper({ client, sdk, terminal, io }: Session, own: Invocation['own']): Keeper | undefined {
  if (own['attach'] !== true && own['detach'] !== true) return undefined
  const directory = typeof own['outputDir'] === 'string' ? resolve(io.cwd, own['outputDir']) : undefined
  const beside = (path: string, ending: string): string => (directory === undefined ? path : join(directory, basename(path))) + ending
  const destination = (path: string): Destination => {
    if (own['inPlace'] === true) return { inPlace: true }
    return { output: beside(path, directory === undefined ? '.signed' : '') }
  }
  const attach: Keeper = async (path, { id, sha256 }) => {
    const { bytes } = await client.exportSignature({ id, form: 'dsb' }, { signal: io.signal })
    const written = await sdk.attachDsb(path, bytes, { ...destination(path), sha256, replace: own['replace'] === true, signal: io.signal })
    terminal.note(`attached: ${written}`)
  }
  return async (path, signature) => {
    // Before the package itself can change.
    if (own['detach'] === true) {
      await sdk.writeNewFile(beside(path, '.sig'), Buffer.from(signature.signature, 'base64'))
      terminal.note(`detached: ${beside(path, '.sig')}`)
    }
    if (own['attach'] === true) await attach(path, signature)
  }
}

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
