import { Worker } from 'node:worker_threads'
import { SigningError } from '../errors.ts'
import { errorOf } from './serve.ts'
import type { TaskReply } from './serve.ts'

// One task runs and one waits inside the thread, so that it need not idle while its answer travels and the next task comes back.
const TASKS_PER_THREAD = 2

/** How a pool is made. `module` is a file that calls `serveTasks`. */
export type ThreadPoolOptions = Readonly<{
  module: URL
  /** Threads at most. Each starts when a task needs it, for an idle one costs memory; one that ends is replaced the same way. */
  size: number
  /** How many tasks may wait for a thread. */
  maxWaiting: number
  workerData?: unknown
}>

/** How one task is run. */
export type RunOptions = Readonly<{
  /** Set for a task of more than a few milliseconds: no other task is put behind it while another thread may become free. */
  long?: boolean
  /** Aborted before the task reached a thread: the task is dropped and the reason is thrown. A thread always finishes its task. */
  signal?: AbortSignal | undefined
}>

/** Threads with one waiting line, first come, first served. An idle pool does not keep the process alive; a busy one does. */
export interface ThreadPool {
  /**
   * Resolves with what the thread answers to `task`. Both travel by structured clone.
   * @throws SigningError whatever code the thread threw; `SERVER_BUSY` when the line is full, `SHUTTING_DOWN` after `close`,
   * `INTERNAL` when the thread threw something else or ended in the middle
   */
  run<T>(task: unknown, options?: RunOptions): Promise<T>
  /** How many tasks wait for a thread. */
  waiting(): number
  /** Takes no more tasks, finishes those that were taken, then ends the threads. */
  close(): Promise<void>
}

type Job = Readonly<{ task: unknown; options: RunOptions; resolve: (value: unknown) => void; reject: (error: unknown) => void }>
type Thread = Readonly<{ worker: Worker; jobs: Job[] }>

/** Returns a pool without threads yet. */
export function createThreadPool(options: ThreadPoolOptions): ThreadPool {
  return new WorkerThreadPool(options)
}

class WorkerThreadPool implements ThreadPool {
  readonly #options: ThreadPoolOptions
  readonly #threads: Thread[] = []
  readonly #line: Job[] = []
  #closed: Promise<void> | undefined
  #whenQuiet: (() => void) | undefined

  constructor(options: ThreadPoolOptions) {
    this.#options = options
  }

  async run<T>(task: unknown, options: RunOptions = {}): Promise<T> {
    if (this.#closed !== undefined) throw new SigningError('SHUTTING_DOWN', 'the server is shutting down')
    options.signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const job: Job = { task, options, resolve, reject }
    const thread = this.#freest()
    if (thread !== undefined) {
      give(thread, job)
    } else if (this.#line.length < this.#options.maxWaiting) {
      this.#line.push(job)
    } else {
      throw new SigningError('SERVER_BUSY', 'too many files wait for their turn', { maxWaiting: this.#options.maxWaiting })
    }
    return await promise as T
  }

  waiting(): number {
    return this.#line.length
  }

  close(): Promise<void> {
    this.#closed ??= this.#finish()
    return this.#closed
  }

  async #finish(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenQuiet = resolve
    this.#advance()
    await promise
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()))
  }

  #start(): Thread {
    const { module, workerData } = this.#options
    // Without the flags of the process: what it was started with (--eval, --import) is not for every thread.
    const worker = new Worker(module, { workerData, execArgv: [] })
    const thread: Thread = { worker, jobs: [] }
    let cause: unknown = 'the thread ended by itself'
    worker.on('message', (reply: TaskReply) => this.#settle(thread, reply))
    worker.on('error', (error) => { cause = error })
    worker.on('exit', () => this.#bury(thread, cause))
    // After the listeners: one for messages would take the reference again.
    worker.unref()
    this.#threads.push(thread)
    return thread
  }

  #freest(): Thread | undefined {
    const idle = this.#threads.find(({ jobs }) => jobs.length === 0)
    if (idle !== undefined) return idle
    if (this.#threads.length < this.#options.size) return this.#start()
    return this.#threads.find(({ jobs }) => jobs.length < TASKS_PER_THREAD && !jobs.some(({ options }) => options.long === true))
  }

  #settle(thread: Thread, reply: TaskReply): void {
    const job = thread.jobs.shift() as Job
    if (thread.jobs.length === 0) thread.worker.unref()
    if (reply.kind === 'done') job.resolve(reply.value)
    else job.reject(errorOf(reply.fault))
    this.#advance()
  }

  // Only the first task of the thread can have begun; the one behind it keeps its turn. A replacement starts when a task needs it,
  // so a thread that cannot even load fails one task per attempt and never restarts in a circle.
  #bury(thread: Thread, cause: unknown): void {
    this.#threads.splice(this.#threads.indexOf(thread), 1)
    const [begun, ...untouched] = thread.jobs
    begun?.reject(new SigningError('INTERNAL', 'a worker thread ended in the middle of its work', { cause }))
    this.#line.unshift(...untouched)
    this.#advance()
  }

  #advance(): void {
    while (this.#line.length > 0) {
      const thread = this.#freest()
      if (thread === undefined) return
      const job = this.#line.shift() as Job
      if (job.options.signal?.aborted === true) job.reject(job.options.signal.reason)
      else give(thread, job)
    }
    if (this.#threads.every(({ jobs }) => jobs.length === 0)) this.#whenQuiet?.()
  }
}

function give({ worker, jobs }: Thread, job: Job): void {
  try {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a browser's windows have origins, threads do not
    worker.postMessage(job.task)
  } catch (error) {
    // A task that cannot be cloned is our mistake: it fails alone, and the thread never saw it.
    job.reject(error)
    return
  }
  jobs.push(job)
  worker.ref()
}
