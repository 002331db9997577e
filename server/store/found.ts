import { sql, type Kysely } from 'kysely'
import { SigningError } from '../errors.ts'
import { sumTables } from './audit.ts'
import { readHead, writeHead, type LogIdentity } from './head.ts'
import type { Engine } from './engine.ts'
import { openSeal, sealSums, type SealKey } from './seal.ts'
import type { StoreTables } from './tables.ts'

/** What stands for content, key and subject of a signature that is older than the log, as migration 0003 writes it. */
const BEFORE_THE_LOG = 'before the log: '

/**
 * Makes a log that nobody has written to this server's, or makes sure that it is: begun with the same log key, and its head written by a server that has it.
 * @throws SigningError `STORE_FAILED` with a sentence for the operator
 */
export async function foundLog(engine: Engine, { identity, sealKey }: Readonly<{ identity: LogIdentity; sealKey: SealKey }>): Promise<void> {
  await engine.write(async (transaction) => {
    const head = await readHead(transaction)
    if (head.log_key === '') {
      await refuseUsed(transaction)
      const { size, hashes } = head
      const seal = sealSums(sealKey, { size, hashes }, await sumTables(transaction, sealKey))
      await writeHead(transaction, { size, hashes, log_key: identity.verifierKey, ...seal })
    } else if (head.log_key === identity.verifierKey) openSeal(sealKey, head)
    else throw new SigningError('STORE_FAILED', `the log of the store was begun with another key or name, ${head.log_key}: put back transparencyLog.key and transparencyLog.origin`)
  }, 'durable')
}

/** A log that was in use and has no seal lost it to somebody who wants a new one over what he changed. Each use leaves entries of other kinds, at the latest that a server started. */
async function refuseUsed(db: Kysely<StoreTables>): Promise<void> {
  const leaf = await db.selectFrom('log_leaves').select('leaf_index').where('kind', '<>', 'signature').limit(1).executeTakeFirst()
  const signature = await db.selectFrom('signatures').select('id').where('artefact', '<>', sql<string>`${sql.lit(BEFORE_THE_LOG)} || id`).limit(1).executeTakeFirst()
  if (leaf !== undefined || signature !== undefined) throw new SigningError('STORE_FAILED', 'the seal of the log is gone: somebody changed the database')
}
