import type { CommandKeyConfig, FileKeyConfig, Pkcs11KeyConfig, Pkcs12KeyConfig, PublicKeyConfig } from '../config/key-schema.ts'
import { readCertificate } from './certificate.ts'
import { openCommandKey } from './command-key.ts'
import { openFileKey } from './file-key.ts'
import { KeyFaults } from './key-faults.ts'
import type { Keyring, OpenedKey } from './key.ts'
import { keepKeys, type Keeping } from './kept.ts'
import { readLife } from './life.ts'
import type { SigningPlace } from './message-key.ts'
import type { Tokens } from './pkcs11.ts'
import { openPkcs12Key } from './pkcs12.ts'
import { openPublicKey } from './public-key.ts'

/** A key of the configuration. */
export type KeyConfig = FileKeyConfig | Pkcs12KeyConfig | Pkcs11KeyConfig | PublicKeyConfig | CommandKeyConfig

/** Where keys sign: in the threads, or in the tokens that keys of kind `pkcs11` are in. */
type Places = SigningPlace & Readonly<{ tokens: Pick<Tokens, 'open'>; keeping: Keeping }>

/** For configurations without keys of kind `pkcs11`. */
const NO_TOKENS: Pick<Tokens, 'open'> = { open: async () => await Promise.reject(new TypeError('a key of kind pkcs11 needs the tokens of its configuration')) }

/**
 * Resolves with all keys of the configuration, opened and tried, in its order. `tokens` are the ones that its keys of kind `pkcs11` are
 * in; whoever made them closes them. `keeping` gives those back that have not changed since they were opened.
 * @throws KeyFaults with the faults of every key, each beginning with `key <keyid>: `, so that one attempt shows all of them;
 * SigningError when the pool cannot work
 */
export async function openKeys(configs: readonly KeyConfig[], { keeping = keepKeys(), ...place }: SigningPlace & Readonly<{ keeping?: Keeping }>, tokens: Pick<Tokens, 'open'> = NO_TOKENS): Promise<Keyring> {
  const faults = repeatedKeyids(configs).map((keyid) => `key ${keyid}: the keyid is given more than once`)
  const keyring = new Map<string, OpenedKey>()
  const places = { ...place, tokens, keeping }
  const early = await openBeforeOthers(configs, places)
  const outcomes = await Promise.all(configs.map(async (config) => early.get(config) ?? (await openOrFaults(config, places))))
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
async function openBeforeOthers(configs: readonly KeyConfig[], places: Places): Promise<ReadonlyMap<KeyConfig, OpenedKey | KeyFaults>> {
  const opened = new Map<KeyConfig, OpenedKey | KeyFaults>()
  for (const config of configs) {
    if ('passphraseFd' in config) opened.set(config, await openOrFaults(config, places))
  }
  return opened
}

async function openOrFaults(config: KeyConfig, places: Places): Promise<OpenedKey | KeyFaults> {
  try {
    const key = await places.keeping.take(config, async () => await openKey(config, places))
    const certificatePem = config.certificate === undefined ? key.certificatePem : await readCertificate(config.certificate, key.publicKey)
    return { ...key, life: readLife(config, certificatePem), ...(certificatePem === undefined ? {} : { certificatePem }) }
  } catch (error) {
    if (!(error instanceof KeyFaults)) throw error
    return new KeyFaults(error.faults.map((fault) => `key ${config.keyid}: ${fault}`), { cause: error })
  }
}

function openKey(config: KeyConfig, places: Places): Promise<OpenedKey> {
  switch (config.kind) {
    case 'file': return openFileKey(config, places)
    case 'pkcs12': return openPkcs12Key(config, places)
    case 'pkcs11': return places.tokens.open(config)
    case 'public': return openPublicKey(config, places)
    case 'command': return openCommandKey(config)
  }
}

function repeatedKeyids(configs: readonly KeyConfig[]): string[] {
  const keyids = configs.map(({ keyid }) => keyid)
  return [...new Set(keyids.filter((keyid, index) => keyids.indexOf(keyid) !== index))]
}
