import { randomUUID } from 'node:crypto'
import { basename } from 'node:path'
import { verifySignature, type SignatureRecord } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import type { OpenedKey } from '../keys/key.ts'
import type { Inspector } from '../packages/inspect.ts'
import { isUnchanged, openFile, type OpenedFile } from '../roots/open.ts'
import type { SafePath } from '../roots/resolve.ts'
import type { Signature } from '../schemas/signature.ts'
import { checkRecords } from '../signers/check-records.ts'
import type { SignablePackage, Signer } from '../signers/signer.ts'
import type { Store } from '../store/store.ts'
import type { Caller } from './caller.ts'

/** What signing one file needs. `clock` gives the time of signing. */
export type SignFileDeps = Readonly<{ inspector: Inspector; signer: Signer; store: Store; clock: () => Date }>

/** In whose name, with which key, until when. */
export type SignFileContext = Readonly<{ caller: Caller; key: OpenedKey; signal: AbortSignal }>

/**
 * Signs one file: open once, inspect, sign, check, record. There is no way to a signature that skips the check or the record.
 * @throws SigningError every code of `where`, `what`, `the signer` and `what is kept` in errors.ts
 */
export async function signFile(deps: SignFileDeps, place: SafePath, context: SignFileContext): Promise<Signature> {
  const file = await openFile(place)
  try {
    const signable = await inspect(deps, file, context.signal)
    const made = await deps.signer.sign(signable, context.key, context.signal)
    const records = checkRecords(made, signable.info, context.key.keyid)
    if (!isUnchanged(file.stats, await file.handle.stat())) throw new SigningError('FILE_CHANGED', 'the file changed while it was being signed')
    verifyRecords(records, signable, context.key)
    return await record(deps, { file, signable, records, context })
  } finally {
    await file.handle.close()
  }
}

async function inspect({ inspector }: SignFileDeps, { handle, stats, place }: OpenedFile, signal: AbortSignal): Promise<SignablePackage> {
  const info = await inspector.inspect({ handle, sizeBytes: stats.size }, signal)
  const filename = basename(place.absolutePath)
  if (info.kind !== 'installp') throw notAPackage(info.kind, filename)
  return { handle, filename, sizeBytes: info.sizeBytes, sha256: info.sha256, info: info.installp }
}

function verifyRecords(records: readonly SignatureRecord[], { sha256 }: SignablePackage, { covers, publicKey }: OpenedKey): void {
  if (covers === 'unverified') return
  const valid = records.every(({ signature }) => verifySignature({ publicKey, sha256, signature: Buffer.from(signature, 'base64') }))
  if (!valid) throw new SigningError('SIGNATURE_INVALID', 'the signature that was made does not verify with the public key')
}

type Made = Readonly<{ file: OpenedFile; signable: SignablePackage; records: readonly SignatureRecord[]; context: SignFileContext }>

async function record({ store, clock }: SignFileDeps, { file, signable, records, context: { caller, key } }: Made): Promise<Signature> {
  const signature: Signature = {
    id: randomUUID(),
    filename: signable.filename,
    sha256: signable.sha256.toString('hex'),
    sizeBytes: signable.sizeBytes,
    keyid: key.keyid,
    algorithm: key.algorithm,
    covers: key.covers,
    // checkRecords saw to it that there is one per fileset, and a package has a fileset.
    signature: records[0]!.signature,
    signedAt: clock().toISOString(),
    replayed: false,
    records: records.map((entry) => ({ ...entry })),
  }
  const { root, relativePath } = file.place
  const signed = { root: root.name, relativePath, sizeBytes: file.stats.size, modifiedAtMs: Math.trunc(file.stats.mtimeMs) }
  await store.record({ signature, client: caller.client.name, spkiSha256: caller.identity.spkiSha256, file: signed })
  return signature
}

function notAPackage(kind: 'toc' | 'other', filename: string): SigningError {
  // What is no package is refused by content; only then may the name that inutoc always writes give a better reason.
  const toc = kind === 'toc' || filename === '.toc'
  const what = toc ? 'the file is a table of contents' : 'the file is not an installp package image'
  return new SigningError('NOT_A_PACKAGE', what, { kind: toc ? 'toc' : kind })
}
