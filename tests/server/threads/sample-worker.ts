import { parentPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { SigningError } from '../../../server/errors.ts'
import { serveTasks } from '../../../server/threads/serve.ts'

/** What the threads of the pool tests can be told to do. `cells` is shared memory that the test watches and sets. */
export type SampleTask =
  | { kind: 'echo'; value: unknown }
  /** Counts cell 0 up and waits until cell 1 is set. */
  | { kind: 'hold'; cells: Int32Array }
  /** Counts cell 0 up and puts `mark` into the cell of that number. */
  | { kind: 'mark'; cells: Int32Array; mark: number }
  | { kind: 'refuse' }
  | { kind: 'fail'; error: unknown }
  | { kind: 'exit' }
  | { kind: 'answerUncloneably' }

function perform(task: SampleTask): unknown {
  if (task.kind === 'echo') return task.value
  if (task.kind === 'hold') return hold(task.cells)
  if (task.kind === 'mark') return Atomics.store(task.cells, Atomics.add(task.cells, 0, 1) + 1, task.mark)
  if (task.kind === 'refuse') throw new SigningError('SIGNER_FAILED', 'the key could not sign', { cause: new Error('the inner reason'), keyid: '1001' })
  if (task.kind === 'fail') throw task.error
  if (task.kind === 'exit') process.exit(3)
  return () => 'a function cannot travel'
}

function hold(cells: Int32Array): string {
  Atomics.add(cells, 0, 1)
  Atomics.notify(cells, 0)
  Atomics.wait(cells, 1, 0)
  return 'released'
}

serveTasks(parentPort as MessagePort, (task) => perform(task as SampleTask))
