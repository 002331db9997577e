import { SigningError } from '../errors.ts'
import type { LogAudit } from '../schemas/log.ts'
import type { Store } from '../store/store.ts'

/**
 * Returns the operation that compares every row of the database with what the server wrote. It reads everything, so it runs once at a
 * time; it throws SigningError `SERVER_BUSY` while another run lasts, and `STORE_FAILED`.
 */
export function createLogAudit({ store }: Readonly<{ store: Pick<Store, 'audit'> }>): () => Promise<LogAudit> {
  let running = false
  return async () => {
    if (running) throw new SigningError('SERVER_BUSY', 'another audit of the log is under way')
    running = true
    try {
      return await store.audit()
    } finally {
      running = false
    }
  }
}
