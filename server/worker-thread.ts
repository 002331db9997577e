import { parentPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { verifyMessage } from '../formats/index.ts'
import { signMessage } from './keys/message-key.ts'
import type { SignMessageTask } from './keys/message-key.ts'
import { signDigest } from './keys/rsa.ts'
import type { SignTask } from './keys/rsa.ts'
import type { Examined, PackageInfo } from './packages/package-info.ts'
import { openPackage, settlePackage } from './packages/open-package.ts'
import type { OpenTask, SettleTask } from './packages/open-package.ts'
import { copyFile, examineFile, hashFile, inspectFile, readWhole } from './packages/read-file.ts'
import type { ReadTask } from './packages/read-file.ts'
import { findPath } from './roots/find.ts'
import type { FindTask, Found } from './roots/find.ts'
import { serveTasks } from './threads/serve.ts'
import { standBack } from './threads/stand-back.ts'

type Task = FindTask | OpenTask | SettleTask | ReadTask | SignTask | SignMessageTask

// The body of a worker thread: everything that would keep the event loop waiting, reading and hashing files and making signatures. There is
// one for each processor, and whoever asks for something small is not to wait for the end of their time slices.
standBack()
serveTasks(parentPort as MessagePort, (task) => perform(task as Task))

function perform(task: Task): Found | ReturnType<typeof openPackage> | PackageInfo | Examined | Buffer | boolean | void {
  switch (task.kind) {
    case 'find': return findPath(task)
    case 'open': return openPackage(task)
    case 'settle': return settlePackage(task)
    case 'inspect': return inspectFile(task, task)
    case 'examine': return examineFile(task, task.sha256)
    case 'copy': return copyFile(task, task.targetFd)
    case 'hash': return hashFile(task)
    case 'sign': return signDigest(task.privateKey, task.sha256)
    case 'signMessage': return signMessage(task.privateKey, bytesOf(task.message))
    case 'verifyMessage': return verifyMessage({ ...task, message: readWhole(task, task.sha256) })
  }
}

function bytesOf(message: SignMessageTask['message']): Uint8Array {
  return message.kind === 'bytes' ? message.bytes : readWhole(message, message.sha256)
}
