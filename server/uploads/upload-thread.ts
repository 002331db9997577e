import { parentPort, type MessagePort } from 'node:worker_threads'
import { serveTasks } from '../threads/serve.ts'
import { createAppender, type UploadTask } from './append.ts'

// The body of the thread that keeps uploads: one for all of them, for a hash that was begun cannot move to another thread.
const append = createAppender()
serveTasks(parentPort as MessagePort, (task) => append(task as UploadTask))
