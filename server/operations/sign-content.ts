import { randomUUID } from 'node:crypto'
import type { OpenedKey } from '../keys/key.ts'
import type { Inspector } from '../packages/inspect.ts'
import type { Format } from '../schemas/format.ts'
import type { Signature } from '../schemas/signature.ts'
import { checkRecords } from '../signers/check-records.ts'
import type { Made, Signable, Signer } from '../signers/signer.ts'
import type { SignedFile, Store } from '../store/store.ts'
import type { Caller } from './caller.ts'
import { verifyMade } from './verify-made.ts'

/** What signing needs of the server. `clock` gives the time of signing. */
export type SignContentDeps = Readonly<{ signer: Signer; store: Store; clock: () => Date; inspector: Pick<Inspector, 'verifyMessage'> }>

/** In whose name, with which key, until when. */
export type SignContext = Readonly<{ caller: Caller; key: OpenedKey; signal: AbortSignal }>

/** Something to sign, how it came, and where it lies when the server can read it. `settle` rejects when it is not what it was. */
export type Content = Readonly<{
  signable: Signable
  format: Format
  source: Signature['source']
  place?: SignedFile
  settle?: () => Promise<void>
}>

/**
 * Signs, checks, verifies and records one content: the second half of every way to a signature, and the only one. There is no path
 * through it that skips the check or the record.
 * @throws SigningError `SIGNER_…`, `SIGNATURE_INVALID`, `FILE_CHANGED`, `STORE_FAILED`, `STORAGE_FULL`, `FORMAT_NOT_ACCEPTED`, `DIGEST_NOT_SIGNABLE`
 */
export async function signContent(deps: SignContentDeps, { caller, key, signal }: SignContext, content: Content): Promise<Signature> {
  const { signable, place } = content
  const { signature, records } = await deps.signer.sign(signable, key, signal)
  const made: Made = { signature, records: signable.info === undefined ? [] : checkRecords(records, signable.info, key.keyid) }
  await content.settle?.()
  await verifyMade(deps.inspector, { made, signable, key, signal })
  const signed = describe(content, { key, made, at: deps.clock() })
  await deps.store.record({ signature: signed, client: caller.client.name, spkiSha256: caller.identity.spkiSha256, ...(place === undefined ? {} : { file: place }) })
  return signed
}

function describe({ signable, format, source }: Content, { key, made, at }: Readonly<{ key: OpenedKey; made: Made; at: Date }>): Signature {
  return {
    id: randomUUID(),
    filename: signable.filename,
    format,
    source,
    sha256: signable.sha256.toString('hex'),
    sizeBytes: signable.sizeBytes,
    keyid: key.keyid,
    algorithm: key.algorithm,
    covers: key.covers,
    signature: made.signature,
    signedAt: at.toISOString(),
    replayed: false,
    records: made.records.map((record) => ({ ...record })),
  }
}
