import { setImmediate } from 'node:timers/promises'

/** The most items of one group: enough to share a disk flush well, few enough to keep a synchronous transaction short. */
export const GROUP_ITEMS_MAX = 256

/** How a {@link GroupCommit} writes. `commit` makes all items durable or none, and resolves with the result of each, at its place. */
export type GroupWriter<Item, Result> = Readonly<{
  commit: (items: readonly Item[]) => Promise<readonly Result[]>
  /** True for a fault of one item (and not of the disk, say), so that the others of its group deserve another try. */
  isItemFault: (cause: unknown) => boolean
}>

type Waiting<Item, Result> = Readonly<{ item: Item; resolve: (result: Result) => void; reject: (cause: unknown) => void }>

/**
 * Writes what arrives at the same moment together, because a disk flush costs the same for one item and for many: everything
 * that waits when nothing is being written becomes the next group.
 */
export class GroupCommit<Item, Result> {
  readonly #writer: GroupWriter<Item, Result>
  readonly #waiting: Waiting<Item, Result>[] = []
  #running: Promise<void> | undefined

  constructor(writer: GroupWriter<Item, Result>) {
    this.#writer = writer
  }

  /** Resolves with the item's result when it is durable; rejects with what `commit` threw for it. */
  add(item: Item): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>()
    this.#waiting.push({ item, resolve, reject })
    this.#running ??= this.#run()
    return promise
  }

  /** Resolves when everything added so far is written or refused. */
  async settled(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // A whole turn of the event loop, not a microtask: node:sqlite is synchronous, so nothing else could arrive before.
      await setImmediate()
      await this.#write(this.#waiting.splice(0, GROUP_ITEMS_MAX))
    }
    this.#running = undefined
  }

  async #write(group: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#writer.commit(group.map(({ item }) => item))
      for (const [at, { resolve }] of group.entries()) resolve(results[at] as Result)
    } catch (cause) {
      if (group.length > 1 && this.#writer.isItemFault(cause)) {
        for (const one of group) await this.#write([one])
      } else {
        for (const { reject } of group) reject(cause)
      }
    }
  }
}
