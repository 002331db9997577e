import { lstat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { SigningError } from '../errors.ts'
import type { Keyring, OpenedKey } from '../keys/key.ts'
import { listDirectory, type ListedEntry } from '../roots/list.ts'
import { named } from '../roots/open.ts'
import { resolvePath, type Root, type SafePath } from '../roots/resolve.ts'
import type { SignRequest, SkipReason, Warning } from '../schemas/sign.ts'
import type { Signature } from '../schemas/signature.ts'
import { allowedRoots, chooseKey, type Caller } from './caller.ts'
import { inFlight } from './in-flight.ts'
import { signFile, type SignFileContext, type SignFileDeps } from './sign-file.ts'

export type SignDeps = SignFileDeps & Readonly<{ roots: readonly Root[]; keyring: Keyring; maxEntries: number; concurrency: number }>

/** What became of one name of the listing. `place` and `durationMs` are for the log; an entry that was never opened has no place. */
export type Outcome = Readonly<{ name: string; durationMs: number; place?: Readonly<{ root: string; relativePath: string }> }> &
  (Readonly<{ kind: 'signed'; signature: Signature }> | Readonly<{ kind: 'failed'; error: unknown }> | Readonly<{ kind: 'skipped'; reason: SkipReason }>)

/** A signing run that has begun: the whole listing in name order, and the outcomes as files finish. Each name has one outcome. */
export type SignRun = Readonly<{ kind: 'file' | 'directory'; path: string; files: readonly string[]; warnings: readonly Warning[]; outcomes: AsyncIterable<Outcome> }>

/**
 * Begins to sign the package file, or every package of the directory, that the request names. Aborting `signal` starts no further
 * file; files under way are finished or given up as a whole.
 * @throws SigningError `PATH_…`, `FILE_KIND_REFUSED`, `DIRECTORY_TOO_LARGE`, `KEY_NOT_AVAILABLE`, `KEYID_REQUIRED`; faults of single files are outcomes
 */
export async function sign(deps: SignDeps, caller: Caller, request: SignRequest, signal: AbortSignal): Promise<SignRun> {
  const key = chooseKey(caller, deps.keyring, request.keyid)
  const roots = allowedRoots(caller, deps.roots)
  const place = await resolvePath(request.path, roots)
  const context = { caller, key, signal }
  const run = { path: request.path, warnings: warningsOf(key) }
  if (!(await isDirectory(place))) {
    const name = basename(place.absolutePath)
    return { ...run, kind: 'file', files: [name], outcomes: one(() => outcomeOf(deps, name, Promise.resolve(place), context)) }
  }
  const entries = await listDirectory(place, { recursive: request.recursive === true, maxEntries: deps.maxEntries, signal })
  const work = (entry: ListedEntry) => signEntry(deps, { directory: place, roots, entry }, context)
  return { ...run, kind: 'directory', files: entries.map(({ name }) => name), outcomes: inFlight(entries, deps.concurrency, work) }
}

type Listed = Readonly<{ directory: SafePath; roots: readonly Root[]; entry: ListedEntry }>

async function signEntry(deps: SignDeps, { directory, roots, entry }: Listed, context: SignFileContext): Promise<Outcome> {
  const { name, kind, refused } = entry
  if (context.signal.aborted) return { name, durationMs: 0, kind: 'failed', error: context.signal.reason }
  if (refused) {
    const error = new SigningError('FILE_NAME_REFUSED', 'the name has control characters or is not UTF-8')
    return { name, durationMs: 0, kind: 'failed', error }
  }
  if (kind === 'directory') return { name, durationMs: 0, kind: 'skipped', reason: 'DIRECTORY' }
  if (kind === 'special') return { name, durationMs: 0, kind: 'skipped', reason: 'SPECIAL_FILE' }
  const place = resolvePath(join(directory.absolutePath, name), roots)
  const outcome = await outcomeOf(deps, name, place, context)
  if (outcome.kind !== 'failed') return outcome
  const { error, ...facts } = outcome
  const reason = skipReason(error)
  return reason === undefined ? outcome : { ...facts, kind: 'skipped', reason }
}

async function outcomeOf(deps: SignDeps, name: string, resolving: Promise<SafePath>, context: SignFileContext): Promise<Outcome> {
  const started = performance.now()
  let place: SafePath | undefined
  const facts = () => ({ name, durationMs: performance.now() - started, ...(place === undefined ? {} : { place: { root: place.root.name, relativePath: place.relativePath } }) })
  try {
    place = await resolving
    const signature = await signFile(deps, place, context)
    return { ...facts(), kind: 'signed', signature }
  } catch (error) {
    return { ...facts(), kind: 'failed', error }
  }
}

function skipReason(error: unknown): SkipReason | undefined {
  if (!(error instanceof SigningError)) return undefined
  if (error.code === 'FILE_KIND_REFUSED') return error.facts['kind'] === 'directory' ? 'DIRECTORY' : 'SPECIAL_FILE'
  if (error.code !== 'NOT_A_PACKAGE') return undefined
  return error.facts['kind'] === 'toc' ? 'TOC' : 'NOT_A_PACKAGE'
}

async function isDirectory({ absolutePath }: SafePath): Promise<boolean> {
  return (await named(async () => await lstat(absolutePath))).isDirectory()
}

function warningsOf({ covers, keyid }: OpenedKey): readonly Warning[] {
  if (covers === 'file') return []
  return [{ code: 'SIGNATURE_UNVERIFIED', detail: `what the command behind key ${keyid} signs is not known, so its signatures were not verified` }]
}

async function* one(make: () => Promise<Outcome>): AsyncGenerator<Outcome> {
  yield await make()
}
