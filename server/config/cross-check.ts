import { isAbsolute } from 'node:path'
import { checkClients } from './check-clients.ts'
import { checkDates, isDate } from './check-dates.ts'
import { checkTokens } from './check-tokens.ts'
import type { Place } from './fault.ts'
import type { ConfigFile } from './schema.ts'
import { parseStoreUrl } from './store-url.ts'

/** A configuration of which any part may be missing because it was faulty. */
export type Partially<T> = T extends readonly (infer Item)[] ? readonly (Partially<Item> | undefined)[] : T extends object ? { readonly [K in keyof T]?: Partially<T[K]> | undefined } : T

export type Report = (place: Place, message: string) => void

/** Reports what no schema can see: names given twice, names that name nothing, parts that do not fit together. */
export function crossCheck(config: Partially<ConfigFile>, report: Report): void {
  const { roots = [], keys = [], clients = [] } = config
  reportTwice(roots, 'roots', 'name', ({ name }) => name, report)
  reportTwice(keys, 'keys', 'keyid', ({ keyid }) => keyid, report)
  reportTwice(clients, 'clients', 'name', ({ name }) => name, report)
  reportTwice(clients, 'clients', 'match', ({ match }) => Object.values(match ?? {})[0], report)
  reportTwice(keys, 'keys', 'passphraseFd', (key) => ('passphraseFd' in key ? key.passphraseFd : undefined), report)
  checkPassphrases(keys, report)
  checkLives(keys, report)
  checkReferences(clients, 'keys', new Set(keys.map((key) => key?.keyid)), report)
  checkReferences(clients, 'roots', new Set(roots.map((root) => root?.name)), report)
  checkClients(config, report)
  checkTokens(keys, report)
  checkSigner(config, report)
  checkPorts(config, report)
  checkInstalledPaths(config, report)
  checkStore(config, report)
}

function reportTwice<T>(items: readonly (T | undefined)[], list: string, member: string, of: (item: T) => string | number | undefined, report: Report): void {
  const seen = new Map<string | number, number>()
  for (const [index, item] of items.entries()) {
    const value = item === undefined ? undefined : of(item)
    if (value === undefined) continue
    const first = seen.get(value)
    if (first === undefined) seen.set(value, index)
    else report([list, index, member], `is the same as ${list}[${first}].${member}`)
  }
}

/** A keystore has a passphrase, a key in a file may have one, and either comes from one place. */
function checkPassphrases(keys: NonNullable<Partially<ConfigFile>['keys']>, report: Report): void {
  for (const [index, key] of keys.entries()) {
    if (key === undefined) continue
    const [hasFile, hasFd] = ['passphraseFile' in key, 'passphraseFd' in key]
    if (hasFile && hasFd) report(['keys', index, 'passphraseFd'], 'stands beside passphraseFile; name one of them')
    if (key.kind === 'pkcs12' && !hasFile && !hasFd) report(['keys', index], 'passphraseFile or passphraseFd is missing')
  }
}

/** Dates that are in the calendar and in their order; a successor that is another key of the list, and does not hand over back in turn. */
function checkLives(keys: NonNullable<Partially<ConfigFile>['keys']>, report: Report): void {
  const successors = new Map(keys.map((key) => [key?.keyid, key?.successor]))
  for (const [index, key] of keys.entries()) {
    const { keyid, state, successor, revokedAt, revocationReason } = key ?? {}
    checkDates(key, ['keys', index], report)
    if (revokedAt !== undefined && !isDate(revokedAt)) report(['keys', index, 'revokedAt'], 'is no time of the calendar')
    for (const [name, text] of Object.entries({ revokedAt, revocationReason })) {
      if (text !== undefined && state !== 'revoked') report(['keys', index, name], 'is for a key whose state is revoked')
    }
    if (successor === undefined) continue
    if (successor === keyid) report(['keys', index, 'successor'], 'is the key itself')
    else if (!successors.has(successor)) report(['keys', index, 'successor'], `there is no key ${successor}`)
    else if (leadsBack(keyid, successors)) report(['keys', index, 'successor'], `leads back to key ${keyid}, which cannot take over from its own successor`)
  }
}

function checkReferences(clients: NonNullable<Partially<ConfigFile>['clients']>, member: 'keys' | 'roots', known: ReadonlySet<string | undefined>, report: Report): void {
  for (const [index, client] of clients.entries()) {
    for (const [position, name] of (client?.[member] ?? []).entries()) {
      if (name !== undefined && !known.has(name)) report(['clients', index, member, position], `there is no ${member === 'keys' ? 'key' : 'root'} ${name}`)
    }
  }
}

/** Whether following the successors of a key comes back to it. */
function leadsBack(keyid: string | undefined, successors: ReadonlyMap<string | undefined, string | undefined>): boolean {
  const seen = new Set<string>()
  for (let next = successors.get(keyid); next !== undefined && !seen.has(next); next = successors.get(next)) {
    if (next === keyid) return true
    seen.add(next)
  }
  return false
}

function checkSigner({ signer, keys = [] }: Partially<ConfigFile>, report: Report): void {
  if (signer === undefined) return
  const isCommand = signer.kind === 'command'
  for (const [index, key] of keys.entries()) {
    if (key?.kind !== undefined && key.kind !== 'public' && (key.kind === 'command') !== isCommand) report(['keys', index, 'kind'], `must ${isCommand ? '' : 'not '}be command, because signer.kind is ${signer.kind}`)
  }
  if (signer.kind !== 'command') return
  const [program] = signer.command ?? []
  if (program?.includes('/') && !isAbsolute(program)) report(['signer', 'command', 0], 'must be a name without a slash or an absolute path')
  if (signer.passin !== undefined && !isAbsolute(signer.passin)) report(['signer', 'passin'], 'must be an absolute path')
}

function checkPorts({ listen, admin }: Partially<ConfigFile>, report: Report): void {
  const { port, browserPort } = listen ?? {}
  if (port !== undefined && port !== 0 && port === browserPort) report(['listen', 'browserPort'], 'is the same as listen.port')
  const taken = listen?.host === admin?.host && admin?.port !== 0 && (admin?.port === port || admin?.port === browserPort)
  if (taken && admin?.port !== undefined) report(['admin', 'port'], 'is the same as a port of listen')
}

function checkInstalledPaths({ keys = [], dsb }: Partially<ConfigFile>, report: Report): void {
  for (const [index, key] of keys.entries()) {
    const path = key?.installedPath
    if (path === undefined || dsb?.keyDirectory === undefined) continue
    const parts = path.slice(dsb.keyDirectory.length).split('/')
    const isInside = path.startsWith(dsb.keyDirectory) && !parts.some((part) => ['', '.', '..'].includes(part))
    if (!isInside) report(['keys', index, 'installedPath'], `must lie below dsb.keyDirectory, ${dsb.keyDirectory}`)
  }
}

function checkStore({ store }: Partially<ConfigFile>, report: Report): void {
  if (store?.url === undefined) return
  try {
    const url = parseStoreUrl(store.url)
    for (const member of ['passwordFile', 'ca'] as const) {
      if (url.kind === 'sqlite' && store[member] !== undefined) report(['store', member], 'is for PostgreSQL, and store.url names an SQLite file')
    }
    if (url.kind === 'postgres' && url.tls !== 'verify-full' && store.ca !== undefined) report(['store', 'ca'], 'is for sslmode=verify-full')
  } catch (error) {
    report(['store', 'url'], (error as Error).message)
  }
}
