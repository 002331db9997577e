import type { CommandKeyConfig, FileKeyConfig } from '../config/schema.ts'
import { readCertificate } from './certificate.ts'
import { openCommandKey } from './command-key.ts'
import { openFileKey } from './file-key.ts'
import { KeyFaults } from './key-faults.ts'
import type { Keyring, OpenedKey } from './key.ts'
import type { SigningPlace } from './message-key.ts'

/** A key of the configuration. */
export type KeyConfig = FileKeyConfig | CommandKeyConfig

/**
 * Resolves with all keys of the configuration, opened and tried, in its order.
 * @throws KeyFaults with the faults of every key, each beginning with `key <keyid>: `, so that one attempt shows all of them;
 * SigningError when the pool cannot work
 */
export async function openKeys(configs: readonly KeyConfig[], place: SigningPlace): Promise<Keyring> {
  const faults = repeatedKeyids(configs).map((keyid) => `key ${keyid}: the keyid is given more than once`)
  const keyring = new Map<string, OpenedKey>()
  const outcomes = await Promise.all(configs.map((config) => openOrFaults(config, place)))
  for (const outcome of outcomes) {
    if (outcome instanceof KeyFaults) faults.push(...outcome.faults)
    else keyring.set(outcome.keyid, outcome)
  }
  if (faults.length > 0) throw new KeyFaults(faults)
  return keyring
}

async function openOrFaults(config: KeyConfig, place: SigningPlace): Promise<OpenedKey | KeyFaults> {
  try {
    const key = config.kind === 'file' ? await openFileKey(config, place) : await openCommandKey(config)
    return config.certificate === undefined ? key : { ...key, certificatePem: await readCertificate(config.certificate, key.publicKey) }
  } catch (error) {
    if (!(error instanceof KeyFaults)) throw error
    return new KeyFaults(error.faults.map((fault) => `key ${config.keyid}: ${fault}`), { cause: error })
  }
}

function repeatedKeyids(configs: readonly KeyConfig[]): string[] {
  const keyids = configs.map(({ keyid }) => keyid)
  return [...new Set(keyids.filter((keyid, index) => keyids.indexOf(keyid) !== index))]
}
