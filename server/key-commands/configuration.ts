import { randomUUID } from 'node:crypto'
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseDocument, type Document, type YAMLMap } from 'yaml'
import { parseConfig, type Config } from '../config/load.ts'
import { flushFolder } from '../flush-folder.ts'
import { KeyCommandFault } from './fault.ts'

/** A configuration that is about to change: the YAML with its comments, and what it says so far. */
export type Changing = Readonly<{ document: Document; config: Config }>

/**
 * Changes a configuration file, whole or not at all: what `change` makes of it is checked as the server would check it and then put in the
 * place of the old one with its mode and owner. Comments stay. The check reads the files that the configuration names, so they must be there.
 * @throws ConfigError for a configuration that is faulty, before or afterwards; KeyCommandFault; what `change` throws
 */
export async function changeConfiguration(file: string, change: (changing: Changing) => void): Promise<void> {
  // Where the file is a link, what it leads to is changed.
  const path = await realpath(file).catch((cause: NodeJS.ErrnoException) => {
    throw new KeyCommandFault(`${file} cannot be read (${cause.code})`, { cause })
  })
  const text = await readFile(path, 'utf8')
  const config = await parseConfig(text, path)
  const document = parseDocument(text)
  change({ document, config })
  const changed = document.toString({ lineWidth: 0 })
  await parseConfig(changed, path)
  await replace(path, text, changed)
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

async function replace(path: string, before: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`
  try {
    const { mode, uid, gid } = await stat(path)
    await write(draft, text, { mode: mode & 0o7777, uid, gid })
    if ((await readFile(path, 'utf8')) !== before) throw new KeyCommandFault(`${path} was changed by somebody else meanwhile; nothing is changed, try again`)
    await rename(draft, path)
  } catch (cause) {
    if (cause instanceof KeyCommandFault) throw cause
    throw new KeyCommandFault(`${path} cannot be replaced (${(cause as NodeJS.ErrnoException).code}); nothing is changed`, { cause })
  } finally {
    await rm(draft, { force: true })
  }
  await flushFolder(dirname(path))
}

type Rights = Readonly<{ mode: number; uid: number; gid: number }>

async function write(path: string, text: string, { mode, uid, gid }: Rights): Promise<void> {
  await using handle = await open(path, 'wx', 0o600)
  await handle.writeFile(text)
  await handle.chown(uid, gid)
  await handle.chmod(mode)
  await handle.sync()
}
