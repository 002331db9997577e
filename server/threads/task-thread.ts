import { Worker } from 'node:worker_threads'
import { SigningError } from '../errors.ts'
import { errorOf } from './serve.ts'
import type { TaskReply } from './serve.ts'

/** A task on its way. `bytes` and `signal` are those of the pool's RunOptions. */
export type Job = Readonly<{ task: unknown; bytes: number; signal: AbortSignal | undefined; resolve: (value: unknown) => void; reject: (error: unknown) => void }>

/** What a thread tells its pool: that it has answered something, and that it ended, with the jobs that it never saw. */
export type ThreadEvents = Readonly<{ answered: () => void; ended: (untouched: readonly Job[]) => void }>

/** What a task costs at least, as one signature does. */
const LEAST_LOAD = 256 * 1024

/** What a thread runs and is called. */
export type ThreadOptions = Readonly<{ module: URL; name: string; workerData: unknown }>

/**
 * One thread and the jobs it has. What it is given in the same turn of the event loop travels in one message, for a message costs as
 * much as some kilobytes of hashing; it answers in the order of the tasks, several at once where they are short.
 */
export class TaskThread {
  readonly #worker: Worker
  /** The jobs of each message that is not wholly answered, and those of the next one. */
  readonly #messages: Job[][] = []
  #outbox: Job[] = []
  #size = 0
  #load = 0

  constructor({ module, name, workerData }: ThreadOptions, events: ThreadEvents) {
    // Without the flags of the process: what it was started with (--eval, --import) is not for every thread. And a descriptor that it opens
    // is closed by who asked for it: a thread that ends must not close what has that number by then.
    this.#worker = new Worker(module, { name, workerData, execArgv: [], trackUnmanagedFds: false })
    let cause: unknown = 'the thread ended by itself'
    this.#worker.on('message', (replies: readonly TaskReply[]) => {
      for (const reply of replies) this.#settle(reply)
      events.answered()
    })
    this.#worker.on('error', (error) => { cause = error })
    this.#worker.on('exit', () => events.ended(this.#bury(cause)))
    // After the listeners: one for messages would take the reference again.
    this.#worker.unref()
  }

  /** How many jobs it has, the one that runs among them. */
  get size(): number {
    return this.#size
  }

  /** What they cost together, in bytes that could be hashed meanwhile. */
  get load(): number {
    return this.#load
  }

  give(job: Job): void {
    if (this.#outbox.length === 0) setImmediate(() => this.#send())
    this.#outbox.push(job)
    this.#size += 1
    this.#load += loadOf(job)
    this.#worker.ref()
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }

  #send(): void {
    const jobs = this.#outbox
    this.#outbox = []
    if (jobs.length === 0 || this.#post(jobs) === undefined) return
    // One of them cannot be cloned, which is our mistake: it fails alone, and the thread never sees it.
    for (const job of jobs) {
      const fault = this.#post([job])
      if (fault !== undefined) this.#leave(job, () => job.reject(fault.cause))
    }
  }

  #post(jobs: Job[]): Readonly<{ cause: unknown }> | undefined {
    try {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a browser's windows have origins, threads do not
      this.#worker.postMessage(jobs.map(({ task }) => task))
      this.#messages.push(jobs)
      return undefined
    } catch (cause) {
      return { cause }
    }
  }

  #settle(reply: TaskReply): void {
    const message = this.#messages[0] as Job[]
    const job = message.shift() as Job
    if (message.length === 0) this.#messages.shift()
    this.#leave(job, () => (reply.kind === 'done' ? job.resolve(reply.value) : job.reject(errorOf(reply.fault))))
  }

  #leave(job: Job, settle: () => void): void {
    this.#size -= 1
    this.#load -= loadOf(job)
    if (this.#size === 0) this.#worker.unref()
    settle()
  }

  /** Fails what may have begun, which is the whole message that the thread was at; returns the others. */
  #bury(cause: unknown): readonly Job[] {
    const [begun, ...untouched] = this.#messages
    const unsent = this.#outbox
    this.#outbox = []
    for (const { reject } of begun ?? []) reject(new SigningError('INTERNAL', 'a worker thread ended in the middle of its work', { cause }))
    return [...untouched.flat(), ...unsent]
  }
}

function loadOf({ bytes }: Job): number {
  return LEAST_LOAD + bytes
}
