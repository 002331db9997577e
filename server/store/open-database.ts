import type { Database } from './database.ts'
import { storeFault } from './faults.ts'
import { foundLog } from './found.ts'
import { createLocalDatabase } from './local-database.ts'
import { deriveSealKey } from './seal.ts'
import { openSqliteEngine } from './sqlite.ts'
import type { Engine } from './engine.ts'
import type { DatabaseThreadData } from './thread-protocol.ts'

const SQLITE = 'sqlite:'

/**
 * Opens the database at a URL, `sqlite:` and a path, in the thread that calls this, and makes sure that its log is this server's.
 * @throws SigningError `STORE_FAILED` with a sentence for the operator, `STORAGE_FULL`
 */
export async function openDatabase({ url, identity, keepMs }: DatabaseThreadData): Promise<Database> {
  const sealKey = deriveSealKey(identity.privateKey)
  const engine = await openEngine(url)
  try {
    await foundLog(engine, { identity, sealKey })
    return createLocalDatabase({ engine, identity, sealKey, keepMs })
  } catch (cause) {
    await engine.close()
    throw storeFault('the store could not be opened', cause)
  }
}

async function openEngine(url: string): Promise<Engine> {
  if (!url.startsWith(SQLITE)) throw new TypeError(`store.url must start with ${SQLITE}`)
  return await openSqliteEngine(url.slice(SQLITE.length))
}
