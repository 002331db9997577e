import type { LogAudit } from '../schemas/log.ts'
import type { Receipt } from '../schemas/receipt.ts'
import type { Signature } from '../schemas/signature.ts'
import type { TilePosition } from '../../formats/index.ts'
import type { Asked, Asking, Catalogued, Level, ReadItem, Search, SignedFile, Spent, Subject } from './store.ts'
import type { Write } from './transaction.ts'

/** What the catalogue knows of a subject, and whether it must be written down that the recipient gets it (`unhanded`). */
export type Looked = Readonly<{ kind: 'signed'; signature: Signature; client: string; unhanded: boolean } | { kind: 'taken'; level: Level; earlier: string } | Spent>

/** What became of a write of kind `record`: see {@link Looked} for what stood in its way. */
export type Recorded = Readonly<{ kind: 'recorded'; receipt: Receipt }> | Looked

/**
 * A database as the store uses it: everything that it can be asked in one call. Arguments and results are plain data that structured clone
 * keeps, because the database has a thread of its own. Errors are SigningErrors, or whatever the driver throws.
 */
export interface Database {
  /**
   * Writes everything or nothing, durably where that matters, and returns what became of each, at its place: {@link Recorded} for
   * `record`, Asking for `ask`, a boolean for `answer` (kept) and `purge` (there may be more), else nothing.
   */
  write(writes: readonly Write[]): Promise<readonly unknown[]>
  lookUp(subjects: readonly Subject[]): Promise<readonly (Looked | undefined)[]>
  countOf(client: string, most: number): Promise<number>
  get(id: string): Promise<Catalogued | undefined>
  wasHandedTo(id: string, client: string): Promise<boolean>
  findByDigest(sha256: string): Promise<readonly Catalogued[]>
  find(search: Search): Promise<readonly Catalogued[]>
  signedAmong(root: string, files: readonly Omit<SignedFile, 'root'>[]): Promise<ReadonlySet<string>>
  checkpoint(): Promise<string>
  tile(position: TilePosition): Promise<Uint8Array | undefined>
  entries(position: Readonly<{ index: number; width: number }>): Promise<Uint8Array | undefined>
  proof(id: string): Promise<string | undefined>
  audit(): Promise<LogAudit>
  /** What is known of a request that needs no write to be answered; undefined when it is to be asked by a write. */
  peek(asked: Asked): Promise<Asking | undefined>
  items(asked: Asked, from: number): Promise<readonly ReadItem[]>
  probe(): Promise<void>
  /** Whether an error is about the values of one write, so that the others of its group deserve another try. */
  isWriteFault(cause: unknown): boolean
  close(): Promise<void>
}
