import type { Stats } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { SigningError } from '../errors.ts'
import { sniff } from '../packages/sniff.ts'
import { inNameOrder, listDirectory } from '../roots/list.ts'
import { closeOpened, named, openFile } from '../roots/open.ts'
import { resolvePath, type Root, type SafePath } from '../roots/resolve.ts'
import type { FileEntry, FileList, FilesQuery } from '../schemas/files.ts'
import type { Store } from '../store/store.ts'
import { allowedRoots, type Caller } from './caller.ts'
import { inFlight } from './in-flight.ts'

export type ListFilesDeps = Readonly<{ roots: readonly Root[]; store: Store; maxEntries: number }>

/** How many entries of a page are looked at at once, and how many make a page unless the query says. */
const LOOKS = 16
const PAGE_ENTRIES = 1000

/**
 * Lists a directory, a single file, or, without a path, the roots of the caller by name. Entries come in name order, a page at a
 * time; a cursor stands for the last name of the page before, so entries that come and go in between shift nothing.
 * @throws SigningError `PATH_…`, `DIRECTORY_TOO_LARGE`, `STORE_FAILED`; the reason of the signal
 */
export async function listFiles(deps: ListFilesDeps, caller: Caller, query: FilesQuery, signal: AbortSignal): Promise<FileList> {
  const roots = allowedRoots(caller, deps.roots)
  const path = query.path ?? null
  const found = path === null ? rootSources(roots) : await pathSources(deps, path, { roots, signal })
  const { sources, nextCursor } = turn(found, query)
  const seen: Seen[] = []
  for await (const entry of inFlight(sources, LOOKS, (source) => look(source, roots))) {
    signal.throwIfAborted()
    seen.push(entry)
  }
  const signed = await signedAmong(deps.store, seen)
  const files = seen.map(({ entry, file }) => ({ ...entry, signed: file !== undefined && signed.has(`${file.root}/${file.relativePath}`) }))
  return { path, files: [...inNameOrder(files)], nextCursor }
}

/** An entry to look at: `absolutePath` is only looked at, and opened through {@link resolvePath} alone. */
type Source = Readonly<{ name: string; kind: FileEntry['kind']; absolutePath: string; refused: boolean }>
type SeenFile = Readonly<{ root: string; relativePath: string; sizeBytes: number; modifiedAtMs: number }>
type Seen = Readonly<{ entry: Omit<FileEntry, 'signed'>; file?: SeenFile }>

function rootSources(roots: readonly Root[]): readonly Source[] {
  return inNameOrder(roots.map(({ name, realPath }) => ({ name, kind: 'root' as const, absolutePath: realPath, refused: false })))
}

async function pathSources({ maxEntries }: ListFilesDeps, path: string, { roots, signal }: Readonly<{ roots: readonly Root[]; signal: AbortSignal }>): Promise<readonly Source[]> {
  const place = await resolvePath(path, roots)
  const stats = await named(async () => await lstat(place.absolutePath))
  if (!stats.isDirectory()) {
    const kind = stats.isFile() ? 'file' : 'special'
    return [{ name: basename(place.absolutePath), kind, absolutePath: place.absolutePath, refused: false }]
  }
  const entries = await listDirectory(place, { recursive: false, maxEntries, signal })
  return entries.map((entry) => ({ ...entry, absolutePath: join(place.absolutePath, entry.name) }))
}

function turn(sources: readonly Source[], { cursor, limit = PAGE_ENTRIES }: FilesQuery): Readonly<{ sources: readonly Source[]; nextCursor: string | null }> {
  const after = cursor === undefined ? undefined : Buffer.from(cursor, 'base64url')
  const rest = after === undefined ? sources : sources.filter(({ name }) => Buffer.compare(Buffer.from(name), after) > 0)
  const last = rest.length > limit ? rest[limit - 1] : undefined
  return { sources: rest.slice(0, limit), nextCursor: last === undefined ? null : Buffer.from(last.name).toString('base64url') }
}

async function look({ name, kind, absolutePath, refused }: Source, roots: readonly Root[]): Promise<Seen> {
  // The name of a refused entry may be an escaped one, which leads nowhere or to another file.
  const stats = refused ? undefined : await lstat(absolutePath).catch(() => undefined)
  const entry = { name, kind, sizeBytes: stats?.size ?? 0, modifiedAt: modifiedAt(stats), format: null }
  if (refused || kind === 'directory' || kind === 'root' || kind === 'special') return { entry }
  try {
    return await lookInside(entry, await resolvePath(absolutePath, roots))
  } catch (error) {
    // An entry that may not be opened is listed all the same; only signing it is refused.
    if (error instanceof SigningError) return { entry }
    throw error
  }
}

async function lookInside(entry: Seen['entry'], place: SafePath): Promise<Seen> {
  const { fd, state } = await openFile(place)
  try {
    const file = { root: place.root.name, relativePath: place.relativePath, sizeBytes: state.size, modifiedAtMs: Math.trunc(state.mtimeMs) }
    return { entry: { ...entry, sizeBytes: state.size, modifiedAt: modifiedAt(state), format: await named(async () => await sniff(fd)) }, file }
  } finally {
    closeOpened({ fd })
  }
}

async function signedAmong(store: Store, seen: readonly Seen[]): Promise<ReadonlySet<string>> {
  const files = seen.flatMap(({ file }) => (file === undefined ? [] : [file]))
  const signed = new Set<string>()
  for (const [root, group] of Map.groupBy(files, (file) => file.root)) {
    for (const relativePath of await store.signedAmong(root, group)) signed.add(`${root}/${relativePath}`)
  }
  return signed
}

/** RFC 3339 has years of four digits; a file system, and whoever may write there, knows others. */
function modifiedAt(stats: Pick<Stats, 'mtimeMs'> | undefined): string {
  return new Date(Math.min(Math.max(stats?.mtimeMs ?? 0, FIRST_MS), LAST_MS)).toISOString()
}

const FIRST_MS = Date.parse('0000-01-01T00:00:00.000Z')
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z')
