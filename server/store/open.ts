import type { Database } from './database.ts'
import { createStore } from './grouped-store.ts'
import { openSignatureFile } from './signature-file.ts'
import type { Store } from './store.ts'
import { openThreadDatabase } from './thread-database.ts'
import type { DatabaseThreadData } from './thread-protocol.ts'

/** Where signatures are kept. `signatureFile` is the path of a signature file that gets every record too. */
export type StoreLocation = DatabaseThreadData & Readonly<{ signatureFile?: string | undefined }>

/**
 * Opens the store: a database in a thread of its own, and the signature file where one is configured. `open` opens the database another
 * way.
 * @throws SigningError `STORE_FAILED` with a sentence for the operator, `STORAGE_FULL`
 */
export async function openStore({ signatureFile, ...location }: StoreLocation, open: (location: DatabaseThreadData) => Promise<Database> = openThreadDatabase): Promise<Store> {
  const database = await open(location)
  if (signatureFile === undefined) return createStore(database)
  try {
    return createStore(database, await openSignatureFile(signatureFile))
  } catch (cause) {
    await database.close()
    throw cause
  }
}
