import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { readLogKey } from '../sdk/local.ts'
import type { Io } from './terminal.ts'
import { UsageError } from './usage-error.ts'

/**
 * Returns the key of a log that `--log-key` says: the key itself, or what is in the file of that name.
 * @throws UsageError for neither
 */
export async function readLogKeyFlag({ cwd }: Pick<Io, 'cwd'>, given: string): Promise<string> {
  if (isKey(given)) return given
  const text = await readFile(resolve(cwd, given), 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError([`--log-key: '${given}' is no key of a log, and no file that can be read (${error.code})`], ['a key is one line, NAME+KEYID+BASE64, as `sign log key` prints it'])
  })
  if (isKey(text)) return text.trim()
  throw new UsageError([`--log-key: the file ${given} does not hold the key of a log`], ['a key is one line, NAME+KEYID+BASE64, as `sign log key` prints it'])
}

function isKey(text: string): boolean {
  try {
    readLogKey(text)
    return true
  } catch {
    return false
  }
}
