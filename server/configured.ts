import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Config } from './config/load.ts'
import { markFiles, type Marks } from './config/marks.ts'
import type { Live } from './http/live.ts'
import type { Metrics } from './http/metrics.ts'
import { renewalFaults, TlsFaults } from './identity/renewal.ts'
import { checkTls, type TlsMaterial } from './identity/tls.ts'
import { readValidity, type Validity } from './identity/validity.ts'
import type { Keyring } from './keys/key.ts'
import { keepKeys, type KeptKeys } from './keys/kept.ts'
import { openKeys } from './keys/open.ts'
import { createTokens, type Tokens } from './keys/pkcs11.ts'
import type { TokenLog } from './keys/pkcs11-keeper.ts'
import { createInspector } from './packages/inspect.ts'
import { openRoots } from './roots/open-roots.ts'
import type { ThreadPool } from './threads/pool.ts'

/** What a configuration opens and a reload opens anew; `marks` of its files as they were before they were read. Whoever opened it closes `tokens`. */
export type Configured = Readonly<{ config: Config; marks: Marks; tls: TlsMaterial; validity: Validity; live: Live; kept: KeptKeys; tokens: Tokens }>

/** What it stands on, which stays while the server runs. */
export type Ground = Readonly<{ pool: ThreadPool; log: TokenLog; clock: () => Date; metrics: Pick<Metrics, 'bytesHashed'> }>

/**
 * Opens what a configuration names: TLS material, roots, keys. With `before`, what a running server has, nothing is taken up yet; what
 * has not changed is the same as before, and TLS material that would let nobody in is refused.
 * @throws KeyFaults, TlsFaults, SigningError, Error with a sentence for the operator; then nothing new is left open
 */
export async function openConfigured(config: Config, ground: Ground, before?: Configured): Promise<Configured> {
  const marks = await markFiles([config.file, ...config.files])
  const tls = await openTls(config.tls, ground, before)
  const roots = isDeepStrictEqual(config.roots, before?.config.roots) ? (before as Configured).live.roots : await openRoots(config.roots)
  const inspector = createInspector({ pool: ground.pool, maxFileBytes: config.limits.fileBytes, accept: config.formats.accept, hashed: (bytes) => ground.metrics.bytesHashed(bytes) })
  const { keyring, kept, tokens } = await openKeyring(config, ground, before)
  return { config, marks, ...tls, live: { policy: config.clients, keyring, roots, inspector, dsb: config.dsb }, kept, tokens }
}

async function openTls(files: Config['tls'], { clock }: Ground, before: Configured | undefined): Promise<Pick<Configured, 'tls' | 'validity'>> {
  const tls = await readTls(files)
  if (before !== undefined && isDeepStrictEqual(tls, before.tls)) return { tls: before.tls, validity: before.validity }
  const faults = before === undefined ? [] : renewalFaults(tls, clock())
  if (faults.length > 0) throw new TlsFaults(faults)
  const validity = readValidity({ certPem: tls.cert, clientCaPem: tls.clientCa, crlPem: tls.crl })
  checkTls(tls)
  return { tls, validity }
}

async function readTls({ cert, key, clientCa, crl }: Config['tls']): Promise<TlsMaterial> {
  const text = async (path: string) => await readFile(path, 'utf8')
  const [certPem, keyPem, clientCaPem, crlPem] = await Promise.all([text(cert), text(key), text(clientCa), crl === undefined ? undefined : text(crl)])
  return { cert: certPem, key: keyPem, clientCa: clientCaPem, ...(crlPem === undefined ? {} : { crl: crlPem }) }
}

async function openKeyring({ keys, limits }: Config, { pool, log }: Ground, before: Configured | undefined): Promise<Readonly<{ keyring: Keyring; kept: KeptKeys; tokens: Tokens }>> {
  const inTokens = keys.filter((key) => key.kind === 'pkcs11')
  const tokens = before === undefined ? createTokens(inTokens, log) : before.tokens.next(inTokens)
  const isRenewed = (key: (typeof keys)[number]): boolean => key.kind === 'pkcs11' && tokens.isRenewed(key)
  const keeping = keepKeys(before === undefined ? {} : { before: before.kept, isRenewed })
  try {
    const keyring = await openKeys(keys, { pool, maxWholeBytes: limits.wholeFileBytes, keeping }, tokens)
    return { keyring, kept: keeping.kept(), tokens }
  } catch (error) {
    await tokens.close(before?.tokens)
    throw error
  }
}
