import type { SignatureFile } from './signature-file.ts'
import { openSignatureFile } from './signature-file.ts'
import { openSqliteStore } from './sqlite.ts'
import type { CatalogueEntry, Store } from './store.ts'

/** Where signatures are kept. `url` is `sqlite:` and a path; `signatureFile` the path of a signature file that gets every record too. */
export type StoreLocation = Readonly<{ url: string; signatureFile?: string | undefined }>

const SQLITE = 'sqlite:'

/**
 * Opens the catalogue, and the signature file where one is configured.
 * @throws SigningError `STORE_FAILED` with a sentence for the operator, `STORAGE_FULL`
 */
export async function openStore({ url, signatureFile }: StoreLocation): Promise<Store> {
  if (!url.startsWith(SQLITE)) throw new TypeError(`store.url must start with ${SQLITE}`)
  const store = await openSqliteStore(url.slice(SQLITE.length))
  if (signatureFile === undefined) return store
  try {
    return withSignatureFile(store, await openSignatureFile(signatureFile))
  } catch (cause) {
    await store.close()
    throw cause
  }
}

/**
 * A store that also appends each record to a signature file.
 *
 * The catalogue decides, so it comes first: the file never names a signature that the catalogue does not know. When the append fails
 * after the commit, `record` fails and the signature does not leave the server, yet the catalogue has it. A reader then finds a signature
 * that nobody was given under an id that nobody was told, and a listing that calls the file signed; the client's retry records
 * another one, in both places. What the file lacks after a crash in between, the catalogue has.
 */
export function withSignatureFile(store: Store, file: SignatureFile): Store {
  const recording = new Set<Promise<void>>()
  const record = async (entry: CatalogueEntry): Promise<void> => {
    await store.record(entry)
    await file.append(entry.signature.records)
  }
  return {
    record: (entry) => {
      const recorded = record(entry)
      recording.add(recorded)
      return recorded.finally(() => recording.delete(recorded))
    },
    get: (id) => store.get(id),
    findByDigest: (sha256) => store.findByDigest(sha256),
    signedAmong: (root, files) => store.signedAmong(root, files),
    probe: async () => {
      await store.probe()
      await file.probe()
    },
    close: async () => {
      await store.close()
      await Promise.allSettled(recording)
      await file.close()
    },
  }
}
