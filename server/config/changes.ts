import { isDeepStrictEqual } from 'node:util'
import type { Config } from './load.ts'
import { ConfigFile } from './schema.ts'

/** A member at the top of the configuration. */
export type Member = keyof ConfigFile

/** Names that came, went, or mean something else now. */
export type NamedChanges = Readonly<{ added: readonly string[]; removed: readonly string[]; changed: readonly string[] }>

/** What differs between two configurations: the members that can be taken up while the server runs, and those that need a restart. */
export type ConfigChanges = Readonly<{ reloadable: readonly Member[]; restart: readonly Member[] }>

/** What a running server can take up. Everything else is what it stands on: ports, threads, the store, the signer, limits, the log. */
export const RELOADABLE: ReadonlySet<Member> = new Set(['clients', 'dsb', 'formats', 'keys', 'reload', 'roots', 'tls'])

/** Compares two configurations, member by member. */
export function compareConfigs(before: Config, after: Config): ConfigChanges {
  const members = (Object.keys(ConfigFile.properties) as Member[]).filter((member) => !isDeepStrictEqual(before[member], after[member]))
  return { reloadable: members.filter((member) => RELOADABLE.has(member)), restart: members.filter((member) => !RELOADABLE.has(member)) }
}

/** Compares two lists whose items have names. `isSame` says whether what has one name in both is the same. */
export function compareNamed<T>(before: readonly T[], after: readonly T[], { nameOf, isSame = isDeepStrictEqual }: Readonly<{ nameOf: (item: T) => string; isSame?: (one: T, other: T) => boolean }>): NamedChanges {
  const [old, now] = [before, after].map((items) => new Map(items.map((item) => [nameOf(item), item]))) as [Map<string, T>, Map<string, T>]
  return {
    added: [...now.keys()].filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !now.has(name)),
    changed: [...now].filter(([name, item]) => old.has(name) && !isSame(old.get(name) as T, item)).map(([name]) => name),
  }
}

/** Whether nothing came, went or changed. */
export function isUnchanged({ added, removed, changed }: NamedChanges): boolean {
  return added.length + removed.length + changed.length === 0
}
