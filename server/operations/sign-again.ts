import { join } from 'node:path'
import { SigningError, type ErrorCode } from '../errors.ts'
import type { Inspector } from '../packages/inspect.ts'
import type { PackageInfo } from '../packages/package-info.ts'
import { closeOpened } from '../roots/open.ts'
import { resolvePath, type SafePath } from '../roots/resolve.ts'
import type { SignAgainRequest } from '../schemas/sign.ts'
import type { Catalogued } from '../store/store.ts'
import { allowedRoots, type Caller } from './caller.ts'
import { visibleSignature } from './get-signature.ts'
import { outcomeOf, runOfOne, type SignRun } from './outcome.ts'
import { signFile } from './sign-file.ts'
import { overlapWarnings } from './sign-overlap.ts'
import type { SignPathDeps } from './sign-path.ts'
import { chooseSigningKey, keysAlong } from './signing-key.ts'

/**
 * Begins to sign what an earlier signature covers once more, with another key: the file that it was made for, where that lies in a root of
 * this client and its signed bytes are the same as then. Nothing else is ever signed in its place.
 * @throws SigningError `SIGNATURE_NOT_FOUND`, `STORE_FAILED`, what {@link chooseSigningKey} throws; `CONTENT_UNAVAILABLE` and what
 * {@link signFile} throws are the outcome
 */
export async function signAgain(deps: SignPathDeps, caller: Caller, { id, keyid }: SignAgainRequest, signal: AbortSignal): Promise<SignRun> {
  const earlier = await visibleSignature(deps.store, caller, id)
  const key = chooseSigningKey(caller, deps, keyid)
  const context = { caller, key, along: keysAlong(caller, deps, key), anew: { force: false, resign: false }, signal }
  const { filename, sha256 } = earlier.signature
  const outcome = async () => await outcomeOf(filename, async (learn) => {
    learn({ sha256 })
    const place = await placeOf(deps, caller, earlier)
    learn({ place: { root: place.root.name, relativePath: place.relativePath } })
    return await signFile({ ...deps, inspector: insisting(deps.inspector, sha256) }, place, { ...context, learn })
  })
  return runOfOne(filename, filename, { warnings: overlapWarnings(context, deps.clock()), outcome: async () => await deps.incidents.file(context, await outcome()) })
}

async function placeOf({ roots }: SignPathDeps, caller: Caller, { place }: Catalogued): Promise<SafePath> {
  const allowed = allowedRoots(caller, roots)
  const root = allowed.find(({ name }) => name === place?.root)
  if (place === undefined || root === undefined) throw unavailable('the server does not have the file: it was sent, or signed by its digest, or lies in no root of this client')
  return await withoutContent(async () => await resolvePath(join(root.realPath, place.relativePath), allowed))
}

/** What is said of a file that is gone, or that is something else by now. */
const GONE: ReadonlySet<ErrorCode> = new Set(['PATH_OUTSIDE_ROOTS', 'PATH_UNREADABLE', 'FILE_NAME_REFUSED', 'FILE_KIND_REFUSED', 'FILE_TOO_LARGE', 'PACKAGE_MALFORMED', 'DSB_MALFORMED', 'DSB_STACKED'])

async function withoutContent<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof SigningError && GONE.has(error.code) ? unavailable('the file is gone, or it is another one by now', error) : error
  }
}

/** An inspector that takes no file but one whose signed bytes have this SHA-256. */
function insisting(inspector: Inspector, sha256: string): Inspector {
  const checked = (info: PackageInfo): PackageInfo => {
    if (!('sha256' in info) || info.sha256.toString('hex') !== sha256) throw unavailable('the file has other bytes by now')
    return info
  }
  return {
    ...inspector,
    inspect: async (file, options) => checked(await withoutContent(async () => await inspector.inspect(file, options))),
    open: async (place, signal) => {
      const file = await withoutContent(async () => await inspector.open(place, signal))
      try {
        if (file.info !== undefined) checked(file.info)
        return file
      } catch (error) {
        closeOpened(file)
        throw error
      }
    },
  }
}

function unavailable(sentence: string, cause?: unknown): SigningError {
  return new SigningError('CONTENT_UNAVAILABLE', sentence, { cause })
}
