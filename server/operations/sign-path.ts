import { basename, join } from 'node:path'
import { SigningError } from '../errors.ts'
import type { Keyring } from '../keys/key.ts'
import { listDirectory, type ListedEntry } from '../roots/list.ts'
import { placeInside, resolvePath, type Root, type SafePath } from '../roots/resolve.ts'
import type { SignPathRequest, SkipReason } from '../schemas/sign.ts'
import { allowedRoots, type Caller } from './caller.ts'
import { inFlight } from './in-flight.ts'
import { outcomeOf, runOfOne, type Outcome, type SignRun } from './outcome.ts'
import { anewOf, type SignContext } from './sign-content.ts'
import { signFile, type SignFileDeps } from './sign-file.ts'
import { overlapWarnings } from './sign-overlap.ts'
import { chooseSigningKey, keysAlong } from './signing-key.ts'

export type SignPathDeps = SignFileDeps & Readonly<{ roots: readonly Root[]; keyring: Keyring; maxEntries: number; concurrency: number }>

/**
 * Begins to sign the package file, or every package of the directory, that the request names. Aborting `signal` starts no further
 * file; files under way are finished or given up as a whole.
 * @throws SigningError `PATH_…`, `FILE_KIND_REFUSED`, `DIRECTORY_TOO_LARGE`, `RESIGN_NOT_ALLOWED`, what {@link chooseSigningKey} throws; faults of single files are outcomes
 */
export async function signPath(deps: SignPathDeps, caller: Caller, request: SignPathRequest, signal: AbortSignal): Promise<SignRun> {
  const key = chooseSigningKey(caller, deps, request.keyid)
  const roots = allowedRoots(caller, deps.roots)
  const { place, isDirectory } = await deps.inspector.find(request.path, roots, signal)
  const context = { caller, key, along: keysAlong(caller, deps, key), anew: anewOf(caller, request), signal }
  const warnings = overlapWarnings(context, deps.clock())
  if (!isDirectory) {
    const name = basename(place.absolutePath)
    return runOfOne(name, request.path, { warnings, outcome: async () => await deps.incidents.file(context, await signAt(deps, name, async () => place, context)) })
  }
  const entries = await listDirectory(place, { recursive: request.recursive === true, maxEntries: deps.maxEntries, signal })
  const work = async (entry: ListedEntry) => await deps.incidents.file(context, await signEntry(deps, { directory: place, roots, entry }, { ...context, patient: true }))
  return { kind: 'directory', path: request.path, files: entries.map(({ name }) => name), warnings, outcomes: inFlight(entries, deps.concurrency, work) }
}

type Listed = Readonly<{ directory: SafePath; roots: readonly Root[]; entry: ListedEntry }>

async function signEntry(deps: SignPathDeps, { directory, roots, entry }: Listed, context: SignContext): Promise<Outcome> {
  const { name, kind, refused, fault } = entry
  if (context.signal.aborted) return { name, durationMs: 0, kind: 'failed', error: context.signal.reason }
  if (refused) {
    const error = new SigningError('FILE_NAME_REFUSED', 'the name has control characters or is not UTF-8')
    return { name, durationMs: 0, kind: 'failed', error }
  }
  if (fault !== undefined) return { name, durationMs: 0, kind: 'failed', error: fault }
  if (kind === 'directory') return { name, durationMs: 0, kind: 'skipped', reason: 'DIRECTORY' }
  if (kind === 'special') return { name, durationMs: 0, kind: 'skipped', reason: 'SPECIAL_FILE' }
  const outcome = await signAt(deps, name, async () => (kind === 'file' ? placeInside(directory, name, roots) : await resolvePath(join(directory.absolutePath, name), roots)), context)
  if (outcome.kind !== 'failed') return outcome
  const { error, ...facts } = outcome
  const reason = skipReason(error)
  return reason === undefined ? outcome : { ...facts, kind: 'skipped', reason }
}

async function signAt(deps: SignPathDeps, name: string, resolve: () => Promise<SafePath>, context: SignContext): Promise<Outcome> {
  return await outcomeOf(name, async (learn) => {
    const place = await resolve()
    learn({ place: { root: place.root.name, relativePath: place.relativePath } })
    return await signFile(deps, place, { ...context, learn })
  })
}

function skipReason(error: unknown): SkipReason | undefined {
  if (!(error instanceof SigningError)) return undefined
  switch (error.code) {
    case 'FILE_KIND_REFUSED':
      return error.facts['kind'] === 'directory' ? 'DIRECTORY' : 'SPECIAL_FILE'
    case 'NOT_A_PACKAGE':
      return error.facts['kind'] === 'toc' ? 'TOC' : 'NOT_A_PACKAGE'
    case 'FORMAT_NOT_ACCEPTED':
      return 'FORMAT_NOT_ACCEPTED'
    default:
      return undefined
  }
}
