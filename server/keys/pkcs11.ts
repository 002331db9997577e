import { createPublicKey } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Pkcs11KeyConfig } from '../config/key-schema.ts'
import type { SigningError } from '../errors.ts'
import { readPublicKeyFile } from './command-key.ts'
import { KeyFaults } from './key-faults.ts'
import type { DigestKey, OpenedKey } from './key.ts'
import { keepToken } from './pkcs11-keeper.ts'
import type { KeptToken, TokenLog } from './pkcs11-keeper.ts'
import type { TokenKey } from './pkcs11-protocol.ts'
import { probeKey } from './probe.ts'
import { rsaAlgorithm } from './rsa.ts'

/** The PKCS#11 tokens of a configuration, each in a process of its own. */
export type Tokens = Readonly<{
  /**
   * Resolves with a key that is in a token, and stays there; its token's process is started by the first of its keys. It has signed a
   * random digest that verified, but for a key whose PIN was refused: that one opens too, and refuses to sign until its PIN file was
   * mended. A server that ended instead would be started again and again by its service manager, and would lock the token.
   * @throws KeyFaults
   */
  open(config: Pkcs11KeyConfig): Promise<OpenedKey>
  /** How many signatures wait for a token, all together. */
  waiting(): number
  /** Ends the processes, but for those that other tokens have too. */
  close(but?: Tokens): Promise<void>
  /**
   * Returns the tokens of another configuration. A token of which it says the same is the same, with its process, its login, and its PIN
   * that is not tried again; any other begins anew, and there its PIN is tried.
   */
  next(configs: readonly Pkcs11KeyConfig[]): Tokens
  /** Whether the token of this key began anew here. */
  isRenewed(config: Pkcs11KeyConfig): boolean
  /** Whether this very token is among them. */
  has(token: KeptToken): boolean
}>

type TokenOf = Omit<Parameters<typeof keepToken>[0], 'log'>
type Group = Readonly<{ token: KeptToken; of: TokenOf; members: readonly Pkcs11KeyConfig[] }> & { opened?: ReturnType<KeptToken['open']> }
type Groups = ReadonlyMap<string, Group>

/** Keys of the same token share its process: they share its login, so that a wrong PIN is tried once, and its sessions. */
const placeOf = ({ module, token }: Pkcs11KeyConfig): string => JSON.stringify([module, token])

/** Returns the tokens that these keys are in; nothing is started yet. Keys of one token agree in all that is the token's (`config/cross-check.ts`). */
export function createTokens(configs: readonly Pkcs11KeyConfig[], log: TokenLog): Tokens {
  return tokensAfter(new Map(), configs, log)
}

function tokensAfter(before: Groups, configs: readonly Pkcs11KeyConfig[], log: TokenLog): Tokens {
  const groups = new Map([...Map.groupBy(configs, placeOf)].map(([place, members]) => [place, groupAfter(before.get(place), members, log)]))
  const has = (token: KeptToken): boolean => [...groups.values()].some((group) => group.token === token)
  return {
    async open(config) {
      const group = groups.get(placeOf(config)) as Group
      const index = group.members.findIndex(({ keyid }) => keyid === config.keyid)
      const { keys, pinFault } = await (group.opened ??= group.token.open())
      return await openKey({ config, found: keys[index] as TokenKey, key: { kind: 'digest', sign: async (sha256) => await group.token.sign(index, sha256) }, usable: pinFault === undefined })
    },
    waiting: () => [...groups.values()].reduce((sum, { token }) => sum + token.waiting(), 0),
    async close(but) {
      await Promise.all([...groups.values()].map(async ({ token }) => (but?.has(token) === true ? undefined : await token.close())))
    },
    next: (other) => tokensAfter(groups, other, log),
    isRenewed: (config) => groups.get(placeOf(config)) !== before.get(placeOf(config)),
    has,
  }
}

function groupAfter(before: Group | undefined, members: readonly Pkcs11KeyConfig[], log: TokenLog): Group {
  const of = tokenOf(members)
  // The keyids too: they are the order in which the process knows the keys.
  const isSame = before !== undefined && isDeepStrictEqual([before.of, keyidsOf(before.members)], [of, keyidsOf(members)])
  return isSame ? before : { token: keepToken({ ...of, log }), of, members }
}

const keyidsOf = (members: readonly Pkcs11KeyConfig[]): readonly string[] => members.map(({ keyid }) => keyid)

function tokenOf(members: readonly Pkcs11KeyConfig[]): TokenOf {
  const { module, token, pinFile, sessions, environment, timeoutMs, waiting } = members[0] as Pkcs11KeyConfig
  const keys = members.map(({ key, extractable, publicKey }) => ({ ...key, extractable, readPublic: publicKey === undefined }))
  return { opening: { module, token, keys, pinFile, sessions }, environment, timeoutMs, waiting }
}

type Opening = Readonly<{ config: Pkcs11KeyConfig; found: TokenKey; key: DigestKey; usable: boolean }>

async function openKey({ config, found, key, usable }: Opening): Promise<OpenedKey> {
  const { keyid, installedPath } = config
  if (found.fault !== undefined) throw new KeyFaults([found.fault])
  const publicKey = config.publicKey === undefined ? createPublicKey(found.publicKeyPem as string) : await readPublicKeyFile(config.publicKey)
  const algorithm = rsaAlgorithm(publicKey)
  if (typeof algorithm === 'string') throw new KeyFaults([`the key in the token ${algorithm}`])
  if (usable) await probeKey({ key, publicKey }).catch(refuse)
  return { keyid, kind: 'pkcs11', covers: 'file', ...algorithm, publicKey, key, ...(installedPath === undefined ? {} : { installedPath }) }
}

function refuse(error: SigningError): never {
  const { message, facts } = error
  const fault = facts['fault']
  throw new KeyFaults([typeof fault === 'string' ? `${message}: ${fault}` : message], { cause: error })
}
