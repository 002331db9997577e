import type { MessagePort } from 'node:worker_threads'
import { SigningError } from '../errors.ts'
import type { ErrorCode, ErrorFacts } from '../errors.ts'

/** An error on its way between threads: structured clone would lose its class and its code. */
export type TaskFault = Readonly<{ code: ErrorCode; message: string; facts: ErrorFacts }>

/** What a thread answers to one task: exactly one reply per task, in the order of the tasks, one or several in a message. */
export type TaskReply = Readonly<{ kind: 'done'; value: unknown } | { kind: 'failed'; fault: TaskFault }>

/** Answers of a message that took longer are sent before the rest of it is done: somebody waits for them. */
const PATIENCE_MS = 1

/**
 * Answers every task that arrives on `port`, several in a message, with the result of `work`, one after the other. `work` is synchronous
 * on purpose: a thread has nothing else to do, and the pool relies on replies in the order of the tasks.
 */
export function serveTasks(port: MessagePort, work: (task: unknown) => unknown): void {
  port.on('message', (tasks: readonly unknown[]) => {
    let replies: TaskReply[] = []
    let started = performance.now()
    for (const [at, task] of tasks.entries()) {
      replies.push(attempt(work, task))
      if (at < tasks.length - 1 && performance.now() - started < PATIENCE_MS) continue
      port.postMessage(replies)
      replies = []
      started = performance.now()
    }
  })
}

/** Returns the error behind a fault, as the thread threw it; what was not a SigningError comes as `INTERNAL` with its text as `cause`. */
export function errorOf({ code, message, facts }: TaskFault): SigningError {
  return new SigningError(code, message, facts)
}

function attempt(work: (task: unknown) => unknown, task: unknown): TaskReply {
  try {
    return { kind: 'done', value: work(task) }
  } catch (error) {
    return { kind: 'failed', fault: faultOf(error) }
  }
}

/** Returns an error as it travels between threads. */
export function faultOf(error: unknown): TaskFault {
  if (!(error instanceof SigningError)) {
    return { code: 'INTERNAL', message: 'a worker thread could not do its work', facts: { cause: textOf(error) } }
  }
  const { code, message, facts, cause } = error
  return { code, message, facts: cause === undefined ? facts : { ...facts, cause: textOf(cause) } }
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? (cause.stack as string) : String(cause)
}
