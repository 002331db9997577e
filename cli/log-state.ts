import { mkdir, readFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { LocalFileError, placeFile } from '../sdk/local.ts'
import type { Settings } from './settings.ts'
import type { Io } from './terminal.ts'
import { UsageError } from './usage-error.ts'

/** What this machine knows of the log of a server: its key, and the checkpoint (signed note) of the last audit that found nothing wrong with the log. */
export type LogState = Readonly<{ logKey: string; checkpoint: string; seenAt: string }>

/** What is kept, and where. */
export type KeptState = Readonly<{ path: string; state: LogState | undefined }>

/**
 * Returns what is kept of the log of a server, in `$XDG_STATE_HOME/signing-server/log/HOST_PORT.json` (`~/.local/state` without that variable).
 * It goes by the address: whoever replaces a log also gives it the name that they like.
 * @throws UsageError for a file that cannot be read or is not one: to begin anew would be to trust anybody
 */
export async function loadLogState({ host, port }: Pick<Settings, 'host' | 'port'>, { env, home }: Pick<Io, 'env' | 'home'>): Promise<KeptState> {
  const configured = env['XDG_STATE_HOME'] ?? ''
  // The XDG specification has relative paths ignored.
  const path = join(isAbsolute(configured) ? configured : join(home, '.local/state'), 'signing-server/log', `${encodeURIComponent(host)}_${port}.json`)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw new UsageError([`${path}: cannot be read (${error.code})`])
  })
  return { path, state: text === undefined ? undefined : parseState(path, text) }
}

function parseState(path: string, text: string): LogState {
  const state = parsed(text)
  if (state !== undefined && ['logKey', 'checkpoint', 'seenAt'].every((member) => typeof state[member] === 'string')) return state as LogState
  throw new UsageError([`${path}: is not what an audit keeps`], ['restore it, or remove it to begin anew: then nothing that happened until now is compared any more'])
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}

/** Keeps what was seen: the old state is there until the new one is complete. @throws LocalFileError `FILE_UNWRITABLE` */
export async function saveLogState(path: string, state: LogState): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch((cause: NodeJS.ErrnoException) => {
    throw new LocalFileError('FILE_UNWRITABLE', `the directory ${dirname(path)} cannot be made (${cause.code})`, { cause })
  })
  await placeFile(path, { over: true, write: async (handle) => await handle.writeFile(`${JSON.stringify(state, undefined, 2)}\n`) })
}
