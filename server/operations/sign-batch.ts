import type { Keyring } from '../keys/key.ts'
import type { DigestItem } from '../schemas/digest.ts'
import type { SignBatchRequest } from '../schemas/sign.ts'
import type { Caller } from './caller.ts'
import { inFlight } from './in-flight.ts'
import { CONTENT_NOT_SEEN, outcomeOf, type BatchRun, type Settled } from './outcome.ts'
import { anewOf, type SignContentDeps } from './sign-content.ts'
import { checkDigestAllowed, signDigest } from './sign-digest.ts'
import { overlapWarnings } from './sign-overlap.ts'
import { chooseSigningKey, keysAlong } from './signing-key.ts'

export type SignBatchDeps = SignContentDeps & Readonly<{ keyring: Keyring; concurrency: number }>

/**
 * Signs many digests at once and returns their outcomes in the order of the request: one that fails does not spoil the others.
 * @throws SigningError `DIGEST_NOT_ALLOWED`, and what {@link chooseSigningKey} throws; faults of single items are outcomes
 */
export async function signBatch(deps: SignBatchDeps, caller: Caller, { items, keyid, ...asked }: SignBatchRequest, signal: AbortSignal): Promise<BatchRun> {
  checkDigestAllowed(caller)
  const key = chooseSigningKey(caller, deps, keyid)
  const context = { caller, key, along: keysAlong(caller, deps, key), anew: anewOf(caller, asked), patient: true, signal }
  const numbered = [...items.entries()]
  const outcomes = Array.from<Settled>({ length: items.length })
  const work = async ([position, item]: readonly [number, DigestItem]): Promise<void> => {
    const outcome = await outcomeOf(item.filename, async (learn) => {
      signal.throwIfAborted()
      return await signDigest(deps, item, { ...context, learn })
    })
    outcomes[position] = await deps.incidents.file(context, outcome)
  }
  for await (const _done of inFlight(numbered, deps.concurrency, work)) continue
  return { kind: 'batch', outcomes, warnings: [...overlapWarnings(context, deps.clock()), CONTENT_NOT_SEEN] }
}
