import type { PackageSource } from '../../formats/index.ts'
import { startPeer } from './peer.ts'
import type { Credentials } from './place.ts'
import type { RequestSource } from './request-source.ts'

/** How long a load lasts: until so many requests were answered, or for so long. */
export type Extent = Readonly<{ requests: number } | { durationMs: number }>

/**
 * What a load process is asked to do. Connections are kept from one task to the next. Without `client` it is our own few lines of HTTP,
 * which cost the machine least; `undici` is what a program in Node usually has. `paceMs`: a pause behind each answer. `arrivals` come at
 * their rate whatever the server does, as those of many clients do, as long as one of the connections is free.
 */
export type LoadTask = Readonly<
  | { kind: 'requests'; port: number; connections: number; source: RequestSource; extent: Extent; client?: 'wire' | 'undici'; paceMs?: number; tolerant?: boolean }
  | { kind: 'arrivals'; port: number; connections: number; source: RequestSource; perSecond: number; durationMs: number }
  | { kind: 'directory'; port: number; path: string; fresh: boolean; members: Readonly<Record<string, unknown>> }
  | { kind: 'upload'; port: number; source: PackageSource; filename: string }
  | { kind: 'handshakes'; port: number; connections: number; count: number; resumed: boolean }
>

/**
 * What came of it. `latenciesMs` has one entry per answer with status 200. Any other answer is an error of the whole task, unless it is
 * tolerant: then `refusals` counts them by status and code, and `broken` the requests that got no answer at all.
 */
export type LoadResult = Readonly<{ elapsedMs: number; answered: number; latenciesMs: readonly number[]; refusals: Readonly<Record<string, number>>; broken: number; retryAfterMissing: number }>

/** What came of arrivals: a tolerant load, and how many could not be sent because no connection was free. */
export type ArrivalsResult = LoadResult & Readonly<{ withheld: number }>

/** What came of signing a directory: how long until the last byte of the answer, and how many signatures it held. Failures are an error. */
export type DirectoryResult = Readonly<{ elapsedMs: number; signed: number; bytes: number }>

/** The process that plays the clients. */
export type Load = Readonly<{
  requests: (task: Omit<Extract<LoadTask, { kind: 'requests' }>, 'kind'>) => Promise<LoadResult>
  arrivals: (task: Omit<Extract<LoadTask, { kind: 'arrivals' }>, 'kind'>) => Promise<ArrivalsResult>
  directory: (task: Omit<Extract<LoadTask, { kind: 'directory' }>, 'kind'>) => Promise<DirectoryResult>
  /** Resolves with how long the upload took, in milliseconds, until its answer was there. */
  upload: (task: Omit<Extract<LoadTask, { kind: 'upload' }>, 'kind'>) => Promise<number>
  /** Resolves with how long all handshakes took together, in milliseconds. */
  handshakes: (task: Omit<Extract<LoadTask, { kind: 'handshakes' }>, 'kind'>) => Promise<number>
  close: () => Promise<void>
}>

const MODULE = new URL('load-process.ts', import.meta.url)

/** Starts a process that plays clients with these credentials. */
export async function startLoad(credentials: Credentials, opened: AsyncDisposableStack): Promise<Load> {
  const peer = startPeer(MODULE)
  opened.defer(peer.close)
  await peer.ask(credentials)
  return {
    requests: async (task) => (await peer.ask({ kind: 'requests', ...task })) as LoadResult,
    arrivals: async (task) => (await peer.ask({ kind: 'arrivals', ...task })) as ArrivalsResult,
    directory: async (task) => (await peer.ask({ kind: 'directory', ...task })) as DirectoryResult,
    upload: async (task) => (await peer.ask({ kind: 'upload', ...task })) as number,
    handshakes: async (task) => (await peer.ask({ kind: 'handshakes', ...task })) as number,
    close: peer.close,
  }
}

/** Requests per second of a load. */
export function rateOf({ answered, elapsedMs }: Pick<LoadResult, 'answered' | 'elapsedMs'>): number {
  return (answered / elapsedMs) * 1000
}
