import { parentPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { serveTasks } from '../../../server/threads/serve.ts'
import { createAppender, type UploadTask } from '../../../server/uploads/append.ts'

// The thread of the uploads, but that it ends in the middle of one whose bytes say so.
const append = createAppender()
serveTasks(parentPort as MessagePort, (task) => {
  const { kind, bytes } = task as Extract<UploadTask, { kind: 'append' }>
  if (kind === 'append' && Buffer.from(bytes).toString() === 'exit') process.exit(3)
  return append(task as UploadTask)
})
