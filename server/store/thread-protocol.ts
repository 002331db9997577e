import type { TaskFault } from '../threads/serve.ts'
import type { Database } from './database.ts'
import type { LogIdentity } from './head.ts'

/** What the thread of the database is started with: `store` of the configuration, the log, and how long answers are kept. */
export type DatabaseThreadData = Readonly<{ url: string; passwordFile?: string | undefined; ca?: string | undefined; identity: LogIdentity; keepMs: number }>

/** The calls that travel to the thread: all that resolve with data. */
export type CallName = Exclude<keyof Database, 'isWriteFault'>

/** A call, and where its answer belongs. */
export type Call = Readonly<{ id: number; name: CallName; args: readonly unknown[] }>

/**
 * What the thread says: `open` once, when it takes calls, or `failed` without an id, and it ends; then one reply per call. `isWriteFault`
 * is judged where the error still is what the driver threw.
 */
export type ThreadReply = Readonly<
  | { kind: 'open' }
  | { kind: 'done'; id: number; value: unknown }
  | { kind: 'failed'; id?: number | undefined; fault: TaskFault; isWriteFault: boolean }
>
