import { isAbsolute, sep } from 'node:path'
import { checkTokens } from './check-tokens.ts'
import type { Place } from './fault.ts'
import type { ConfigFile } from './schema.ts'

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
  checkReferences(clients, 'keys', new Set(keys.map((key) => key?.keyid)), report)
  checkReferences(clients, 'roots', new Set(roots.map((root) => root?.name)), report)
  checkTokens(keys, report)
  checkSigner(config, report)
  checkPorts(config, report)
  checkInstalledPaths(config, report)
  checkWrites(config, report)
}

function reportTwice<T>(items: readonly (T | undefined)[], list: string, member: string, of: (item: T) => string | undefined, report: Report): void {
  const seen = new Map<string, number>()
  for (const [index, item] of items.entries()) {
    const value = item === undefined ? undefined : of(item)
    if (value === undefined) continue
    const first = seen.get(value)
    if (first === undefined) seen.set(value, index)
    else report([list, index, member], `is the same as ${list}[${first}].${member}`)
  }
}

function checkReferences(clients: NonNullable<Partially<ConfigFile>['clients']>, member: 'keys' | 'roots', known: ReadonlySet<string | undefined>, report: Report): void {
  for (const [index, client] of clients.entries()) {
    for (const [position, name] of (client?.[member] ?? []).entries()) {
      if (name !== undefined && !known.has(name)) report(['clients', index, member, position], `there is no ${member === 'keys' ? 'key' : 'root'} ${name}`)
    }
  }
}

function checkSigner({ signer, keys = [] }: Partially<ConfigFile>, report: Report): void {
  if (signer === undefined) return
  const wanted = signer.kind === 'command' ? ['command'] : ['file', 'pkcs11']
  for (const [index, key] of keys.entries()) {
    if (key?.kind !== undefined && !wanted.includes(key.kind)) report(['keys', index, 'kind'], `must be ${wanted.join(' or ')}, because signer.kind is ${signer.kind}`)
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

/** The server never writes where it reads: a client that may write into a root must not reach what the server keeps. */
function checkWrites({ roots = [], store, signatureFile, uploadDir, signer }: Partially<ConfigFile>, report: Report): void {
  const written: readonly (readonly [Place, string | undefined])[] = [
    [['store', 'url'], store?.url?.replace(/^sqlite:/, '')],
    [['signatureFile'], signatureFile],
    [['uploadDir'], uploadDir],
    [['signer', 'workDir'], signer?.kind === 'command' ? signer.workDir : undefined],
  ]
  for (const [place, path] of written) {
    const inside = roots.find((root) => root?.path !== undefined && path !== undefined && (path === root.path || path.startsWith(root.path + sep)))
    if (inside !== undefined) report(place, `lies inside the root ${inside.name}`)
  }
}
