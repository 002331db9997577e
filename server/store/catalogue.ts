import { setImmediate } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { SigningError } from '../errors.ts'
import { storeFault } from './faults.ts'
import { GroupCommit } from './group-commit.ts'
import type { Catalogued, CatalogueEntry, SignedFile, Store } from './store.ts'
import { toRecordRows, toSignature, toSignatureRow, wholeMs } from './tables.ts'
import type { CatalogueTables, LatestSignatureRow, SignatureRow } from './tables.ts'

// Parameters of one statement are limited (32,766 in SQLite, 65,535 in PostgreSQL); a record has nine.
const RECORDS_PER_INSERT = 1000
const PATHS_PER_SELECT = 500
/** More signatures over the same bytes than anybody looks at. */
const FOUND_MAX = 100

/** The {@link Store} over any database of kysely's whose schema is up to date. Closing it closes the database. */
export class Catalogue implements Store {
  readonly #db: Kysely<CatalogueTables>
  readonly #group: GroupCommit<CatalogueEntry>
  #closing: Promise<void> | undefined

  /** `isRowFault` tells errors about the values of one row from errors of the database. */
  constructor(db: Kysely<CatalogueTables>, isRowFault: (cause: unknown) => boolean) {
    this.#db = db
    this.#group = new GroupCommit({ commit: (entries) => this.#commit(entries), isItemFault: isRowFault })
  }

  record(entry: CatalogueEntry): Promise<void> {
    return this.#guarded('the signature could not be recorded', () => this.#group.add(entry))
  }

  get(id: string): Promise<Catalogued | undefined> {
    return this.#guarded('the catalogue could not be read', async () => {
      const row = await this.#db.selectFrom('signatures').selectAll().where('id', '=', id).executeTakeFirst()
      return row === undefined ? undefined : await this.#withRecords(row)
    })
  }

  findByDigest(sha256: string): Promise<readonly Catalogued[]> {
    return this.#guarded('the catalogue could not be read', async () => {
      const rows = await this.#db.selectFrom('signatures').selectAll().where('sha256', '=', sha256).orderBy('signed_at', 'desc').limit(FOUND_MAX).execute()
      return await Promise.all(rows.map(async (row) => await this.#withRecords(row)))
    })
  }

  signedAmong(root: string, files: readonly Omit<SignedFile, 'root'>[]): Promise<ReadonlySet<string>> {
    return this.#guarded('the catalogue could not be read', async () => {
      const signed = new Set<string>()
      for (const group of chunks(files, PATHS_PER_SELECT)) {
        const latest = await this.#latest(root, group.map(({ relativePath }) => relativePath))
        for (const { relativePath, sizeBytes, modifiedAtMs } of group) {
          const row = latest.get(relativePath)
          if (row?.size_bytes === sizeBytes && row.modified_at_ms === wholeMs(modifiedAtMs)) signed.add(relativePath)
        }
        // SQLite answers on this thread: let others have their turn between two groups of a long directory.
        await setImmediate()
      }
      return signed
    })
  }

  /**
   * Writes a row and takes it back: finds a database that is read-only, locked, damaged or gone. A full disk shows only when a
   * commit needs new room.
   */
  probe(): Promise<void> {
    return this.#guarded('the catalogue does not accept writes', async () => {
      const transaction = await this.#db.startTransaction().execute()
      try {
        await transaction.insertInto('signatures').values(toSignatureRow(PROBE)).execute()
      } finally {
        await transaction.rollback().execute()
      }
    })
  }

  close(): Promise<void> {
    return this.#closing ??= this.#group.settled().then(() => this.#db.destroy())
  }

  async #guarded<T>(message: string, action: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new SigningError('STORE_FAILED', 'the catalogue is closed')
    try {
      return await action()
    } catch (cause) {
      throw storeFault(message, cause)
    }
  }

  async #commit(entries: readonly CatalogueEntry[]): Promise<void> {
    await this.#db.transaction().execute(async (transaction) => {
      await transaction.insertInto('signatures').values(entries.map(toSignatureRow)).execute()
      for (const rows of chunks(entries.flatMap(toRecordRows), RECORDS_PER_INSERT)) {
        await transaction.insertInto('signature_records').values(rows).execute()
      }
      const latest = latestRows(entries)
      if (latest.length === 0) return
      await transaction
        .insertInto('latest_signatures')
        .values(latest)
        .onConflict((conflict) => conflict.columns(['root', 'relative_path']).doUpdateSet({ signature_id: (eb) => eb.ref('excluded.signature_id') }))
        .execute()
    })
  }

  async #withRecords(row: SignatureRow): Promise<Catalogued> {
    const records = await this.#db.selectFrom('signature_records').selectAll().where('signature_id', '=', row.id).orderBy('position').execute()
    return { signature: toSignature(row, records), client: row.client }
  }

  async #latest(root: string, relativePaths: readonly string[]) {
    const rows = await this.#db
      .selectFrom('latest_signatures as latest')
      .innerJoin('signatures', 'signatures.id', 'latest.signature_id')
      .select(['latest.relative_path', 'signatures.size_bytes', 'signatures.modified_at_ms'])
      .where('latest.root', '=', root)
      .where('latest.relative_path', 'in', relativePaths)
      .execute()
    return new Map(rows.map((row) => [row.relative_path, row]))
  }
}

/** One row per file, the last of the group: PostgreSQL refuses a statement that would write the same row twice. */
function latestRows(entries: readonly CatalogueEntry[]): LatestSignatureRow[] {
  const byFile = new Map<string, LatestSignatureRow>()
  for (const { signature, file } of entries) {
    if (file === undefined) continue
    const { root, relativePath } = file
    byFile.set(JSON.stringify([root, relativePath]), { root, relative_path: relativePath, signature_id: signature.id })
  }
  return [...byFile.values()]
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size))
}

/** Never committed. Its id is no UUID, so it can meet no signature. */
const PROBE: CatalogueEntry = {
  client: '',
  spkiSha256: '',
  file: { root: '', relativePath: '', sizeBytes: 0, modifiedAtMs: 0 },
  signature: {
    id: 'probe', filename: '', format: 'installp', source: 'path', sha256: '', sizeBytes: 0, keyid: '', algorithm: 'rsa-2048-sha256', covers: 'file', signature: '',
    signedAt: '', replayed: false, records: [],
  },
}
