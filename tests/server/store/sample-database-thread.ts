import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { SigningError } from '../../../server/errors.ts'
import { storeFault } from '../../../server/store/faults.ts'
import type { Call, DatabaseThreadData, ThreadReply } from '../../../server/store/thread-protocol.ts'
import { faultOf } from '../../../server/threads/serve.ts'

/** A thread without a database: the URL says how it opens, the first argument of a call what becomes of it. */
const port = parentPort as MessagePort
const { url } = workerData as DatabaseThreadData
const say = (reply: ThreadReply): void => port.postMessage(reply)
const refuse = (message: string): void => say({ kind: 'failed', fault: faultOf(new SigningError('STORE_FAILED', message)), isWriteFault: false })

function open(): void {
  if (url === 'throw') throw new Error('cannot even begin')
  if (url === 'refuse') return refuse('somebody changed the database')
  const marker = url.startsWith('once ') ? url.slice('once '.length) : undefined
  if (marker !== undefined && existsSync(marker)) return refuse('opened before')
  if (marker !== undefined) writeFileSync(marker, '')
  if (url === 'exit') return
  port.on('message', (call: Call) => void answer(call))
  say({ kind: 'open' })
}

async function answer({ id, name, args }: Call): Promise<void> {
  const [first] = args
  const fail = (error: unknown, isWriteFault: boolean): void => say({ kind: 'failed', id, fault: faultOf(storeFault('the store failed', error)), isWriteFault })
  switch (first) {
    case 'slow':
      await setTimeout(50)
      break
    case 'never':
      return
    case 'block':
      for (const end = performance.now() + 500; performance.now() < end;) continue
      break
    case 'die':
      // Outside of this promise, whose rejection would only be unhandled.
      return void setImmediate(() => { throw new Error('died') })
    case 'exit':
      return process.exit(0)
    case 'full':
      return fail(new SigningError('STORAGE_FULL', 'no room'), false)
    case 'row':
      return fail(new Error('duplicate'), true)
    case 'strange':
      return fail(new Error('strange things'), false)
  }
  say({ kind: 'done', id, value: valueOf(name, args) })
}

function valueOf(name: Call['name'], args: readonly unknown[]): unknown {
  if (name === 'signedAmong') return new Set([args[0]])
  if (name === 'findByDigest') return [{ client: JSON.stringify(args) }]
  return name === 'get' ? { client: args[0] } : undefined
}

open()
