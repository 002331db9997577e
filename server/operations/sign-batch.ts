import type { Keyring } from '../keys/key.ts'
import type { SignBatchRequest } from '../schemas/sign.ts'
import { chooseKey, type Caller } from './caller.ts'
import { inFlight } from './in-flight.ts'
import type { Outcome } from './sign.ts'
import type { SignContentDeps } from './sign-content.ts'
import { checkDigestAllowed, signDigest } from './sign-digest.ts'

export type SignBatchDeps = SignContentDeps & Readonly<{ keyring: Keyring; concurrency: number }>

/**
 * Signs many digests at once and returns their outcomes in the order of the request: one that fails does not spoil the others.
 * @throws SigningError `DIGEST_NOT_ALLOWED`, `KEY_NOT_AVAILABLE`, `KEYID_REQUIRED`; faults of single items are outcomes
 */
export async function signBatch(deps: SignBatchDeps, caller: Caller, { items, keyid }: SignBatchRequest, signal: AbortSignal): Promise<readonly Outcome[]> {
  checkDigestAllowed(caller)
  const context = { caller, key: chooseKey(caller, deps.keyring, keyid), signal }
  const outcomes = Array.from<Outcome>({ length: items.length })
  const work = async ([position, item]: (typeof numbered)[number]): Promise<void> => {
    const started = performance.now()
    const outcome = signal.aborted
      ? ({ kind: 'failed', error: signal.reason } as const)
      : await signDigest(deps, item, context).then((signature) => ({ kind: 'signed', signature }) as const, (error: unknown) => ({ kind: 'failed', error }) as const)
    outcomes[position] = { name: item.filename, durationMs: performance.now() - started, ...outcome }
  }
  const numbered = [...items.entries()]
  for await (const _done of inFlight(numbered, deps.concurrency, work)) continue
  return outcomes
}
