import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { SigningError } from '../errors.ts'
import { errorOf } from '../threads/serve.ts'
import type { Database } from './database.ts'
import type { Call, CallName, DatabaseThreadData, ThreadReply } from './thread-protocol.ts'

/** The file that the thread runs: TypeScript in a checkout, JavaScript where it was built. */
const MODULE = new URL(`database-thread${extname(import.meta.url)}`, import.meta.url)

// A thread that ends at once would otherwise be started again at every request.
const RESTART_MS = 1_000

/** How the thread is run; `module` is another file in tests. */
export type ThreadOptions = Readonly<{ module?: URL }>

/**
 * Opens a database in a thread of its own, so that a disk flush, or another process that holds the database, keeps nobody waiting but
 * those who write. When the thread ends, the calls that it had not answered fail with `STORE_FAILED`, and the next one starts another.
 *
 * Searches and audits have a second thread, which the first of them starts: SQLite answers in the thread that asks, and a search that reads the
 * whole catalogue must not keep signatures waiting.
 * @throws SigningError whatever the thread threw when it opened the database
 */
export async function openThreadDatabase(data: DatabaseThreadData, { module = MODULE }: ThreadOptions = {}): Promise<Database> {
  const thread = new DatabaseThread(data, module)
  await thread.started()
  const searching = new DatabaseThread(data, module)
  const asked = (one: DatabaseThread, name: CallName) => async (...args: readonly unknown[]): Promise<never> => (await one.call(name, args)) as never
  const call = (name: CallName) => asked(thread, name)
  return {
    write: call('write'),
    lookUp: call('lookUp'),
    countOf: call('countOf'),
    get: call('get'),
    wasHandedTo: call('wasHandedTo'),
    findByDigest: call('findByDigest'),
    find: asked(searching, 'find'),
    signedAmong: call('signedAmong'),
    checkpoint: call('checkpoint'),
    tile: call('tile'),
    entries: call('entries'),
    proof: call('proof'),
    audit: asked(searching, 'audit'),
    peek: call('peek'),
    items: call('items'),
    probe: call('probe'),
    isWriteFault: (cause) => cause instanceof SigningError && cause.facts['isWriteFault'] === true,
    close: async () => void (await Promise.all([thread.close(), searching.close()])),
  }
}

type Waiting = Readonly<{ resolve: (value: unknown) => void; reject: (error: unknown) => void }>
type Running = Readonly<{ worker: Worker; open: Promise<void>; waiting: Map<number, Waiting> }>

class DatabaseThread {
  readonly #data: DatabaseThreadData
  readonly #module: URL
  #running: Running | undefined
  #lastStart = 0
  #calls = 0

  constructor(data: DatabaseThreadData, module: URL) {
    this.#data = data
    this.#module = module
  }

  /** Resolves when the thread takes calls; starts it where there is none. */
  async started(): Promise<Running> {
    const running = this.#running ??= this.#start()
    await running.open
    return running
  }

  async call(name: CallName, args: readonly unknown[]): Promise<unknown> {
    const { worker, waiting } = await this.started()
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const id = ++this.#calls
    waiting.set(id, { resolve, reject })
    worker.ref()
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a browser's windows have origins, threads do not
    worker.postMessage({ id, name, args } satisfies Call)
    return await promise
  }

  async close(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    await this.call('close', [])
    await running.worker.terminate()
  }

  #start(): Running {
    if (performance.now() - this.#lastStart < RESTART_MS && this.#lastStart > 0) throw new SigningError('STORE_FAILED', 'the thread of the store ended and is not started again so soon')
    this.#lastStart = performance.now()
    // Without the flags of the process: what it was started with (--eval, --import) is not for every thread.
    const worker = new Worker(this.#module, { name: 'signing-store', workerData: this.#data, execArgv: [] })
    const waiting = new Map<number, Waiting>()
    const { promise: open, resolve, reject } = Promise.withResolvers<void>()
    const running: Running = { worker, open, waiting }
    let cause: unknown = 'the thread ended by itself'
    worker.on('message', (reply: ThreadReply) => {
      if (reply.kind === 'open') {
        worker.unref()
        resolve()
      } else if (reply.id !== undefined) settle(running, reply.id, reply)
      else if (reply.kind === 'failed') reject(replyError(reply))
    })
    worker.on('error', (error) => { cause = error })
    worker.on('exit', () => {
      const ended = new SigningError('STORE_FAILED', 'the thread of the store ended in the middle of its work', { cause })
      if (this.#running === running) this.#running = undefined
      reject(ended)
      for (const { reject: fail } of waiting.values()) fail(ended)
    })
    return running
  }
}

function settle({ worker, waiting }: Running, id: number, reply: Exclude<ThreadReply, { kind: 'open' }>): void {
  const call = waiting.get(id) as Waiting
  waiting.delete(id)
  // An idle database does not keep the process alive; a busy one does.
  if (waiting.size === 0) worker.unref()
  if (reply.kind === 'done') call.resolve(reply.value)
  else call.reject(replyError(reply))
}

function replyError({ fault, isWriteFault }: Extract<ThreadReply, { kind: 'failed' }>): SigningError {
  return errorOf({ ...fault, facts: { ...fault.facts, isWriteFault } })
}
