import { execFile } from 'node:child_process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { SigningError } from '../../../server/errors.ts'
import { createThreadPool } from '../../../server/threads/pool.ts'
import type { RunOptions, ThreadPool, ThreadPoolOptions } from '../../../server/threads/pool.ts'
import type { SampleTask } from './sample-worker.ts'

const MIB = 2 ** 20
const SAMPLE_WORKER = new URL('sample-worker.ts', import.meta.url)

function samplePool(options: Partial<ThreadPoolOptions> = {}): ThreadPool & { do<T>(task: SampleTask, options?: RunOptions): Promise<T> } {
  const pool = createThreadPool({ module: SAMPLE_WORKER, size: 1, maxWaiting: 100, tasksPerThread: 2, ...options })
  t.teardown(() => pool.close())
  const run = <T>(task: SampleTask, runOptions?: RunOptions) => pool.run<T>(task, runOptions)
  return { run: pool.run.bind(pool), waiting: () => pool.waiting(), close: () => pool.close(), do: run }
}

function sharedCells(count = 16): Int32Array {
  return new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT))
}

/** Resolves when `count` holding tasks have begun. */
async function begun(cells: Int32Array, count: number): Promise<void> {
  for (let seen = Atomics.load(cells, 0); seen < count; seen = Atomics.load(cells, 0)) await Atomics.waitAsync(cells, 0, seen).value
}

function release(cells: Int32Array): void {
  Atomics.store(cells, 1, 1)
  Atomics.notify(cells, 1)
}

void t.test('a pool', async (t) => {
  void t.test('runs one task in each of its threads at once', async (t) => {
    const pool = samplePool({ size: 2 })
    const cells = sharedCells()
    const results = Promise.all([pool.do({ kind: 'hold', cells }), pool.do({ kind: 'hold', cells })])
    await begun(cells, 2)
    release(cells)
    t.strictSame(await results, ['released', 'released'])
  })

  void t.test('serves its line in the order of arrival', async (t) => {
    const pool = samplePool()
    const [held, marks] = [sharedCells(), sharedCells()]
    const first = pool.do({ kind: 'hold', cells: held })
    const rest = [1, 2, 3, 4, 5, 6].map((mark) => pool.do<number>({ kind: 'mark', cells: marks, mark }))
    release(held)
    await Promise.all([first, ...rest])
    t.strictSame([...marks.subarray(0, 7)], [6, 1, 2, 3, 4, 5, 6])
  })

  void t.test('does what goes ahead before those that begin, in its own order', async (t) => {
    const pool = samplePool()
    const [held, marks] = [sharedCells(), sharedCells()]
    const first = pool.do({ kind: 'hold', cells: held })
    const rest = [1, 2, 3, 4, 5, 6].map((mark) => pool.do<number>({ kind: 'mark', cells: marks, mark }, { ahead: mark > 4 }))
    t.equal(pool.waiting(), 5)
    release(held)
    await Promise.all([first, ...rest])
    t.strictSame([...marks.subarray(0, 7)], [6, 1, 5, 6, 2, 3, 4])
  })

  void t.test('refuses a task with SERVER_BUSY when its line is full, and finishes what it took', async (t) => {
    const pool = samplePool({ maxWaiting: 2 })
    const cells = sharedCells()
    const running = pool.do({ kind: 'hold', cells })
    const taken = ['ahead', 'first', 'second'].map((value) => pool.do<string>({ kind: 'echo', value }))
    t.equal(pool.waiting(), 2)
    await t.rejects(pool.do({ kind: 'echo', value: 'too many' }), { name: 'SigningError', code: 'SERVER_BUSY', facts: { maxWaiting: 2 } })
    release(cells)
    t.strictSame(await Promise.all([running, ...taken]), ['released', 'ahead', 'first', 'second'])
    t.equal(pool.waiting(), 0)
    t.equal(await pool.do({ kind: 'echo', value: 'room again' }), 'room again')
  })

  void t.test('hands nothing to a thread behind much reading, so that the first free thread takes it', async (t) => {
    const pool = samplePool({ size: 2 })
    const [long, short] = [sharedCells(), sharedCells()]
    const slow = pool.do({ kind: 'hold', cells: long }, { bytes: 500 * MIB })
    const quick = [pool.do({ kind: 'hold', cells: short }), pool.do({ kind: 'echo', value: 1 }), pool.do({ kind: 'echo', value: 2 })]
    t.equal(pool.waiting(), 1, 'one is ahead in the other thread, one waits')
    release(short)
    t.strictSame(await Promise.all(quick), ['released', 1, 2], 'all short tasks are done while the long one still runs')
    release(long)
    t.equal(await slow, 'released')
  })

  void t.test('puts a task behind little reading, so that the thread goes on without the event loop, and into the thread that has the least to do', async (t) => {
    const pool = samplePool({ size: 2, tasksPerThread: 16 })
    const [some, less] = [sharedCells(), sharedCells()]
    const slow = [pool.do({ kind: 'hold', cells: some }, { bytes: 10 * MIB }), pool.do({ kind: 'hold', cells: less }, { bytes: 8 * MIB })]
    const behind = [pool.do({ kind: 'echo', value: 'in the second' }), pool.do({ kind: 'echo', value: 'in the second' }, { bytes: 8 * MIB }), pool.do({ kind: 'echo', value: 'in the first' }, { bytes: 8 * MIB })]
    const waits = pool.do({ kind: 'echo', value: 'in the first that is free' })
    t.equal(pool.waiting(), 1, 'both have as much as they may')
    release(less)
    t.strictSame(await Promise.all([slow[1], behind[0], behind[1], waits]), ['released', 'in the second', 'in the second', 'in the first that is free'])
    release(some)
    t.strictSame(await Promise.all([slow[0], behind[2]]), ['released', 'in the first'])
  })
})

void t.test('an error', async (t) => {
  const pool = samplePool()

  void t.test('of a thread comes back with its code, sentence, facts and the text of its cause', async (t) => {
    const error = await pool.do({ kind: 'refuse' }).catch((reason: unknown) => reason) as SigningError
    t.type(error, SigningError)
    t.match(error, { code: 'SIGNER_FAILED', message: 'the key could not sign', facts: { keyid: '1001' } })
    t.match(error.cause, /the inner reason[^]*sample-worker/)
  })

  void t.test('that is no SigningError becomes INTERNAL, its text only for the log', async (t) => {
    const error = await pool.do({ kind: 'fail', error: new RangeError('/secret/path') }).catch((reason: unknown) => reason) as SigningError
    t.match(error, { code: 'INTERNAL', message: 'a worker thread could not do its work' })
    t.match(error.cause, /RangeError: \/secret\/path/)
    await t.rejects(pool.do({ kind: 'fail', error: 'only text' }), { code: 'INTERNAL', cause: 'only text' })
  })

  void t.test('of cloning a task fails that task alone', async (t) => {
    const good = pool.do({ kind: 'echo', value: 'good' })
    await t.rejects(pool.do({ kind: 'echo', value: () => 1 }), { name: 'DataCloneError' })
    t.equal(await good, 'good')
    t.equal(await pool.do({ kind: 'echo', value: 'good' }), 'good')
  })
})

void t.test('a thread that ends', async (t) => {
  void t.test('fails the task it ran and those that came in the same message; what came behind them is done by its replacement', async (t) => {
    const pool = samplePool({ tasksPerThread: 3 })
    const together = [pool.do({ kind: 'exit' }), pool.do({ kind: 'echo', value: 'together' })]
    await nextTurn()
    const others = ['ahead', 'waiting'].map((value) => pool.do<string>({ kind: 'echo', value }))
    for (const lost of together) await t.rejects(lost, { code: 'INTERNAL', message: 'a worker thread ended in the middle of its work' })
    t.strictSame(await Promise.all(others), ['ahead', 'waiting'])
  })

  void t.test('by an error outside its task names that error as the cause', async (t) => {
    const pool = samplePool()
    await t.rejects(pool.do({ kind: 'answerUncloneably' }), { code: 'INTERNAL', cause: { stack: /could not be cloned/ } })
    t.equal(await pool.do({ kind: 'echo', value: 'replaced' }), 'replaced')
  })

  void t.test('because it cannot be loaded fails each task instead of starting again for ever', async (t) => {
    const pool = samplePool({ module: new URL('no-such-module.ts', import.meta.url) })
    const outcomes = await Promise.allSettled([1, 2, 3].map((value) => pool.do({ kind: 'echo', value })))
    for (const outcome of outcomes) t.match(outcome, { status: 'rejected', reason: { code: 'INTERNAL', cause: { code: 'ERR_MODULE_NOT_FOUND' } } })
  })
})

void t.test('an aborted signal', async (t) => {
  void t.test('keeps a task out of the line', async (t) => {
    await t.rejects(samplePool().do({ kind: 'echo', value: 1 }, { signal: AbortSignal.abort(new Error('gone')) }), { message: 'gone' })
  })

  void t.test('drops a task that waits, and lets one that a thread has finish', async (t) => {
    const pool = samplePool()
    const [held, marks] = [sharedCells(), sharedCells()]
    const controller = new AbortController()
    const running = pool.do({ kind: 'hold', cells: held }, { signal: controller.signal })
    const ahead = pool.do({ kind: 'mark', cells: marks, mark: 1 })
    const waiting = pool.do({ kind: 'mark', cells: marks, mark: 2 }, { signal: controller.signal })
    const last = pool.do({ kind: 'mark', cells: marks, mark: 3 })
    controller.abort(new Error('gone'))
    release(held)
    await t.rejects(waiting, { message: 'gone' })
    t.equal(await running, 'released')
    await Promise.all([ahead, last])
    t.strictSame([...marks.subarray(0, 4)], [2, 1, 3, 0], 'the dropped task never ran')
  })
})

void t.test('close', async (t) => {
  void t.test('refuses new tasks, finishes running and waiting ones, and then ends the threads', async (t) => {
    const pool = samplePool()
    const cells = sharedCells()
    const taken = [pool.do({ kind: 'hold', cells }), ...[1, 2, 3].map((value) => pool.do({ kind: 'echo', value }))]
    const closed = pool.close()
    t.equal(pool.close(), closed, 'closing twice is closing once')
    await t.rejects(pool.do({ kind: 'echo', value: 'late' }), { code: 'SHUTTING_DOWN' })
    release(cells)
    t.strictSame(await Promise.all(taken), ['released', 1, 2, 3])
    await closed
  })

  void t.test('of an idle pool resolves', (t) => samplePool({ size: 2 }).close().then(() => t.pass('closed')))
})

void t.test('a process ends by itself when its pool is idle, and not while it is busy', async (t) => {
  const script = `
    import { createThreadPool } from ${JSON.stringify(new URL('../../../server/threads/pool.ts', import.meta.url).href)}
    const pool = createThreadPool({ module: new URL(${JSON.stringify(SAMPLE_WORKER.href)}), size: 2, maxWaiting: 1 })
    pool.run({ kind: 'echo', value: 'done' }).then(console.log)`
  const folder = t.testdir({ 'script.ts': script })
  const { stdout } = await promisify(execFile)(process.execPath, [`${folder}/script.ts`], { timeout: 30_000 })
  t.equal(stdout, 'done\n')
})
