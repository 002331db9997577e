import { startPeer } from '../harness/peer.ts'

/** What loop2 is asked: the files of a list to be signed, or so many signatures over small messages. */
export type Loop2Task = Readonly<{ kind: 'open'; privateKey: string } | { kind: 'files'; paths: readonly string[] } | { kind: 'hash'; paths: readonly string[] } | { kind: 'messages'; count: number }>

/**
 * The upper bound: a plain Node program with two worker threads, no TLS, no HTTP, no database. Each returns how long it took, in
 * milliseconds. `files`: opens, reads (256 KiB at a time into one buffer that is used again), hashes and signs each file. `hash`: the same
 * in one thread without signing. `messages`: `crypto.sign` over messages of 32 bytes.
 */
export type Loop2 = Readonly<{ files: (paths: readonly string[]) => Promise<number>; hash: (paths: readonly string[]) => Promise<number>; messages: (count: number) => Promise<number> }>

const MODULE = new URL('loop2-process.ts', import.meta.url)

/** Starts it with a key in PEM. Its threads stay, so that every round but the first is warm. */
export async function startLoop2(privateKey: string, opened: AsyncDisposableStack): Promise<Loop2> {
  const peer = startPeer(MODULE)
  opened.defer(peer.close)
  const ask = async (task: Loop2Task) => (await peer.ask(task)) as number
  await ask({ kind: 'open', privateKey })
  return {
    files: async (paths) => await ask({ kind: 'files', paths }),
    hash: async (paths) => await ask({ kind: 'hash', paths }),
    messages: async (count) => await ask({ kind: 'messages', count }),
  }
}
