import t from 'tap'
import { SigningError } from '../../../server/errors.ts'
import { isSqliteRowFault, storeFault } from '../../../server/store/faults.ts'

const systemError = (code: string) => Object.assign(new Error(`${code}: /var/secret/path`), { code })
const sqliteError = (errcode: number) => Object.assign(new Error('UNIQUE constraint failed: signatures.id'), { code: 'ERR_SQLITE_ERROR', errcode })

void t.test('storeFault tells a full disk from every other fault and never repeats the cause', async (t) => {
  const table: [string, unknown, string][] = [
    ['ENOSPC', systemError('ENOSPC'), 'STORAGE_FULL'],
    ['EDQUOT', systemError('EDQUOT'), 'STORAGE_FULL'],
    ['SQLITE_FULL', sqliteError(13), 'STORAGE_FULL'],
    ['EIO', systemError('EIO'), 'STORE_FAILED'],
    ['SQLITE_IOERR_FSYNC', sqliteError(1034), 'STORE_FAILED'],
    ['SQLITE_BUSY', sqliteError(5), 'STORE_FAILED'],
    ['an error without a code', new Error('secret'), 'STORE_FAILED'],
    ['an error with a code of another kind', Object.assign(new Error('secret'), { code: 13 }), 'STORE_FAILED'],
    ['no error at all', 'secret', 'STORE_FAILED'],
  ]
  for (const [name, cause, code] of table) {
    const fault = storeFault('it could not be kept', cause, { path: '/var/secret/path' })
    t.match(fault, { code, facts: { path: '/var/secret/path' } }, name)
    t.equal(fault.cause, cause)
    t.notMatch(fault.message, /secret|signatures\.id|constraint/)
  }
  const known = new SigningError('STORE_FAILED', 'known', { cause: 'why', offset: 1 })
  t.match(storeFault('other', known, { path: 'p' }), { code: 'STORE_FAILED', message: 'known', cause: 'why', facts: { offset: 1, path: 'p' } })
})

void t.test('isSqliteRowFault is true for what SQLite holds against the values of a row', async (t) => {
  for (const errcode of [19, 1555, 2067, 1299, 787, 18, 20]) t.equal(isSqliteRowFault(sqliteError(errcode)), true, `${errcode}`)
  for (const errcode of [5, 8, 10, 11, 13, 1034]) t.equal(isSqliteRowFault(sqliteError(errcode)), false, `${errcode}`)
  t.equal(isSqliteRowFault(systemError('ENOSPC')), false)
})
