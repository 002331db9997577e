import { naming } from './open.ts'
import { resolvingPath, type Root, type SafePath } from './resolve.ts'
import { lstatOf, takeAtOnce, type Steps } from './system-calls.ts'

/** The task of a worker thread that finds what a client named in the roots that it may use. */
export type FindTask = Readonly<{ kind: 'find'; path: string; roots: readonly Root[] }>

/** What a client named: where it lies, and whether it is a directory. */
export type Found = Readonly<{ place: SafePath; isDirectory: boolean }>

/**
 * Finds what a client named. Synchronous: for a worker thread, where its two looks at the file system cost less than one hop to libuv's pool.
 * @throws SigningError what `resolvePath` throws, `FILE_CHANGED`
 */
export function findPath({ path, roots }: FindTask): Found {
  return takeAtOnce(finding(path, roots))
}

function* finding(path: string, roots: readonly Root[]): Steps<Found> {
  const place = yield* resolvingPath(path, roots)
  const status = yield* naming(lstatOf(place.absolutePath))
  return { place, isDirectory: status.isDirectory() }
}
