import { SigningError } from '../errors.ts'
import { sumTables } from './audit.ts'
import { readHead, writeHead, type LogIdentity } from './head.ts'
import type { Engine } from './engine.ts'
import { openSeal, sealSums, type SealKey } from './seal.ts'

/**
 * Makes an empty log this server's, or makes sure that it is: begun with the same log key, and its head written by a server that has it.
 * @throws SigningError `STORE_FAILED` with a sentence for the operator
 */
export async function foundLog(engine: Engine, { identity, sealKey }: Readonly<{ identity: LogIdentity; sealKey: SealKey }>): Promise<void> {
  await engine.write(async (transaction) => {
    const head = await readHead(transaction)
    if (head.log_key === '') {
      const { size, hashes } = head
      const seal = sealSums(sealKey, { size, hashes }, await sumTables(transaction, sealKey))
      await writeHead(transaction, { size, hashes, log_key: identity.verifierKey, ...seal })
    } else if (head.log_key === identity.verifierKey) openSeal(sealKey, head)
    else throw new SigningError('STORE_FAILED', `the log of the store was begun with another key or name, ${head.log_key}: put back transparencyLog.key and transparencyLog.origin`)
  }, 'durable')
}
