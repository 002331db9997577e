import type { SignatureRecord } from '../../formats/index.ts'
import type { EmbeddedSignerConfig } from '../config/schema.ts'
import { SigningError } from '../errors.ts'
import { isHeld, type Message, type MessageKey, type OpenedKey } from '../keys/key.ts'
import { checkWholeSize } from '../keys/message-key.ts'
import type { InstallpInfo } from '../packages/package-info.ts'
import type { Made, OpenedSigner, Signable } from './signer.ts'

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
 * Returns the signer that needs no command: a signature in padded base64, RSASSA-PKCS1-v1_5 with SHA-256 over the signed bytes or that of
 * a key that signs whole files, and for a package, which takes an RSA key, one record per fileset in the order of `lpp_name`, all with this signature. The timestamp is seconds since 1970 (`epoch`) or
 * 14 digits in UTC (`yyyymmddhhmmss`), of the volume record (`build`), of the `lpp_name` member (`lppName`) or of now (`signing`).
 *
 * `sign` rejects with the reason of an aborted signal.
 * @throws SigningError (from `sign`) whatever the key throws; `SIGNER_NOT_AVAILABLE` for a key that only a command can use;
 * of a key that signs whole files `KEY_NOT_SUITABLE` for an installp package, `DIGEST_NOT_SIGNABLE` for a digest alone, `FILE_TOO_LARGE`
 * @see docs/formats/signature-file.md
 */
export function createEmbeddedSigner({ timestamp, clock }: EmbeddedSignerOptions): OpenedSigner {
  return {
    kind: 'embedded',
    async sign(signable, key, signal) {
      signal?.throwIfAborted()
      const signature = (await signatureOf(signable, key, signal)).toString('base64')
      if (signable.info === undefined) return { signature, records: [] }
      const seconds = SECONDS[timestamp.source](signable.info, clock)
      return { signature, records: recordsOf(signable.info, { keyid: key.keyid, timestamp: FORMAT[timestamp.syntax](seconds), signature }) }
    },
    waiting: () => 0,
    probe: async () => {},
    close: async () => {},
  }
}

async function signatureOf(signable: Signable, opened: OpenedKey, signal: AbortSignal | undefined): Promise<Buffer> {
  if (!isHeld(opened)) {
    throw new SigningError('SIGNER_NOT_AVAILABLE', 'the key is held by a signing command, and the server signs without one', { keyid: opened.keyid })
  }
  const { key } = opened
  return key.kind === 'digest' ? await key.sign(signable.sha256) : await key.sign(wholeFile(signable, opened, key), signal)
}

/** What a key signs that takes no digest: everything that a digest stands for, from the file that is open. */
function wholeFile({ file, info, sizeBytes, sha256 }: Signable, { keyid, algorithm }: OpenedKey, { maxBytes }: MessageKey): Message {
  if (info !== undefined) throw new SigningError('KEY_NOT_SUITABLE', `key ${keyid} is ${algorithm}, and the records of an installp package carry RSA signatures alone`)
  if (file === undefined) throw new SigningError('DIGEST_NOT_SIGNABLE', `key ${keyid} is ${algorithm} and signs whole files, a digest is not enough`)
  checkWholeSize(sizeBytes, maxBytes)
  return { kind: 'file', fd: file.fd, fileBytes: file.fileBytes, sizeBytes, sha256 }
}

type Common = Pick<SignatureRecord, 'keyid' | 'timestamp' | 'signature'>

function recordsOf({ package: name, ftype, filesets }: InstallpInfo, { keyid, timestamp, signature }: Common): Made['records'] {
  // In the order in which people and programs have always seen the members.
  return filesets.map(({ fileset, vrmf }) => ({ keyid, package: name, timestamp, fileset, ftype, vrmf, signature }))
}
