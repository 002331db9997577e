import { setImmediate } from 'node:timers/promises'

/** The most items of one group: enough to share a disk flush well, few enough to keep a synchronous transaction short. */
export const GROUP_ITEMS_MAX = 256

/** How a {@link GroupCommit} writes. `commit` makes all items durable or none. */
export type GroupWriter<Item> = Readonly<{
  commit: (items: readonly Item[]) => Promise<void>
  /** True for a fault of one item (and not of the disk, say), so that the others of its group deserve another try. */
  isItemFault: (cause: unknown) => boolean
}>

type Waiting<Item> = Readonly<{ item: Item; resolve: () => void; reject: (cause: unknown) => void }>

/**
 * Writes what arrives at the same moment together, because a disk flush costs the same for one item and for many: everything
 * that waits when nothing is being written becomes the next group.
 */
export class GroupCommit<Item> {
  readonly #writer: GroupWriter<Item>
  readonly #waiting: Waiting<Item>[] = []
  #running: Promise<void> | undefined

  constructor(writer: GroupWriter<Item>) {
    this.#writer = writer
  }

  /** Resolves when the item is durable; rejects with what `commit` threw for it. */
  add(item: Item): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
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

  async #write(group: readonly Waiting<Item>[]): Promise<void> {
    try {
      await this.#writer.commit(group.map(({ item }) => item))
      for (const { resolve } of group) resolve()
    } catch (cause) {
      if (group.length > 1 && this.#writer.isItemFault(cause)) {
        for (const one of group) await this.#write([one])
      } else {
        for (const { reject } of group) reject(cause)
      }
    }
  }
}
