import { Buffer } from 'node:buffer'
import { FILE_TYPE } from './bff-record.ts'
import { bffChunks } from './bff-writer.ts'
import { controlFiles, rotatingSum, sizeLines } from './inventory.ts'
import { writeArchive } from './liblpp.ts'
import { formatLppName } from './lpp-name.ts'
import { checkName } from './name.ts'
import type { BffMember, SizedChunks } from './bff-writer.ts'
import type { InventoryEntry } from './inventory.ts'
import type { LppNameFileset } from './lpp-name.ts'

/** A fileset to write; `vrmf` is canonical (`1.0.0.0`). */
export type PackageFileset = Readonly<{ fileset: string; vrmf: string; description?: string }>

/**
 * A file to install. `path` is absolute (`/usr/PkgA/README`; the form `./usr/PkgA/README` means the same), `mode` the permission bits
 * (0644 when absent), `fileset` the one it belongs to (the first when absent). Either the content is given, or a `size` in bytes, which
 * means that many zeros: they cost no memory, whatever the size.
 */
export type PackagePayload = Readonly<{ path: string; mode?: number; fileset?: string }>
  & (Readonly<{ bytes: Uint8Array }> | Readonly<{ size: number }>)

/** A package to write. `builtAt`, a date or seconds since 1970, becomes every date in it; `platform` is `R` when absent. */
export type PackageSource = Readonly<{
  package: string
  type: string
  filesets: readonly PackageFileset[]
  payload?: readonly PackagePayload[]
  builtAt: Date | number
  platform?: string
}>

const DIRECTORY_MODE = 0o755
const FILE_MODE = 0o644
// AIX sets a flag above the UNIX bits on directories.
const AIX_DIRECTORY = 0o200000
const ZEROS = Buffer.alloc(262_144)

// Directories that belong to the system; a package neither lists nor creates them.
const SYSTEM_DIRECTORIES: ReadonlySet<string> = new Set([
  '/', '/etc', '/opt', '/sbin', '/usr', '/usr/bin', '/usr/doc', '/usr/include', '/usr/lib', '/usr/lpp', '/usr/sbin', '/usr/share', '/var',
])

/**
 * Returns an installp package in the shape `mkinstallp` gives it: `./`, `./lpp_name`, `./usr`, `./usr/lpp`, `./usr/lpp/<package>`,
 * `liblpp.a` with the control files of the filesets, then the payload behind its directories. A package of type `I` has one
 * `liblpp.a`; any other type is an update and has one per fileset, in `<fileset>/<vrmf>` below the package's directory.
 * @throws FormatError for a name, type or VRMF that `lpp_name` cannot hold; TypeError for a payload that cannot be placed
 */
export function writePackage(source: PackageSource): Buffer {
  return Buffer.concat([...packageChunks(source)])
}

/** Yields the same bytes as {@link writePackage} piece by piece; each chunk is valid until the next is asked for. */
export function packageChunks(source: PackageSource): Generator<Uint8Array, void, undefined> {
  const date = typeof source.builtAt === 'number' ? source.builtAt : Math.floor(source.builtAt.getTime() / 1000)
  return bffChunks(packageMembers(source, date), { date })
}

type FilesetContent = Readonly<{ level: PackageFileset; entries: readonly InventoryEntry[] }>

function packageMembers(source: PackageSource, mtime: number): BffMember[] {
  const contents = filesetContents(source)
  const lppName = Buffer.from(lppNameText(source, contents), 'latin1')
  const home = `/usr/lpp/${checkName(source.package)}`
  return [
    { ...directoryMember('/', mtime), name: './' },
    fileMember('/lpp_name', { mtime, data: lppName }),
    ...['/usr', '/usr/lpp', home].map((path) => directoryMember(path, mtime)),
    ...libraryMembers({ home, isUpdate: source.type !== 'I', contents, mtime }),
    ...payloadMembers(source.payload ?? [], mtime),
  ]
}

function lppNameText(source: PackageSource, contents: readonly FilesetContent[]): string {
  const filesets = contents.map(({ level, entries }): LppNameFileset => ({
    fileset: level.fileset, vrmf: level.vrmf, volume: '01', quiesce: 'N', content: 'U', language: 'en_US',
    description: level.description ?? level.fileset, body: ['%', ...sizeLines(entries), '%', '%', '%', '%', '%'],
  }))
  return formatLppName({ format: '4', platform: source.platform ?? 'R', type: source.type, package: source.package, filesets })
}

/** Shares the payload out to the filesets, each directory going with the first file below it. */
function filesetContents(source: PackageSource): FilesetContent[] {
  const contents = source.filesets.map((level) => ({ level, entries: [] as InventoryEntry[] }))
  const seen = new Set(['/lpp_name'])
  for (const file of source.payload ?? []) {
    const owner = file.fileset === undefined ? contents[0] : contents.find(({ level }) => level.fileset === file.fileset)
    if (owner === undefined) throw new TypeError('the payload belongs to a fileset that the package does not have')
    const path = absolutePath(file.path)
    for (const directory of newDirectories(path, seen)) owner.entries.push({ kind: 'directory', path: directory, mode: DIRECTORY_MODE })
    if (seen.has(path)) throw new TypeError('the payload has one path twice')
    seen.add(path)
    owner.entries.push({ kind: 'file', path, mode: file.mode ?? FILE_MODE, ...measured(file) })
  }
  return contents
}

function libraryMembers(place: Readonly<{ home: string; isUpdate: boolean; contents: readonly FilesetContent[]; mtime: number }>): BffMember[] {
  const { home, isUpdate, contents, mtime } = place
  if (!isUpdate) return [libraryMember(home, contents, mtime)]
  const seen = new Set([home])
  return contents.flatMap((content) => {
    const path = `${home}/${content.level.fileset}/${content.level.vrmf}`
    const directories = newDirectories(`${path}/liblpp.a`, seen).map((directory) => directoryMember(directory, mtime))
    return [...directories, libraryMember(path, [content], mtime)]
  })
}

function libraryMember(directory: string, contents: readonly FilesetContent[], mtime: number): BffMember {
  const controls = contents.flatMap(({ level, entries }) => controlFiles(level.fileset, entries))
  return fileMember(`${directory}/liblpp.a`, { mtime, data: writeArchive(controls, mtime) })
}

function payloadMembers(payload: readonly PackagePayload[], mtime: number): BffMember[] {
  const seen = new Set<string>()
  return payload.flatMap((file) => {
    const path = absolutePath(file.path)
    const directories = newDirectories(path, seen).map((directory) => directoryMember(directory, mtime))
    const data = 'bytes' in file ? file.bytes : zeros(file.size)
    return [...directories, fileMember(path, { mtime, data, mode: file.mode ?? FILE_MODE })]
  })
}

/** Returns the directories above `path` that are neither the system's nor in `seen`, outermost first, and adds them to `seen`. */
function newDirectories(path: string, seen: Set<string>): string[] {
  const parts = path.split('/').slice(1, -1)
  const directories = parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)
  const fresh = directories.filter((directory) => !SYSTEM_DIRECTORIES.has(directory) && !seen.has(directory))
  for (const directory of fresh) seen.add(directory)
  return fresh
}

function absolutePath(path: string): string {
  const absolute = path.startsWith('./') ? path.slice(1) : path
  // Latin-1 only: a name in a package is bytes, and what AIX would read of another character depends on its locale.
  const isPlain = /^(?:\/[ -.0-~\xa0-\xff]+)+$/.test(absolute) && !absolute.split('/').some((part) => part === '.' || part === '..')
  if (!isPlain) throw new TypeError('a payload path is absolute, without dot segments, of printable Latin-1 characters')
  return absolute
}

function measured(file: PackagePayload): Readonly<{ sizeBytes: number; sum: number }> {
  // The rotating sum of zeros is zero.
  return 'bytes' in file ? { sizeBytes: file.bytes.length, sum: rotatingSum(file.bytes) } : { sizeBytes: file.size, sum: 0 }
}

function zeros(sizeBytes: number): SizedChunks {
  function* chunks(): Generator<Uint8Array, void, undefined> {
    for (let left = sizeBytes; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, left)
  }
  return { sizeBytes, chunks: { [Symbol.iterator]: chunks } }
}

function directoryMember(path: string, mtime: number): BffMember {
  return { name: `.${path}`, mode: AIX_DIRECTORY | FILE_TYPE.directory | DIRECTORY_MODE, mtime, nlink: 2 }
}

function fileMember(path: string, file: Readonly<{ mtime: number; data: Uint8Array | SizedChunks; mode?: number }>): BffMember {
  const { mtime, data, mode = FILE_MODE } = file
  return { name: `.${path}`, mode: FILE_TYPE.regular | mode, mtime, data }
}
