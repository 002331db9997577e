import type { Keyring } from '../keys/key.ts'
import type { FoundSignature, SignatureList, SignaturesQuery } from '../schemas/signatures.ts'
import type { Catalogued, Search, Store } from '../store/store.ts'
import { visibleTo, type Caller } from './caller.ts'
import { inTurn, type InTurnDeps } from './in-turn.ts'
import { withRevocation } from './revocation.ts'
import { normaliseWindow } from './time-window.ts'

/** `searches`: whose turn it is to search, for one search may look at the whole catalogue. */
export type FindSignaturesDeps = Readonly<{ store: Pick<Store, 'find'>; keyring: Keyring; searches: InTurnDeps['turns'] }>

/** How many signatures make a page unless the query says. Where there are no pages, so many are read at once: what is signed meanwhile waits no longer than for a page. */
const PAGE = 100

/**
 * Returns a page of the signatures that this caller may see and that fit, the newest first by the order of the log. A cursor is the index
 * of the last leaf of the page before, so signatures that come in between shift nothing.
 * @throws SigningError `REQUEST_INVALID` for a window of time that is none, `SERVER_BUSY` when too many searches wait, `STORE_FAILED`; the reason of the signal
 */
export async function findSignatures({ store, keyring, searches }: FindSignaturesDeps, caller: Caller, query: SignaturesQuery, signal: AbortSignal): Promise<SignatureList> {
  const { limit = PAGE } = query
  const search = { ...searchOf(caller, query), limit: limit + 1 }
  const found = await inTurn({ turns: searches }, { caller, signal }, async () => await store.find(search))
  const page = found.slice(0, limit)
  const last = found.length > limit ? page.at(-1) : undefined
  return { signatures: page.map((one) => toFound(one, keyring)), nextCursor: last === undefined ? null : cursorAfter(last) }
}

/**
 * Yields every signature that {@link findSignatures} would give on all its pages, or the first `limit` of them; never more than one read is
 * held. It ends with the reason of the signal when that aborts.
 * @throws SigningError as {@link findSignatures}
 */
export async function* eachSignature({ store, keyring, searches }: FindSignaturesDeps, caller: Caller, query: SignaturesQuery, signal: AbortSignal): AsyncGenerator<FoundSignature, void, undefined> {
  let search = searchOf(caller, query)
  let left = query.limit ?? Number.POSITIVE_INFINITY
  // An answer that has begun is not broken off because others came.
  for (let patient = false; ; patient = true) {
    const limit = Math.min(left, PAGE)
    const page = { ...search, limit }
    const found = await inTurn({ turns: searches }, { caller, signal, patient }, async () => await store.find(page))
    yield* found.map((one) => toFound(one, keyring))
    left -= found.length
    const last = found.at(-1)
    if (last === undefined || found.length < limit || left === 0) return
    search = { ...search, before: last.signature.receipt.index }
  }
}

function searchOf(caller: Caller, { cursor, since, until, ...named }: SignaturesQuery): Omit<Search, 'limit'> {
  const seer = visibleTo(caller)
  return {
    ...named,
    ...normaliseWindow({ ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) }),
    ...(seer === undefined ? {} : { visibleTo: seer }),
    ...(cursor === undefined ? {} : { before: Number(cursor) }),
  }
}

function cursorAfter({ signature }: Catalogued): string {
  return String(signature.receipt.index)
}

function toFound({ client, signature }: Catalogued, keyring: Keyring): FoundSignature {
  return { client, signature: withRevocation(signature, keyring) }
}
