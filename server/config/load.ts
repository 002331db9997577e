import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { isMap, isNode, isScalar, LineCounter, parseDocument, visit, type Document } from 'yaml'
import { checkWrites } from './check-writes.ts'
import { crossCheck } from './cross-check.ts'
import { ConfigError, type ConfigFault, type Place } from './fault.ts'
import type { DeepReadonly, PathRole } from './schema-parts.ts'
import { ConfigFile } from './schema.ts'
import { takeValue } from './take.ts'

/** A checked configuration: defaults filled in, paths absolute, deeply frozen. `file` is where it came from, `sha256` that of its text, `files` the files that it names for reading. */
export type Config = DeepReadonly<ConfigFile> & Readonly<{ file: string; sha256: string; files: readonly string[] }>

const SQLITE = 'sqlite:'

type Wanted = Readonly<{ place: Place; role: PathRole; path: string }>

/**
 * Reads and checks a configuration file. Every fault is reported at once with its line: of the YAML, of the schema, of names that
 * name nothing, and of files that are missing or that others may read.
 * @throws ConfigError
 */
export async function loadConfig(file: string): Promise<Config> {
  const path = resolve(file)
  const refuse = (message: string) => new ConfigError(path, [{ place: [], line: 0, message }])
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw refuse(`cannot be read (${cause.code})`)
  })
  if (!isUtf8(bytes)) throw refuse('is not UTF-8')
  return await parseConfig(bytes.toString(), path)
}

/** Checks the text of a configuration that lies at `file`. @throws ConfigError */
export async function parseConfig(text: string, file: string): Promise<Config> {
  const { document, lines, faults } = parseYaml(text)
  if (faults.length > 0) throw new ConfigError(file, faults)
  const report = (place: Place, message: string) => void faults.push({ place, line: lineOf(document, lines, place), message })
  const wanted: Wanted[] = []
  const absolute = (place: Place, role: PathRole, value: string): string => {
    const path = resolve(dirname(file), value)
    wanted.push({ place, role, path })
    return path
  }
  const config = takeValue(ConfigFile, document.toJS() ?? {}, { fault: report, path: absolute }) as ConfigFile | undefined
  if (config?.store?.url?.startsWith(SQLITE)) config.store.url = `${SQLITE}${resolve(dirname(file), config.store.url.slice(SQLITE.length))}`
  const files = wanted.filter(({ role }) => role === 'file' || role === 'secret').map(({ path }) => path)
  if (config !== undefined) {
    crossCheck(config, report)
    await checkWrites(config, [file, ...files], report)
  }
  await checkFiles(wanted, report)
  if (faults.length > 0 || config === undefined) throw new ConfigError(file, faults, files)
  return deepFreeze({ ...config, file, sha256: hash('sha256', text), files })
}

type Parsed = Readonly<{ document: Document; lines: LineCounter; faults: ConfigFault[] }>

function parseYaml(text: string): Parsed {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, strict: true, prettyErrors: false })
  const faults: ConfigFault[] = []
  const fault = (position: number, message: string) => void faults.push({ place: [], line: lines.linePos(position).line, message })
  for (const { message, pos } of [...document.errors, ...document.warnings]) fault(pos[0], message)
  visit(document, {
    // An alias reads as if its text stood there twice; a configuration says each thing once, in its place.
    Alias: (_key, node) => fault(rangeOf(node), 'aliases are not allowed'),
    Pair: (_key, { key }) => {
      if (!isScalar(key) || typeof key.value !== 'string') fault(rangeOf(key), 'the name of a member must be text')
    },
  })
  return { document, lines, faults }
}

/** Where a node begins; every node of a parsed text has a range. */
function rangeOf(node: unknown): number {
  return (node as Readonly<{ range: readonly [number, number, number] }>).range[0]
}

/** The line of a place: of its key where it has one, else of the value, else of the nearest thing around it that is there. */
function lineOf(document: Document, lines: LineCounter, place: Place): number {
  for (let length = place.length; length > 0; length -= 1) {
    const parent = length === 1 ? document.contents : document.getIn(place.slice(0, length - 1), true)
    const name = place[length - 1]
    const key = isMap(parent) ? parent.items.find((pair) => String(pair.key) === String(name))?.key : undefined
    const node = isNode(key) ? key : document.getIn(place.slice(0, length), true)
    if (isNode(node)) return lines.linePos(rangeOf(node)).line
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
  if (role === 'directory' && !stats.isDirectory()) return `${path} is not a directory`
  if (role !== 'directory' && !stats.isFile()) return `${path} is not a regular file`
  if (role === 'secret' && (stats.mode & 0o077) !== 0) return `others may read ${path}; chmod 600 it`
  return await tryOut(role, path).then(() => undefined, () => `${path} cannot be read`)
}

async function tryOut(role: PathRole, path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  await handle.close()
  // A directory that may be read but not searched shows names and opens nothing.
  if (role === 'directory') await stat(`${path}/.`)
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) deepFreeze(member)
    Object.freeze(value)
  }
  return value
}
