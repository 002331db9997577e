import type { Kysely } from 'kysely'
import { parseEntry, type LogEntry } from '../../formats/index.ts'
import type { Started } from './store.ts'
import type { StoreTables } from './tables.ts'

/** Returns what a server that starts has to say in the log: that it starts, and its configuration and keys where the log says otherwise. */
export async function startEntries(db: Kysely<StoreTables>, { at, version, configurationSha256, keys }: Started): Promise<LogEntry[]> {
  const logged = await readLogged(db)
  const changed = [...keys].flatMap(([keyid, spkiSha256]): LogEntry[] => {
    const before = logged.keys.get(keyid)
    if (before === spkiSha256) return []
    return [{ kind: 'key', at, keyid, change: before === undefined ? 'added' : 'changed', spkiSha256 }]
  })
  const removed = [...logged.keys].filter(([keyid]) => !keys.has(keyid)).map(([keyid, spkiSha256]): LogEntry => ({ kind: 'key', at, keyid, change: 'removed', spkiSha256 }))
  const configuration: LogEntry[] = logged.configurationSha256 === configurationSha256 ? [] : [{ kind: 'configuration', at, sha256: configurationSha256 }]
  return [{ kind: 'start', at, version }, ...configuration, ...removed, ...changed]
}

type Logged = Readonly<{ keys: ReadonlyMap<string, string>; configurationSha256: string | undefined }>

async function readLogged(db: Kysely<StoreTables>): Promise<Logged> {
  // One kind at a time, so that the index of these few entries is used.
  const ofKind = async (kind: 'key' | 'configuration') => await db.selectFrom('log_leaves').select('entry').where('kind', '=', kind).orderBy('leaf_index').execute()
  const keys = new Map<string, string>()
  for (const { entry } of await ofKind('key')) {
    const parsed = parseEntry(Buffer.from(entry))
    if (parsed.kind !== 'key') continue
    if (parsed.change === 'removed') keys.delete(parsed.keyid)
    else keys.set(parsed.keyid, parsed.spkiSha256)
  }
  const last = (await ofKind('configuration')).at(-1)
  const configuration = last === undefined ? undefined : parseEntry(Buffer.from(last.entry))
  return { keys, configurationSha256: configuration?.kind === 'configuration' ? configuration.sha256 : undefined }
}
