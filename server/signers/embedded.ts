import type { SignatureRecord } from '../../formats/index.ts'
import type { EmbeddedSignerConfig } from '../config/schema.ts'
import { SigningError } from '../errors.ts'
import type { OpenedKey } from '../keys/key.ts'
import type { InstallpInfo } from '../packages/package-info.ts'
import type { OpenedSigner, SignablePackage } from './signer.ts'

type Timestamp = EmbeddedSignerConfig['timestamp']

/** What the embedded signer is made of: how records carry their time (configuration `signer.timestamp`), and the clock for `signing`. */
export type EmbeddedSignerOptions = Readonly<{
  timestamp: Readonly<Timestamp>
  clock: () => Date
}>

const SECONDS: Readonly<Record<Timestamp['source'], (info: InstallpInfo, clock: () => Date) => number>> = {
  build: (info) => info.builtAt,
  lppName: (info) => info.lppNameModifiedAt,
  signing: (_, clock) => Math.floor(clock().getTime() / 1000),
}

const FORMAT: Readonly<Record<Timestamp['syntax'], (seconds: number) => string>> = {
  epoch: String,
  yyyymmddhhmmss: (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19).replaceAll(/[-:T]/g, ''),
}

/**
 * Returns the signer that needs no command: one record per fileset in the order of `lpp_name`, all with the same signature, which is
 * RSASSA-PKCS1-v1_5 with SHA-256 over the whole file, in padded base64. The timestamp is seconds since 1970 (`epoch`) or 14 digits
 * in UTC (`yyyymmddhhmmss`), of the volume record (`build`), of the `lpp_name` member (`lppName`) or of now (`signing`).
 *
 * `sign` rejects with the reason of an aborted signal.
 * @throws SigningError (from `sign`) whatever the key throws; `SIGNER_NOT_AVAILABLE` for a key that only a command can use
 * @see docs/formats/signature-file.md
 */
export function createEmbeddedSigner({ timestamp, clock }: EmbeddedSignerOptions): OpenedSigner {
  return {
    kind: 'embedded',
    async sign(signable, key, signal) {
      signal?.throwIfAborted()
      const seconds = SECONDS[timestamp.source](signable.info, clock)
      return recordsOf(signable, key, FORMAT[timestamp.syntax](seconds))
    },
    waiting: () => 0,
    probe: async () => {},
    close: async () => {},
  }
}

async function recordsOf(signable: SignablePackage, key: OpenedKey, timestamp: string): Promise<SignatureRecord[]> {
  if (key.kind === 'command') {
    throw new SigningError('SIGNER_NOT_AVAILABLE', 'the key is held by a signing command, and the server signs without one', { keyid: key.keyid })
  }
  const signature = (await key.key.sign(signable.sha256)).toString('base64')
  const { package: name, ftype, filesets } = signable.info
  return filesets.map(({ fileset, vrmf }) => ({ keyid: key.keyid, package: name, timestamp, fileset, ftype, vrmf, signature }))
}
