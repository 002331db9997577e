import { fork, type ChildProcess } from 'node:child_process'
import { cleanEnvironment, endChild } from './child.ts'

/** A process of the suite that does what it is asked, one thing after the other. */
export type Peer = Readonly<{ pid: number; ask: (task: unknown) => Promise<unknown>; close: () => Promise<void> }>

type Reply = Readonly<{ value: unknown } | { fault: string }>

/**
 * Starts a file of ours as a process that answers tasks with {@link serve}. A process of its own, because what drives or rivals the server
 * must not share a thread with what measures. @throws Error (from `ask`) with what the process says, or that it ended
 */
export function startPeer(module: URL): Peer {
  const child = fork(module, { env: cleanEnvironment(), serialization: 'advanced', execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  return { pid: child.pid as number, ask: async (task) => await askChild(child, task), close: async () => await endChild(child, { patienceMs: 5_000 }) }
}

async function askChild(child: ChildProcess, task: unknown): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const ended = () => reject(new Error(`a process of the suite ended in the middle of its task (${child.spawnfile})`))
  child.once('message', (reply) => resolve(reply as Reply)).once('exit', ended)
  if (child.connected) child.send(task as object)
  else ended()
  try {
    const reply = await promise
    if ('fault' in reply) throw new Error(reply.fault)
    return reply.value
  } finally {
    child.removeAllListeners('message').off('exit', ended)
  }
}

/** The other side of {@link startPeer}: answers each task with what `work` returns or throws, until the parent goes away. */
export function serve(work: (task: unknown) => Promise<unknown>): void {
  const answer = async (task: unknown): Promise<Reply> => {
    try {
      return { value: await work(task) }
    } catch (error) {
      return { fault: error instanceof Error ? (error.stack ?? error.message) : String(error) }
    }
  }
  process.on('message', (task: unknown) => void answer(task).then((reply) => process.send?.(reply)))
  process.once('disconnect', () => process.exit(0))
}
