import { DSB_KEY_DIRECTORY } from '../../formats/index.ts'
import { signsMessages } from '../keys/algorithms.ts'
import type { SigningAlgorithm } from '../schemas/key.ts'
import { addKey, changeConfiguration, type Changing } from './configuration.ts'
import { entryOf, entryText, type KeyEntry } from './entry.ts'
import { KeyCommandFault } from './fault.ts'
import { readKeySource, type KeySource } from './import-key.ts'
import { filesOf, prepareKeyFiles, type KeyFileOptions, type KeyFiles, type ObtainedKey } from './key-files.ts'
import { makePrivateKey } from './make-key.ts'
import { removeFiles, writeNewFiles } from './new-files.ts'

/** Where a key comes from: made now, or the one in a file. */
export type KeyOrigin = Readonly<{ kind: 'made'; algorithm: SigningAlgorithm } | ({ kind: 'file' } & KeySource)>

/** A key to bring into being, and the configuration (`config`, a path) that it shall stand in. */
export type NewKeyOptions = KeyFileOptions & Readonly<{ origin: KeyOrigin; installedPath?: string | undefined; config?: string | undefined }>

/** What was made: the entry, and its text under `keys:`. */
export type NewKey = Readonly<{ files: KeyFiles; entry: KeyEntry; text: string }>

/**
 * Makes or reads a key, writes its files and, where there is a configuration, adds the key to it: all of that or nothing. `also` changes more of the
 * configuration in the same step.
 * @throws KeyCommandFault, KeyFaults, ConfigError
 */
export async function createKey({ origin, installedPath, config, ...options }: NewKeyOptions, also: (changing: Changing) => void = () => undefined): Promise<NewKey> {
  const files = await prepareKeyFiles(await obtain(origin), options)
  if (installedPath !== undefined && signsMessages(files.algorithm)) throw new KeyCommandFault(`--installed-path is for Digital Signature Blocks, which carry RSA signatures alone, and the key is ${files.algorithm}`, { usage: true })
  const entryBelow = (keyDirectory: string): KeyEntry => {
    const usual = signsMessages(files.algorithm) ? undefined : `${keyDirectory}signing-server-${options.keyid}.pem`
    return entryOf(files, { installedPath: installedPath ?? usual, configFile: config })
  }
  let entry = entryBelow(DSB_KEY_DIRECTORY)
  await writeNewFiles(filesOf(files))
  if (config !== undefined) {
    await changeConfiguration(config, (changing) => {
      if (changing.config.keys.some(({ keyid }) => keyid === options.keyid)) throw new KeyCommandFault(`there is a key ${options.keyid} in ${config} already; a new key has a keyid of its own`)
      entry = entryBelow(changing.config.dsb.keyDirectory)
      addKey(changing, entry)
      also(changing)
    }).catch(async (error: unknown) => {
      await removeFiles(filesOf(files))
      throw error
    })
  }
  return { files, entry, text: entryText(entry, files) }
}

async function obtain(origin: KeyOrigin): Promise<ObtainedKey> {
  switch (origin.kind) {
    case 'made': return { privateKey: await makePrivateKey(origin.algorithm), name: 'the new key' }
    case 'file': return await readKeySource(origin)
  }
}
