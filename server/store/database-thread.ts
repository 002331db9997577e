import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { faultOf } from '../threads/serve.ts'
import type { Database } from './database.ts'
import { storeFault } from './faults.ts'
import { openDatabase } from './open-database.ts'
import type { Call, DatabaseThreadData, ThreadReply } from './thread-protocol.ts'

// The body of the thread that has the database: what it is asked it does, several things at once where the database can.
const port = parentPort as MessagePort
const say = (reply: ThreadReply): void => port.postMessage(reply)

try {
  const database = await openDatabase(workerData as DatabaseThreadData)
  port.on('message', (call: Call) => void perform(database, call))
  say({ kind: 'open' })
} catch (error) {
  say({ kind: 'failed', fault: faultOf(error), isWriteFault: false })
}

async function perform(database: Database, { id, name, args }: Call): Promise<void> {
  try {
    const run = database[name] as (...args: readonly unknown[]) => Promise<unknown>
    say({ kind: 'done', id, value: await run(...args) })
    // Nothing more is asked of a database that was closed: the thread ends.
    if (name === 'close') port.close()
  } catch (error) {
    // A driver's error loses its class on the way, so here is where it gets a code.
    say({ kind: 'failed', id, fault: faultOf(storeFault('the store failed', error)), isWriteFault: database.isWriteFault(error) })
  }
}
