import 'reflect-metadata'
import { X509Crl } from '@peculiar/x509'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'

/** The file by which a folder is known as a PKI of ours; it lists the other files. */
export const MANIFEST = 'pki.json'
const MADE_BY = 'signing-server certs'

/** Why a folder is not touched. */
export type PkiErrorCode = 'NOT_A_FOLDER' | 'FOLDER_NOT_OURS' | 'FOLDER_HAS_OTHER_FILES' | 'PKI_DAMAGED'

/** A refusal to write a PKI, with a sentence for a person; nothing was changed. */
export class PkiError extends Error {
  readonly code: PkiErrorCode

  constructor(code: PkiErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'PkiError'
    this.code = code
  }
}

/** What is at a place: nothing yet, a whole PKI that holds `from` … `until`, or one with a fault; `files` is what its manifest lists. */
export type FolderState =
  | { readonly kind: 'free' }
  | { readonly kind: 'whole', readonly files: readonly string[], readonly from: Date, readonly until: Date }
  | { readonly kind: 'damaged', readonly files: readonly string[], readonly fault: string, readonly cause: unknown }

/** The absolute path of the folder itself: a link to it is followed, so that the folder is replaced and not the link. */
export async function locate(outDir: string): Promise<string> {
  const path = resolve(outDir)
  return unless('ENOENT', () => realpath(path), path)
}

/**
 * What is in the folder.
 * @throws PkiError `NOT_A_FOLDER`, `FOLDER_NOT_OURS`
 */
export async function inspect(directory: string): Promise<FolderState> {
  const entries = await unless('ENOTDIR', () => unless('ENOENT', () => readdir(directory), []), undefined)
  if (entries === undefined) throw new PkiError('NOT_A_FOLDER', `${directory} is not a folder`)
  if (entries.length === 0) return { kind: 'free' }
  const files = await readManifest(directory)
  try {
    return { kind: 'whole', files, ...await period(directory, files) }
  } catch (cause) {
    return { kind: 'damaged', files, fault: (cause as Error).message, cause }
  }
}

/**
 * Writes a new folder with these files (path → text) and gives it its name only when it is whole. Keys get mode 0600, folders 0700.
 * Answers false, and leaves all as it is, when another process came first.
 */
export async function create(directory: string, files: ReadonlyMap<string, string>): Promise<boolean> {
  // The target is absent or empty; one that was filled in the meantime is never overwritten by rename(2).
  return build(directory, files, (fresh) => rename(fresh, directory))
}

/**
 * The same in place of a PKI of ours, which consists of the files `known`. A process killed between the two renames leaves no PKI,
 * never half of one.
 * @throws PkiError `FOLDER_HAS_OTHER_FILES` when something else is in it, which would be lost
 */
export async function replace(directory: string, known: readonly string[], files: ReadonlyMap<string, string>): Promise<boolean> {
  return build(directory, files, async (fresh) => {
    await refuseOtherFiles(directory, new Set([MANIFEST, ...known]))
    await rename(directory, join(dirname(fresh), 'old'))
    await rename(fresh, directory)
  })
}

async function build(directory: string, files: ReadonlyMap<string, string>, publish: (fresh: string) => Promise<void>): Promise<boolean> {
  const parent = dirname(directory)
  await mkdir(parent, { recursive: true })
  // Next to it, because a rename works within one file system only.
  const workshop = await mkdtemp(join(parent, `.${basename(directory)}-`))
  try {
    const fresh = join(workshop, 'new')
    await writeFiles(fresh, files)
    return await unlessOvertaken(publish(fresh))
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}

/** False when another process has just put its PKI there, or taken the old one away to do so. */
async function unlessOvertaken(publishing: Promise<void>): Promise<boolean> {
  return publishing.then(() => true, (error: unknown) => {
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].some((code) => hasCode(error, code))) return false
    throw error
  })
}

async function writeFiles(root: string, files: ReadonlyMap<string, string>): Promise<void> {
  for (const [path, text] of files) {
    const target = join(root, path)
    await mkdir(dirname(target), { recursive: true, mode: 0o700 })
    await writeFile(target, text, { flag: 'wx', mode: path.endsWith('.key') ? 0o600 : 0o644 })
  }
  const manifest = { madeBy: MADE_BY, version: 1, files: [...files.keys()].sort() }
  await writeFile(join(root, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`, { flag: 'wx' })
}

async function readManifest(directory: string): Promise<readonly string[]> {
  const text = await unless('ENOENT', () => readFile(join(directory, MANIFEST), 'utf8'), '')
  const files = parseManifest(text)
  if (files === undefined) {
    throw new PkiError('FOLDER_NOT_OURS', `${directory} is not empty and is not a development PKI of this project`)
  }
  return files
}

function parseManifest(text: string): readonly string[] | undefined {
  try {
    const { madeBy, version, files } = JSON.parse(text) as Record<string, unknown>
    const ours = madeBy === MADE_BY && version === 1 && Array.isArray(files) && files.every((file) => typeof file === 'string')
    return ours ? files : undefined
  } catch {
    return undefined
  }
}

/** The time in which the authority, the server and the CRL all hold; every key must belong to its certificate. */
async function period(directory: string, files: readonly string[]): Promise<{ from: Date, until: Date }> {
  const texts = new Map<string, string>()
  for (const file of files) texts.set(file, await readFile(join(directory, file), 'utf8'))
  for (const [path, key] of texts) if (path.endsWith('.key')) checkPair(texts, path, key)
  const certificates = ['ca.pem', 'server.pem'].map((path) => new X509Certificate(listed(texts, path)))
  const { thisUpdate, nextUpdate } = new X509Crl(listed(texts, 'ca.crl'))
  if (nextUpdate === undefined) throw new Error('ca.crl has no nextUpdate')
  return {
    from: new Date(Math.max(thisUpdate.getTime(), ...certificates.map((each) => each.validFromDate.getTime()))),
    until: new Date(Math.min(nextUpdate.getTime(), ...certificates.map((each) => each.validToDate.getTime())))
  }
}

function checkPair(texts: ReadonlyMap<string, string>, path: string, key: string): void {
  const certificate = new X509Certificate(listed(texts, path.replace(/key$/, 'pem')))
  if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error(`${path} does not belong to its certificate`)
}

function listed(texts: ReadonlyMap<string, string>, path: string): string {
  const text = texts.get(path)
  if (text === undefined) throw new Error(`${MANIFEST} does not list ${path}`)
  return text
}

async function refuseOtherFiles(directory: string, known: ReadonlySet<string>): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const others = entries.filter((entry) => !entry.isDirectory())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).replaceAll(sep, '/'))
    .filter((path) => !known.has(path))
  if (others.length > 0) {
    throw new PkiError('FOLDER_HAS_OTHER_FILES', `${directory} also holds files that would be lost: ${others.sort().join(', ')}`)
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

async function unless<T>(code: string, action: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (hasCode(error, code)) return otherwise
    throw error
  }
}
