import { constants, open, type FileHandle } from 'node:fs/promises'
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
  const [certFile, keyFile, caFile] = await Promise.all([readPem('certificate', cert), readPem('key', key, platform !== 'win32'), readPem('authority', ca)])
  if (certFile.kind === 'pem' && keyFile.kind === 'pem' && caFile.kind === 'pem') return { cert: certFile.text, key: keyFile.text, ca: caFile.text }
  const faults = [certFile, keyFile, caFile].filter((file) => file.kind === 'fault')
  throw new UsageError(faults.map(({ fault }) => fault), [...new Set(faults.flatMap(({ hints }) => hints))])
}

type PemFile = Readonly<{ kind: 'pem'; text: string }> | Readonly<{ kind: 'fault'; fault: string; hints: readonly string[] }>

async function readPem(what: string, { value: path }: Sourced, ownerOnly = false): Promise<PemFile> {
  const fault = (text: string, ...hints: string[]): PemFile => ({ kind: 'fault', fault: `the ${what} ${path} ${text}`, hints })
  const read = async (handle: FileHandle): Promise<PemFile> => {
    const stats = await handle.stat()
    if (!stats.isFile()) return fault('is not a regular file')
    if (stats.size > MAX_BYTES) return fault('is far too large')
    if (ownerOnly && (stats.mode & OTHERS) !== 0) {
      return fault(`can be used by others than its owner (mode ${(stats.mode & 0o777).toString(8).padStart(4, '0')}), so it is refused`, `chmod 600 ${path}`)
    }
    return { kind: 'pem', text: await handle.readFile('utf8') }
  }
  try {
    // Not to wait for a writer when somebody put a FIFO there.
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    return await read(handle)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ENOTDIR' ? fault('is not there', ...HOW_TO_GET) : fault(`cannot be read (${code})`)
  }
}
