import { hash } from 'node:crypto'
import { SigningError } from '../errors.ts'
import type { OpenedKey } from '../keys/key.ts'
import { spkiSha256 } from '../keys/spki.ts'
import type { Inspector } from '../packages/inspect.ts'
import { decide } from '../policy/decide.ts'
import type { Format } from '../schemas/format.ts'
import type { Signature } from '../schemas/signature.ts'
import { checkRecords } from '../signers/check-records.ts'
import type { Made, Signable, Signer } from '../signers/signer.ts'
import type { Known, Level, SignedFile, Store, Subject, Unrecorded } from '../store/store.ts'
import { checkContent } from './allowed.ts'
import type { Caller } from './caller.ts'
import type { InTurnDeps } from './in-turn.ts'
import type { Incidents } from './incidents.ts'
import type { Learnt } from './outcome.ts'
import { signatureId } from './signature-id.ts'
import { verifyMade } from './verify-made.ts'

/** What signing needs of the server. `clock` gives the time of signing; `incidents` is told what is not signed. */
export type SignContentDeps = InTurnDeps & Readonly<{ signer: Signer; store: Store; clock: () => Date; incidents: Incidents; inspector: Pick<Inspector, 'verifyMessage'> }>

/** What a request says about what was signed before. */
export type Anew = Readonly<{ force: boolean; resign: boolean }>

/** In whose name, with which key, and which others sign along in an overlap, whether anew, until when; `patient`: part of something that was let in; `learn` is told what the logs should know. */
export type SignContext = Readonly<{ caller: Caller; key: OpenedKey; along: readonly OpenedKey[]; anew: Anew; signal: AbortSignal; patient?: boolean; learn?: ((facts: Learnt) => void) | undefined }>

/** Something to sign, how it came, and where it lies when the server can read it. `settle` rejects when it is not what it was. */
export type Content = Readonly<{
  signable: Signable
  format: Format
  source: Signature['source']
  place?: SignedFile
  settle?: () => Promise<void>
}>

/**
 * Returns whether a request asks for anything anew, where its client may.
 * @throws SigningError `RESIGN_NOT_ALLOWED`
 */
export function anewOf({ policy, identity }: Caller, { force = false, resign = false }: Readonly<{ force?: boolean | undefined; resign?: boolean | undefined }>): Anew {
  if (resign && decide(policy, identity, { kind: 'resign' }).kind === 'deny') throw new SigningError('RESIGN_NOT_ALLOWED', 'this client may not have other content signed under a level that was signed before')
  return { force, resign }
}

/**
 * Signs, checks, verifies and records one content: the second half of every way to a signature, and the only one. There is no path
 * through it that skips the check or the record. What was signed before is not signed again: the signature that exists is the answer.
 * @throws SigningError `FORMAT_NOT_ALLOWED`, `FILESET_NOT_ALLOWED`, `SIGNATURE_COUNT_REACHED`, `FILESET_LEVEL_ALREADY_SIGNED`, `SIGNER_…`, `SIGNATURE_INVALID`, `FILE_CHANGED`, `STORE_FAILED`, `STORAGE_FULL`, `FORMAT_NOT_ACCEPTED`, `DIGEST_NOT_SIGNABLE`, `KEY_NOT_SUITABLE`, `FILE_TOO_LARGE`
 */
export async function signContent(deps: SignContentDeps, context: SignContext, content: Content): Promise<Signature> {
  const { signable } = content
  const { key, signal } = context
  context.learn?.({ sha256: signable.sha256.toString('hex') })
  checkContent(context.caller, { format: content.format, info: signable.info })
  const subject = subjectOf(context, content)
  const known = await deps.store.lookUp(subject)
  if (known !== undefined) {
    await content.settle?.()
    return existing(known, signable)
  }
  const { signature, records } = await deps.signer.sign(signable, key, signal)
  const made: Made = { signature, records: signable.info === undefined ? [] : checkRecords(records, signable.info, key.keyid) }
  await content.settle?.()
  await verifyMade(deps.inspector, { made, signable, key, signal })
  const recorded = await deps.store.record(subject, describe(content, { key, made, at: deps.clock() }))
  // Somebody else was first: what was just made is thrown away.
  return recorded.kind === 'recorded' ? recorded.signature : existing(recorded, signable)
}

function subjectOf({ caller, key, anew }: SignContext, content: Content): Subject {
  const { signable: { sha256, info }, place } = content
  const levels = info === undefined ? [] : info.filesets.map(({ fileset, vrmf }): Level => ({ package: info.package, fileset, vrmf, ftype: info.ftype }))
  return {
    artefact: artefactOf(content, key, levels),
    sha256: sha256.toString('hex'),
    levels,
    ...anew,
    ...(caller.client.maxSignatures === undefined ? {} : { maxSignatures: caller.client.maxSignatures }),
    recipient: { client: caller.client.name, spkiSha256: caller.identity.spkiSha256, ...(place === undefined ? {} : { file: place }) },
  }
}

/** What makes two signatures the same: the same bytes, the same key (and not only its keyid), the same meaning of the records. */
function artefactOf({ signable: { sha256 }, format }: Content, { keyid, publicKey, covers }: OpenedKey, levels: readonly Level[]): string {
  const meaning = levels.map((level) => [level.package, level.fileset, level.vrmf, level.ftype])
  return hash('sha256', JSON.stringify([sha256.toString('hex'), keyid, spkiSha256(publicKey), covers, format, meaning]))
}

/** The signature that exists, under the name that this file has. */
function existing(known: Known, { filename }: Signable): Signature {
  if (known.kind === 'signed') return { ...known.signature, filename }
  if (known.kind === 'spent') throw new SigningError('SIGNATURE_COUNT_REACHED', `${known.count} signatures were made for this client, and its maxSignatures is ${known.maxSignatures}`)
  const { level: { package: name, fileset, vrmf, ftype }, earlier } = known
  throw new SigningError('FILESET_LEVEL_ALREADY_SIGNED', `fileset ${fileset} ${vrmf} (${ftype}) of package ${name} was signed with other content: signature ${earlier}`, { earlier })
}

function describe({ signable, format, source }: Content, { key, made, at }: Readonly<{ key: OpenedKey; made: Made; at: Date }>): Unrecorded {
  return {
    id: signatureId(at),
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
    records: made.records.map((record) => ({ ...record })),
  }
}
