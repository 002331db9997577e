import { SigningError } from '../errors.ts'
import { RENEW_MS } from './answers.ts'
import type { Database, Looked, Recorded } from './database.ts'
import { storeFault } from './faults.ts'
import { GroupCommit } from './group-commit.ts'
import type { SignatureFile } from './signature-file.ts'
import type { Signature } from '../schemas/signature.ts'
import type { Asked, Asking, Known, Recipient, Store, Subject } from './store.ts'
import type { Write } from './transaction.ts'

/** How often answers whose time is over are looked for. */
const PURGE_MS = 60_000

const UNREADABLE = 'the store could not be read'
const UNWRITABLE = 'the store could not be written'

/**
 * Returns the store over a database: what is asked at the same moment goes there together. Closing it closes what it stands on.
 *
 * With a signature file each record is appended there too. The database decides, so it comes first: the file never names a signature that
 * the catalogue does not know. When the append fails after the commit, `record` fails and the signature does not leave the server, yet
 * the catalogue has it: whoever asks again gets it. What the file lacks then, or after a crash in between, the catalogue has.
 */
export function createStore(database: Database, signatureFile?: SignatureFile): Store {
  return new GroupedStore(database, signatureFile)
}

class GroupedStore implements Store {
  readonly #database: Database
  readonly #file: SignatureFile | undefined
  readonly #appending = new Set<Promise<void>>()
  readonly #writes: GroupCommit<Write, unknown>
  readonly #lookUps: GroupCommit<Subject, Looked | undefined>
  /** Attempts that were begun here and are not over. */
  readonly #running = new Map<string, Asked>()
  readonly #timers: readonly NodeJS.Timeout[]
  #closing: Promise<void> | undefined

  constructor(database: Database, file: SignatureFile | undefined) {
    this.#database = database
    this.#file = file
    this.#writes = new GroupCommit({ commit: async (writes) => await database.write(writes), isItemFault: (cause) => database.isWriteFault(cause) })
    this.#lookUps = new GroupCommit({ commit: async (subjects) => await database.lookUp(subjects), isItemFault: () => false })
    this.#timers = [setInterval(() => this.#renew(), RENEW_MS), setInterval(() => this.#purge(), PURGE_MS)]
    for (const timer of this.#timers) timer.unref()
  }

  async lookUp(subject: Subject): Promise<Known | undefined> {
    const looked = await this.#guarded(UNREADABLE, async () => await this.#lookUps.add(subject))
    return looked === undefined ? undefined : await this.#hand(looked, subject.recipient)
  }

  async record(subject: Subject, signature: Parameters<Store['record']>[1]): ReturnType<Store['record']> {
    const recorded = await this.#write({ kind: 'record', recording: { subject, signature } }) as Recorded
    if (recorded.kind !== 'recorded') return await this.#hand(recorded, subject.recipient)
    if (this.#file !== undefined) await this.#append(this.#file, signature.records)
    // Its members in the order in which they are read again: an answer that is given twice has the same bytes.
    const { records, ...rest } = signature
    return { kind: 'recorded', signature: { ...rest, replayed: false, records, receipt: recorded.receipt } }
  }

  countOf(client: string, most: number): Promise<number> {
    return this.#guarded(UNREADABLE, async () => await this.#database.countOf(client, most))
  }

  get(id: string): ReturnType<Store['get']> {
    return this.#guarded(UNREADABLE, async () => await this.#database.get(id))
  }

  wasHandedTo(id: string, client: string): Promise<boolean> {
    return this.#guarded(UNREADABLE, async () => await this.#database.wasHandedTo(id, client))
  }

  findByDigest(sha256: string): ReturnType<Store['findByDigest']> {
    return this.#guarded(UNREADABLE, async () => await this.#database.findByDigest(sha256))
  }

  find(search: Parameters<Store['find']>[0]): ReturnType<Store['find']> {
    return this.#guarded(UNREADABLE, async () => await this.#database.find(search))
  }

  signedAmong(...[root, files]: Parameters<Store['signedAmong']>): Promise<ReadonlySet<string>> {
    return this.#guarded(UNREADABLE, async () => await this.#database.signedAmong(root, files))
  }

  async append(entry: Parameters<Store['append']>[0]): Promise<void> {
    await this.#write({ kind: 'append', entry })
  }

  async begin(started: Parameters<Store['begin']>[0]): Promise<void> {
    await this.#write({ kind: 'begin', started })
  }

  checkpoint(): Promise<string> {
    return this.#guarded(UNREADABLE, async () => await this.#database.checkpoint())
  }

  tile(position: Parameters<Store['tile']>[0]): Promise<Buffer | undefined> {
    return this.#guarded(UNREADABLE, async () => asBuffer(await this.#database.tile(position)))
  }

  entries(position: Parameters<Store['entries']>[0]): Promise<Buffer | undefined> {
    return this.#guarded(UNREADABLE, async () => asBuffer(await this.#database.entries(position)))
  }

  proof(id: string): Promise<string | undefined> {
    return this.#guarded(UNREADABLE, async () => await this.#database.proof(id))
  }

  audit(): ReturnType<Store['audit']> {
    return this.#guarded(UNREADABLE, async () => await this.#database.audit())
  }

  async ask(asked: Asked): Promise<Asking> {
    const known = await this.#guarded(UNREADABLE, async () => await this.#database.peek(asked))
    if (known !== undefined) return known
    const asking = await this.#write({ kind: 'ask', asked }) as Asking
    if (asking.kind === 'begun') this.#running.set(asked.requestId, asked)
    return asking
  }

  async answer(...[asked, head, items]: Parameters<Store['answer']>): Promise<boolean> {
    try {
      return await this.#write({ kind: 'answer', asked, head, items }) as boolean
    } finally {
      this.#running.delete(asked.requestId)
    }
  }

  async giveUp(asked: Asked): Promise<void> {
    this.#running.delete(asked.requestId)
    await this.#write({ kind: 'giveUp', asked })
  }

  items(...[asked, from]: Parameters<Store['items']>): ReturnType<Store['items']> {
    return this.#guarded(UNREADABLE, async () => await this.#database.items(asked, from))
  }

  probe(): Promise<void> {
    return this.#guarded('the store does not accept writes', async () => {
      await this.#database.probe()
      await this.#file?.probe()
    })
  }

  close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    return this.#closing ??= this.#finish()
  }

  async #finish(): Promise<void> {
    await this.#lookUps.settled()
    await this.#writes.settled()
    await this.#database.close()
    await Promise.allSettled(this.#appending)
    await this.#file?.close()
  }

  async #append(file: SignatureFile, records: Signature['records']): Promise<void> {
    const appended = file.append(records)
    this.#appending.add(appended)
    await appended.finally(() => this.#appending.delete(appended))
  }

  /** What a recipient is given it may see from now on; that is written down where it is not already. */
  async #hand(looked: Looked, recipient: Recipient): Promise<Known> {
    if (looked.kind !== 'signed') return looked
    const { signature, client, unhanded } = looked
    if (unhanded) await this.#write({ kind: 'hand', id: signature.id, recipient, isOwn: client === recipient.client })
    return { kind: 'signed', signature }
  }

  #write(write: Write): Promise<unknown> {
    return this.#guarded(UNWRITABLE, async () => await this.#writes.add(write))
  }

  #renew(): void {
    if (this.#running.size > 0) this.#inBackground({ kind: 'renew', running: [...this.#running.values()] })
  }

  #purge(): void {
    this.#inBackground({ kind: 'purge' }, (isMore) => {
      if (isMore === true && this.#closing === undefined) this.#purge()
    })
  }

  /** What fails here is tried again at the next turn of the timer. */
  #inBackground(write: Write, then: (result: unknown) => void = () => undefined): void {
    this.#writes.add(write).then(then, () => undefined)
  }

  async #guarded<T>(message: string, action: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new SigningError('STORE_FAILED', 'the store is closed')
    try {
      return await action()
    } catch (cause) {
      throw storeFault(message, cause)
    }
  }
}

/** A Buffer arrives from another thread as a plain Uint8Array. */
function asBuffer(bytes: Uint8Array | undefined): Buffer | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
