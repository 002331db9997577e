import { SigningError } from '../errors.ts'
import { TaskThread, type Job } from './task-thread.ts'

// One task runs and the others wait inside the thread, so that it need not idle while answers travel and the next tasks come.
const TASKS_PER_THREAD = 16

// About 10 ms of hashing, which is how long the next task waits at most for having been put behind others. With nothing behind a task its thread
// would idle until the event loop, which may be busy, has seen the answer.
const LOAD_AHEAD = 16 * 1024 * 1024

/** How a pool is made. `module` is a file that calls `serveTasks`. */
export type ThreadPoolOptions = Readonly<{
  module: URL
  /** The name of its threads, as the system shows it: at most 15 characters. */
  name?: string
  /** Threads at most. Each starts when a task needs it, for an idle one costs memory; one that ends is replaced the same way. */
  size: number
  /** How many tasks may wait for a thread. */
  maxWaiting: number
  /** How many tasks a thread has at most, the one that runs among them. */
  tasksPerThread?: number
  workerData?: unknown
}>

/** How one task is run. */
export type RunOptions = Readonly<{
  /** How many bytes it reads, where they are many: nothing is put behind very many while another thread may become free. */
  bytes?: number
  /** Set for a moment's work on something that was begun, or to begin with: it goes before those that begin. They are as many as were begun, so nobody waits for ever. */
  ahead?: boolean
  /** Aborted before the task reached a thread: the task is dropped and the reason is thrown. A thread always finishes its task. */
  signal?: AbortSignal | undefined
}>

/** Threads with one waiting line, first come, first served but for what goes ahead. An idle pool does not keep the process alive; a busy one does. */
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

/** Returns a pool without threads yet. */
export function createThreadPool(options: ThreadPoolOptions): ThreadPool {
  return new WorkerThreadPool(options)
}

class WorkerThreadPool implements ThreadPool {
  readonly #options: ThreadPoolOptions
  readonly #tasksPerThread: number
  readonly #threads: TaskThread[] = []
  readonly #ahead: Job[] = []
  readonly #line: Job[] = []
  #closed: Promise<void> | undefined
  #whenQuiet: (() => void) | undefined

  constructor(options: ThreadPoolOptions) {
    this.#options = options
    this.#tasksPerThread = options.tasksPerThread ?? TASKS_PER_THREAD
  }

  async run<T>(task: unknown, { bytes = 0, ahead = false, signal }: RunOptions = {}): Promise<T> {
    if (this.#closed !== undefined) throw new SigningError('SHUTTING_DOWN', 'the server is shutting down')
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const job: Job = { task, bytes, signal, resolve, reject }
    const thread = this.waiting() === 0 ? this.#freest() : undefined
    if (thread !== undefined) {
      thread.give(job)
    } else if (this.waiting() < this.#options.maxWaiting) {
      const line = ahead ? this.#ahead : this.#line
      line.push(job)
    } else {
      throw new SigningError('SERVER_BUSY', 'too many files wait for their turn', { maxWaiting: this.#options.maxWaiting })
    }
    return await promise as T
  }

  waiting(): number {
    return this.#ahead.length + this.#line.length
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
    await Promise.all(this.#threads.map(async (thread) => await thread.terminate()))
  }

  /** A thread without a job, or a new one; else the one with the least to do, as long as it may have more. */
  #freest(): TaskThread | undefined {
    let freest: TaskThread | undefined
    for (const thread of this.#threads) {
      if (thread.size === 0) return thread
      if (thread.size < this.#tasksPerThread && thread.load < (freest?.load ?? LOAD_AHEAD)) freest = thread
    }
    return this.#threads.length < this.#options.size ? this.#start() : freest
  }

  // A replacement starts when a task needs it, so a thread that cannot even load fails one message of tasks per attempt and never
  // restarts in a circle.
  #start(): TaskThread {
    const { module, name = 'signing-worker', workerData } = this.#options
    const thread = new TaskThread({ module, name, workerData }, {
      answered: () => this.#advance(),
      ended: (untouched) => {
        this.#threads.splice(this.#threads.indexOf(thread), 1)
        this.#ahead.unshift(...untouched)
        this.#advance()
      },
    })
    this.#threads.push(thread)
    return thread
  }

  #advance(): void {
    while (this.waiting() > 0) {
      const thread = this.#freest()
      if (thread === undefined) return
      const job = (this.#ahead.shift() ?? this.#line.shift()) as Job
      if (job.signal?.aborted === true) job.reject(job.signal.reason)
      else thread.give(job)
    }
    if (this.#threads.every(({ size }) => size === 0)) this.#whenQuiet?.()
  }
}
