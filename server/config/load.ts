import { constants } from 'node:fs'
import { access, readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { isMap, isNode, LineCounter, parseDocument, visit, type Document } from 'yaml'
import { crossCheck } from './cross-check.ts'
import { ConfigError, type ConfigFault, type Place } from './fault.ts'
import { ConfigFile, type DeepReadonly, type PathRole } from './schema.ts'
import { takeValue } from './take.ts'

/** A checked configuration: defaults filled in, paths absolute, deeply frozen. `file` is where it came from. */
export type Config = DeepReadonly<ConfigFile> & Readonly<{ file: string }>

type Wanted = Readonly<{ place: Place; role: PathRole; path: string }>

/**
 * Reads and checks a configuration file. Every fault is reported at once with its line: of the YAML, of the schema, of names that
 * name nothing, and of files that are missing or that others may read.
 * @throws ConfigError
 */
export async function loadConfig(file: string): Promise<Config> {
  const path = resolve(file)
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigError(path, [{ place: [], line: 0, message: `cannot be read (${cause.code ?? 'unknown'})` }])
  })
  return await parseConfig(text, path)
}

/** Checks the text of a configuration that lies at `file`. @throws ConfigError */
export async function parseConfig(text: string, file: string): Promise<Config> {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, strict: true, prettyErrors: false })
  const faults: ConfigFault[] = [...document.errors, ...document.warnings].map(({ message, pos }) => ({ place: [], line: lines.linePos(pos[0]).line, message }))
  // An alias reads as if its text stood there twice; a configuration says each thing once, in its place.
  visit(document, { Alias: (_key, { range }) => void faults.push({ place: [], line: lines.linePos(range?.[0] ?? 0).line, message: 'aliases are not allowed' }) })
  if (faults.length > 0) throw new ConfigError(file, faults)

  const report = (place: Place, message: string) => void faults.push({ place, line: lineOf(document, lines, place), message })
  const wanted: Wanted[] = []
  const absolute = (place: Place, role: PathRole, value: string): string => {
    const path = resolve(dirname(file), value)
    wanted.push({ place, role, path })
    return path
  }
  const config = takeValue(ConfigFile, document.toJS() ?? {}, { fault: report, path: absolute }) as ConfigFile | undefined
  if (config?.store?.url !== undefined) config.store.url = `sqlite:${resolve(dirname(file), config.store.url.slice('sqlite:'.length))}`
  if (config !== undefined) crossCheck(config, report)
  await checkFiles(wanted, report)
  if (faults.length > 0 || config === undefined) throw new ConfigError(file, faults)
  return deepFreeze({ ...config, file })
}

/** The line of a place: of its key where it has one, else of the value, else of the nearest thing around it that is there. */
function lineOf(document: Document, lines: LineCounter, place: Place): number {
  for (let length = place.length; length > 0; length -= 1) {
    const parent = length === 1 ? document.contents : document.getIn(place.slice(0, length - 1), true)
    const name = place[length - 1]
    const key = isMap(parent) ? parent.items.find((pair) => String(pair.key) === String(name))?.key : undefined
    const node = isNode(key) ? key : document.getIn(place.slice(0, length), true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
  }
  return 1
}

async function checkFiles(wanted: readonly Wanted[], report: (place: Place, message: string) => void): Promise<void> {
  for (const { place, role, path } of wanted) {
    const fault = await fileFault(role, path)
    if (fault !== undefined) report(place, fault)
  }
}

async function fileFault(role: PathRole, path: string): Promise<string | undefined> {
  if (role === 'made') return undefined
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => error)
  if (stats instanceof Error) return stats.code === 'ENOENT' ? `there is no ${role === 'directory' ? 'directory' : 'file'} ${path}` : `${path} cannot be read (${stats.code})`
  if (role === 'directory') return stats.isDirectory() ? undefined : `${path} is not a directory`
  if (!stats.isFile()) return `${path} is not a regular file`
  if (role === 'secret' && (stats.mode & 0o077) !== 0) return `others may read ${path}; chmod 600 it`
  return await access(path, constants.R_OK).then(() => undefined, () => `${path} cannot be read`)
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) deepFreeze(member)
    Object.freeze(value)
  }
  return value
}
