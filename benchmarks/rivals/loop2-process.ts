import { createPrivateKey, createPublicKey, verify, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { serve } from '../harness/peer.ts'
import type { Loop2Task } from './loop2.ts'
import type { ThreadTask } from './loop2-thread.ts'

const THREADS = 2
const workers: Worker[] = []
let key: KeyObject

serve(async (given) => {
  const task = given as Loop2Task
  if (task.kind === 'open') return await open(task.privateKey)
  const taken = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  const started = performance.now()
  switch (task.kind) {
    case 'files':
      checkFirst(task.paths, await Promise.all(workers.map(async (worker) => await ask(worker, { ...task, taken }))))
      break
    case 'hash':
      await ask(workers[0] as Worker, { ...task, taken })
      break
    case 'messages':
      await Promise.all(workers.map(async (worker) => await ask(worker, { ...task, taken })))
      break
  }
  return performance.now() - started
})

async function open(privateKey: string): Promise<number> {
  key = createPrivateKey(readFileSync(privateKey))
  for (let count = 0; count < THREADS; count += 1) {
    const worker = new Worker(new URL('loop2-thread.ts', import.meta.url), { workerData: key })
    await once(worker, 'online')
    workers.push(worker)
  }
  return 0
}

async function ask(worker: Worker, task: ThreadTask): Promise<Uint8Array | undefined> {
  const answered = once(worker, 'message')
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a browser's windows have origins, threads do not
  worker.postMessage(task)
  return ((await answered) as [Uint8Array | undefined])[0]
}

/** That it really signs: the signature of the first file is verified; one of many, so it costs nothing that shows. */
function checkFirst(paths: readonly string[], signatures: readonly (Uint8Array | undefined)[]): void {
  const signature = signatures.find((found) => found !== undefined)
  if (signature === undefined || !verify('sha256', readFileSync(paths[0] as string), createPublicKey(key), signature)) throw new Error('loop2 made a wrong signature')
}
