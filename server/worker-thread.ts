import { parentPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { signDigest } from './keys/rsa.ts'
import type { SignTask } from './keys/rsa.ts'
import type { Examined, PackageInfo } from './packages/package-info.ts'
import { copyFile, examineFile, hashFile, inspectFile } from './packages/read-file.ts'
import type { ReadTask } from './packages/read-file.ts'
import { serveTasks } from './threads/serve.ts'

// The body of a worker thread: everything that would keep the event loop waiting, reading and hashing files and RSA.
serveTasks(parentPort as MessagePort, (task) => perform(task as ReadTask | SignTask))

function perform(task: ReadTask | SignTask): PackageInfo | Examined | Buffer {
  switch (task.kind) {
    case 'inspect': return inspectFile(task, task)
    case 'examine': return examineFile(task, task.sha256)
    case 'copy': return copyFile(task, task.targetFd)
    case 'hash': return hashFile(task)
    case 'sign': return signDigest(task.privateKey, task.sha256)
  }
}
