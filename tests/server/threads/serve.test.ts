import { once } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import t from 'tap'
import { SigningError } from '../../../server/errors.ts'
import { errorOf, serveTasks } from '../../../server/threads/serve.ts'
import type { TaskReply } from '../../../server/threads/serve.ts'

/** The messages that answer to these tasks in one message. */
async function messagesOf(work: (task: unknown) => unknown, tasks: readonly unknown[]): Promise<TaskReply[][]> {
  const { port1, port2 } = new MessageChannel()
  serveTasks(port1, work)
  port2.postMessage(tasks)
  const messages: TaskReply[][] = []
  while (messages.flat().length < tasks.length) messages.push(...(await once(port2 as MessagePort & NodeJS.EventEmitter, 'message') as TaskReply[][]))
  port2.close()
  return messages
}

async function replyOf(work: (task: unknown) => unknown, task: unknown): Promise<TaskReply> {
  return (await messagesOf(work, [task])).flat()[0] as TaskReply
}

function failWith(error: unknown): () => never {
  return () => { throw error }
}

void t.test('serveTasks', async (t) => {
  void t.test('answers a task with what the work returned', async (t) => {
    t.strictSame(await replyOf((task) => ({ seen: task }), { kind: 'echo' }), { kind: 'done', value: { seen: { kind: 'echo' } } })
    t.strictSame(await replyOf(() => undefined, 1), { kind: 'done', value: undefined })
  })

  void t.test('answers short tasks of one message in one message, and does not keep an answer back for a long one', async (t) => {
    const take = (ms: unknown): unknown => {
      for (const end = performance.now() + Number(ms); performance.now() < end;) continue
      return ms
    }
    const values = (messages: readonly TaskReply[][]) => messages.map((replies) => replies.map((reply) => (reply.kind === 'done' ? reply.value : reply)))
    t.strictSame(values(await messagesOf((task) => task, [1, 2, 3])), [[1, 2, 3]])
    t.strictSame(values(await messagesOf(take, [3, 3, 0])), [[3], [3], [0]])
  })

  void t.test('answers with code, sentence and facts of a SigningError, and with its cause as text', async (t) => {
    const plain = new SigningError('FILE_CHANGED', 'the file changed while it was read', { position: 7 })
    t.strictSame(await replyOf(failWith(plain), 1), {
      kind: 'failed', fault: { code: 'FILE_CHANGED', message: 'the file changed while it was read', facts: { position: 7 } },
    })
    const caused = new SigningError('STORAGE_FULL', 'full', { cause: Object.assign(new Error('no space'), { syscall: 'write' }) })
    t.match(await replyOf(failWith(caused), 1), { kind: 'failed', fault: { code: 'STORAGE_FULL', facts: { cause: /^Error: no space\n +at / } } })
  })

  void t.test('answers with INTERNAL and a sentence that says nothing for every other error', async (t) => {
    for (const [error, cause] of [[new TypeError('/secret'), /^TypeError: \/secret/], ['/secret', '/secret'], [undefined, 'undefined']] as const) {
      const reply = await replyOf(failWith(error), 1)
      t.match(reply, { kind: 'failed', fault: { code: 'INTERNAL', message: 'a worker thread could not do its work', facts: { cause } } })
    }
  })
})

void t.test('errorOf returns the SigningError that the thread threw', async (t) => {
  const error = errorOf({ code: 'STORAGE_FULL', message: 'full', facts: { cause: 'Error: no space', sizeBytes: 1 } })
  t.type(error, SigningError)
  t.match(error, { code: 'STORAGE_FULL', message: 'full', cause: 'Error: no space' })
  t.strictSame(error.facts, { sizeBytes: 1 })
})
