import type { CommandKeyConfig, FileKeyConfig, Pkcs11KeyConfig } from '../config/schema.ts'
import type { ThreadPool } from '../threads/pool.ts'
import { readCertificate } from './certificate.ts'
import { openCommandKey } from './command-key.ts'
import { openFileKey } from './file-key.ts'
import { KeyFaults } from './key-faults.ts'
import type { Keyring, OpenedKey } from './key.ts'
import type { Tokens } from './pkcs11.ts'

/** A key of the configuration. */
export type KeyConfig = FileKeyConfig | CommandKeyConfig | Pkcs11KeyConfig

/** For configurations without keys of kind `pkcs11`. */
const NO_TOKENS: Pick<Tokens, 'open'> = { open: async () => await Promise.reject(new TypeError('a key of kind pkcs11 needs the tokens of its configuration')) }

/**
 * Resolves with all keys of the configuration, opened and tried, in its order. `tokens` are the ones that its keys of kind `pkcs11` are
 * in; whoever made them closes them.
 * @throws KeyFaults with the faults of every key, each beginning with `key <keyid>: `, so that one attempt shows all of them;
 * SigningError when the pool cannot work
 */
export async function openKeys(configs: readonly KeyConfig[], pool: ThreadPool, tokens: Pick<Tokens, 'open'> = NO_TOKENS): Promise<Keyring> {
  const faults = repeatedKeyids(configs).map((keyid) => `key ${keyid}: the keyid is given more than once`)
  const keyring = new Map<string, OpenedKey>()
  const outcomes = await Promise.all(configs.map((config) => openOrFaults(config, pool, tokens)))
  for (const outcome of outcomes) {
    if (outcome instanceof KeyFaults) faults.push(...outcome.faults)
    else keyring.set(outcome.keyid, outcome)
  }
  if (faults.length > 0) throw new KeyFaults(faults)
  return keyring
}

async function openOrFaults(config: KeyConfig, pool: ThreadPool, tokens: Pick<Tokens, 'open'>): Promise<OpenedKey | KeyFaults> {
  try {
    const key = await openOne(config, pool, tokens)
    return config.certificate === undefined ? key : { ...key, certificatePem: await readCertificate(config.certificate, key.publicKey) }
  } catch (error) {
    if (!(error instanceof KeyFaults)) throw error
    return new KeyFaults(error.faults.map((fault) => `key ${config.keyid}: ${fault}`), { cause: error })
  }
}

async function openOne(config: KeyConfig, pool: ThreadPool, tokens: Pick<Tokens, 'open'>): Promise<OpenedKey> {
  switch (config.kind) {
    case 'file':
      return await openFileKey(config, pool)
    case 'command':
      return await openCommandKey(config)
    case 'pkcs11':
      return await tokens.open(config)
  }
}

function repeatedKeyids(configs: readonly KeyConfig[]): string[] {
  const keyids = configs.map(({ keyid }) => keyid)
  return [...new Set(keyids.filter((keyid, index) => keyids.indexOf(keyid) !== index))]
}
