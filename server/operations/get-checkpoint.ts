import type { Store } from '../store/store.ts'

/** Returns the newest state of the log as a signed note. @throws SigningError `STORE_FAILED` */
export async function getCheckpoint({ store }: Readonly<{ store: Pick<Store, 'checkpoint'> }>): Promise<string> {
  return await store.checkpoint()
}
