import { isDeepStrictEqual } from 'node:util'
import { changedFiles, markFiles, type Marks } from '../config/marks.ts'
import { KeyFaults } from './key-faults.ts'
import type { OpenedKey } from './key.ts'
import type { LifeConfig } from './life.ts'
import type { KeyConfig } from './open.ts'

/** Keys by keyid as they were opened, before anything is said of their life, and what shows whether another configuration means the same. */
export type KeptKeys = ReadonlyMap<string, Readonly<{ config: KeyConfig; marks: Marks; key: OpenedKey }>>

/** Keeps the keys that have not changed. */
export interface Keeping {
  /** Resolves with the key that was opened before, where the configuration and its files still mean the same; else with what `open` makes. */
  take(config: KeyConfig, open: () => Promise<OpenedKey>): Promise<OpenedKey>
  /** All that were taken. */
  kept(): KeptKeys
}

/** `before`: what another {@link Keeping} kept. `isRenewed`: whether a key must be opened although its configuration is the same, for its token is another. */
export type KeepingOptions = Readonly<{ before?: KeptKeys; isRenewed?: (config: KeyConfig) => boolean }>

/** Without `before` every key is opened, as at the start of a server. */
export function keepKeys({ before, isRenewed = () => false }: KeepingOptions = {}): Keeping {
  const kept = new Map<string, Readonly<{ config: KeyConfig; marks: Marks; key: OpenedKey }>>()
  return {
    kept: () => kept,
    take: async (config, open) => {
      const marks = await markFiles(filesOf(config))
      const known = before?.get(config.keyid)
      const isKnown = known !== undefined && !isRenewed(config) && isDeepStrictEqual(opening(known.config), opening(config)) && changedFiles(marks, known.marks).length === 0
      // Its number may be that of any file or connection of ours by now.
      if (!isKnown && before !== undefined && 'passphraseFd' in config) throw new KeyFaults(['its passphrase comes from a descriptor, which is read once, at the start: restart the server'])
      const key = isKnown && ('passphraseFd' in config || isSettled(known.marks)) ? known.key : await open()
      kept.set(config.keyid, { config, marks, key })
      return key
    },
  }
}

/** The clocks of file systems tick: two changes within one tick have the same mark, so a young mark proves nothing. */
const TICK_MS = 2_000

function isSettled(marks: Marks): boolean {
  return [...marks.values()].every(({ changedMs, markedMs }) => markedMs - changedMs > TICK_MS)
}

/** What an opened key was made from. The PIN file is not among it: the token's process reads it, and looks by itself whether it changed. */
function filesOf(config: KeyConfig): readonly string[] {
  switch (config.kind) {
    case 'file':
    case 'pkcs12':
      return config.passphraseFile === undefined ? [config.path] : [config.path, config.passphraseFile]
    case 'pkcs11':
      return config.publicKey === undefined ? [] : [config.publicKey]
    case 'public':
    case 'command':
      return [config.publicKey]
  }
}

/** What is read anew each time: it is said of a key that is open. */
const SAID: Readonly<Record<keyof LifeConfig | 'certificate', true>> = { state: true, notBefore: true, notAfter: true, successor: true, revokedAt: true, revocationReason: true, certificate: true }

/** What of its configuration a key is opened by. */
function opening(config: KeyConfig): unknown {
  return Object.fromEntries(Object.entries(config).filter(([member]) => !Object.hasOwn(SAID, member)))
}
