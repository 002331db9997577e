import type { CommandKeyConfig, FileKeyConfig, Pkcs12KeyConfig } from '../config/schema.ts'
import { readCertificate } from './certificate.ts'
import { openCommandKey } from './command-key.ts'
import { openFileKey } from './file-key.ts'
import { KeyFaults } from './key-faults.ts'
import type { Keyring, OpenedKey } from './key.ts'
import { readLife } from './life.ts'
import type { SigningPlace } from './message-key.ts'
import { openPkcs12Key } from './pkcs12.ts'

/** A key of the configuration. */
export type KeyConfig = FileKeyConfig | Pkcs12KeyConfig | CommandKeyConfig

/**
 * Resolves with all keys of the configuration, opened and tried, in its order.
 * @throws KeyFaults with the faults of every key, each beginning with `key <keyid>: `, so that one attempt shows all of them;
 * SigningError when the pool cannot work
 */
export async function openKeys(configs: readonly KeyConfig[], place: SigningPlace): Promise<Keyring> {
  const faults = repeatedKeyids(configs).map((keyid) => `key ${keyid}: the keyid is given more than once`)
  const keyring = new Map<string, OpenedKey>()
  const early = await openBeforeOthers(configs, place)
  const outcomes = await Promise.all(configs.map(async (config) => early.get(config) ?? (await openOrFaults(config, place))))
  for (const outcome of outcomes) {
    if (outcome instanceof KeyFaults) faults.push(...outcome.faults)
    else keyring.set(outcome.keyid, outcome)
  }
  if (faults.length > 0) throw new KeyFaults(faults)
  return keyring
}

/**
 * Opens the keys whose passphrase is read from a descriptor, one after the other and before anything else is open: a number that nobody
 * has opened for this must not be that of a file of ours.
 */
async function openBeforeOthers(configs: readonly KeyConfig[], place: SigningPlace): Promise<ReadonlyMap<KeyConfig, OpenedKey | KeyFaults>> {
  const opened = new Map<KeyConfig, OpenedKey | KeyFaults>()
  for (const config of configs) {
    if ('passphraseFd' in config) opened.set(config, await openOrFaults(config, place))
  }
  return opened
}

async function openOrFaults(config: KeyConfig, place: SigningPlace): Promise<OpenedKey | KeyFaults> {
  try {
    const key = await openKey(config, place)
    const certificatePem = config.certificate === undefined ? key.certificatePem : await readCertificate(config.certificate, key.publicKey)
    return { ...key, life: readLife(config, certificatePem), ...(certificatePem === undefined ? {} : { certificatePem }) }
  } catch (error) {
    if (!(error instanceof KeyFaults)) throw error
    return new KeyFaults(error.faults.map((fault) => `key ${config.keyid}: ${fault}`), { cause: error })
  }
}

function openKey(config: KeyConfig, place: SigningPlace): Promise<OpenedKey> {
  switch (config.kind) {
    case 'file': return openFileKey(config, place)
    case 'pkcs12': return openPkcs12Key(config, place)
    case 'command': return openCommandKey(config)
  }
}

function repeatedKeyids(configs: readonly KeyConfig[]): string[] {
  const keyids = configs.map(({ keyid }) => keyid)
  return [...new Set(keyids.filter((keyid, index) => keyids.indexOf(keyid) !== index))]
}
