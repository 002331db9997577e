import type { Stats } from 'node:fs'
import { constants, open } from 'node:fs/promises'
import { CREDENTIALS_FOLDER, type Settings, type Sourced } from './settings.ts'
import { UsageError } from './usage-error.ts'

/** What proves who this client is, and what the server is known by; PEM texts. */
export type Credentials = Readonly<{ cert: string; key: string; ca: string }>

const MAX_BYTES = 1_048_576
const OTHERS = 0o077

const HOW_TO_GET = [
  `the administrator of the signing server hands each client client.pem, client.key and ca.pem; place them in ~/${CREDENTIALS_FOLDER}, or name them with --cert, --key and --ca`,
  `for a development server: npm run -s certs, then cp certs/dev/clients/release-bot/* ~/${CREDENTIALS_FOLDER}/`,
]

/**
 * Returns the credentials that the settings name. Each must be a regular file, and the key one that only its owner can use (where
 * files have modes, so not on Windows). What is in them the SDK checks.
 * @throws UsageError with every fault of the three files
 */
export async function loadCredentials({ cert, key, ca }: Pick<Settings, 'cert' | 'key' | 'ca'>, platform: NodeJS.Platform): Promise<Credentials> {
  const hasModes = platform !== 'win32'
  const results = await Promise.all([readPem('certificate', cert), readPem('key', key, hasModes), readPem('authority', ca)])
  const faults = results.flatMap((result) => (result.kind === 'fault' ? [result] : []))
  if (faults.length > 0) {
    throw new UsageError(faults.map(({ fault }) => fault), [...new Set(faults.flatMap(({ hints }) => hints))])
  }
  const [certPem, keyPem, caPem] = results.map((result) => (result.kind === 'pem' ? result.text : '')) as [string, string, string]
  return { cert: certPem, key: keyPem, ca: caPem }
}

type PemFile = Readonly<{ kind: 'pem'; text: string }> | Readonly<{ kind: 'fault'; fault: string; hints: readonly string[] }>

async function readPem(what: string, { value: path }: Sourced, ownerOnly = false): Promise<PemFile> {
  const fault = (text: string, ...hints: string[]): PemFile => ({ kind: 'fault', fault: `the ${what} ${path} ${text}`, hints })
  let handle
  try {
    // Not to wait for a writer when somebody put a FIFO there.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stats = await handle.stat()
    const wrong = faultOf(stats)
    if (wrong !== undefined) return fault(wrong)
    if (ownerOnly && (stats.mode & OTHERS) !== 0) {
      return fault(`can be used by others than its owner (mode ${(stats.mode & 0o777).toString(8).padStart(4, '0')}), so it is refused`, `chmod 600 ${path}`)
    }
    return { kind: 'pem', text: await handle.readFile('utf8') }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ENOTDIR' ? fault('is not there', ...HOW_TO_GET) : fault(`cannot be read (${code})`)
  } finally {
    await handle?.close()
  }
}

function faultOf(stats: Stats): string | undefined {
  if (!stats.isFile()) return 'is not a regular file'
  return stats.size > MAX_BYTES ? 'is far too large' : undefined
}
