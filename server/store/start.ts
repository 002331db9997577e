import { sql, type Kysely } from 'kysely'
import { parseEntry, type LogEntry } from '../../formats/index.ts'
import type { Started } from './store.ts'
import type { StoreTables } from './tables.ts'

/** Returns what a server that starts, or takes another configuration up, has to say in the log: that it starts, where it does, and its configuration and keys where the log says otherwise. */
export async function startEntries(db: Kysely<StoreTables>, { at, version, configurationSha256, keys }: Started): Promise<LogEntry[]> {
  const logged = await readLogged(db)
  const changed = [...keys].flatMap(([keyid, spkiSha256]): LogEntry[] => {
    const before = logged.keys.get(keyid)
    if (before === spkiSha256) return []
    return [{ kind: 'key', at, keyid, change: before === undefined ? 'added' : 'changed', spkiSha256 }]
  })
  const removed = [...logged.keys].filter(([keyid]) => !keys.has(keyid)).map(([keyid, spkiSha256]): LogEntry => ({ kind: 'key', at, keyid, change: 'removed', spkiSha256 }))
  const configuration: LogEntry[] = logged.configurationSha256 === configurationSha256 ? [] : [{ kind: 'configuration', at, sha256: configurationSha256 }]
  return [...(version === undefined ? [] : [{ kind: 'start', at, version } as const]), ...configuration, ...removed, ...changed]
}

type Logged = Readonly<{ keys: ReadonlyMap<string, string>; configurationSha256: string | undefined }>

async function readLogged(db: Kysely<StoreTables>): Promise<Logged> {
  // Literals, in the words of the index of these few entries: with parameters no engine can tell that it may use it.
  const few = db.selectFrom('log_leaves').select('entry').where('kind', 'in', [sql.lit('key'), sql.lit('configuration')])
  const ofKeys = await few.where('kind', '=', sql.lit('key')).orderBy('leaf_index').execute()
  // One for each configuration that ever was; the last alone counts.
  const [ofConfiguration] = await few.where('kind', '=', sql.lit('configuration')).orderBy('leaf_index', 'desc').limit(1).execute()
  const keys = new Map<string, string>()
  for (const entry of ofKeys.map(parseRow)) {
    if (entry.kind === 'key' && entry.change === 'removed') keys.delete(entry.keyid)
    else if (entry.kind === 'key') keys.set(entry.keyid, entry.spkiSha256)
  }
  const configuration = ofConfiguration === undefined ? undefined : parseRow(ofConfiguration)
  return { keys, configurationSha256: configuration?.kind === 'configuration' ? configuration.sha256 : undefined }
}

function parseRow({ entry }: Readonly<{ entry: string }>): LogEntry {
  return parseEntry(Buffer.from(entry))
}
