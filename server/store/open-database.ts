import type { Database } from './database.ts'
import { parseStoreUrl } from '../config/store-url.ts'
import { storeFault } from './faults.ts'
import { foundLog } from './found.ts'
import { createLocalDatabase } from './local-database.ts'
import { deriveSealKey } from './seal.ts'
import { openSqliteEngine } from './sqlite.ts'
import type { Engine } from './engine.ts'
import type { DatabaseThreadData } from './thread-protocol.ts'

/**
 * Opens the database at a URL of {@link parseStoreUrl} in the thread that calls this, and makes sure that its log is this server's.
 * @throws SigningError `STORE_FAILED` with a sentence for the operator, `STORAGE_FULL`
 */
export async function openDatabase({ identity, keepMs, ...where }: DatabaseThreadData): Promise<Database> {
  const sealKey = deriveSealKey(identity.privateKey)
  const engine = await openEngine(where)
  try {
    await foundLog(engine, { identity, sealKey })
    return createLocalDatabase({ engine, identity, sealKey, keepMs })
  } catch (cause) {
    await engine.close()
    throw storeFault('the store could not be opened', cause)
  }
}

async function openEngine({ url, passwordFile, ca }: Pick<DatabaseThreadData, 'url' | 'passwordFile' | 'ca'>): Promise<Engine> {
  const place = parseStoreUrl(url)
  if (place.kind === 'sqlite') return await openSqliteEngine(place.path)
  // Only where it is used: the driver is memory that the usual server does not need.
  const { openPostgres } = await import('./postgres.ts')
  return await openPostgres({ ...place, passwordFile, ca })
}
