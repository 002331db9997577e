import { open, readFile, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parseDocument, type Document, type YAMLMap } from 'yaml'
import { parseConfig, type Config } from '../config/load.ts'
import { flushFolder } from '../flush-folder.ts'
import { KeyCommandFault } from './fault.ts'

/** A configuration that is about to change: the YAML with its comments, and what it says so far. */
export type Changing = Readonly<{ document: Document; config: Config }>

/**
 * Changes a configuration file, whole or not at all: what `change` makes of it is checked as the server would check it and then put in the
 * place of the old one with its mode and owner. Comments stay. The check reads the files that the configuration names, so they must be there.
 * @throws ConfigError for a configuration that is faulty, before or afterwards; KeyCommandFault, also while another command changes it; what `change` throws
 */
export async function changeConfiguration(file: string, change: (changing: Changing) => void): Promise<void> {
  // Where the file is a link, what it leads to is changed; its paths are meant from where the link lies, as the server has it.
  const [named, path] = [resolve(file), await realpath(file).catch((cause: NodeJS.ErrnoException) => {
    throw new KeyCommandFault(`${file} cannot be read (${cause.code})`, { cause })
  })]
  await replace(path, async (text) => {
    const config = await parseConfig(text, named)
    const document = parseDocument(text)
    change({ document, config })
    const changed = document.toString({ lineWidth: 0 })
    await parseConfig(changed, named)
    return changed
  })
}

/** Returns a key of the configuration, and its mapping in the YAML. @throws KeyCommandFault when there is no such key */
export function findKey({ document, config: { keys, file } }: Changing, keyid: string): Readonly<{ key: Config['keys'][number]; node: YAMLMap }> {
  const index = keys.findIndex((key) => key.keyid === keyid)
  const key = keys[index]
  if (key === undefined) throw new KeyCommandFault(`there is no key ${keyid} in ${file}; it has ${keys.map((key) => key.keyid).join(', ')}`)
  return { key, node: document.getIn(['keys', index], true) as YAMLMap }
}

/** Adds a key to the end of `keys`. */
export function addKey({ document }: Changing, entry: Readonly<Record<string, unknown>>): void {
  document.addIn(['keys'], document.createNode(entry))
}

/** Lets every client that may use one key use another as well; returns their names. */
export function allowBeside({ document, config }: Changing, keyid: string, other: string): readonly string[] {
  const gaining = [...config.clients.entries()].filter(([, { keys }]) => keys.includes(keyid) && !keys.includes(other))
  for (const [index] of gaining) {
    document.addIn(['clients', index, 'keys'], other)
  }
  return gaining.map(([, { name }]) => name)
}

/** Sets members of a key. */
export function setMembers(node: YAMLMap, members: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(members)) node.set(name, value)
}

/** Puts what `change` makes of a file in its place. The draft has one name, which only one command at a time can make: nobody undoes what another says it did. */
async function replace(path: string, change: (text: string) => Promise<string>): Promise<void> {
  const draft = `${path}.new`
  await using handle = await openDraft(draft, path)
  try {
    const before = await readFile(path, 'utf8')
    await write(handle, await change(before), await stat(path))
    if ((await readFile(path, 'utf8')) !== before) throw new KeyCommandFault(`${path} was changed by somebody else meanwhile; nothing is changed, try again`)
    await rename(draft, path)
  } catch (cause) {
    await rm(draft, { force: true })
    throw faultOf(cause as NodeJS.ErrnoException, path)
  }
  await flushFolder(dirname(path))
}

async function openDraft(draft: string, path: string): Promise<FileHandle> {
  return await open(draft, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST') throw faultOf(cause, path)
    throw new KeyCommandFault(`${draft} is there: another command changes ${path}; nothing is changed, try again, and remove ${draft} if there is no other`, { cause })
  })
}

/** What the system says becomes a sentence; everything else is one already. */
function faultOf(cause: NodeJS.ErrnoException, path: string): Error {
  return cause.syscall === undefined ? cause : new KeyCommandFault(`${path} cannot be replaced (${cause.code}); nothing is changed`, { cause })
}

type Rights = Readonly<{ mode: number; uid: number; gid: number }>

async function write(handle: FileHandle, text: string, { mode, uid, gid }: Rights): Promise<void> {
  await handle.writeFile(text)
  await handle.chown(uid, gid)
  await handle.chmod(mode & 0o7777)
  await handle.sync()
}
