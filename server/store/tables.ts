import type { SignatureRecord, Signature } from '../schemas/signature.ts'
import type { CatalogueEntry } from './store.ts'

/** One row of `signatures`. Text and integers only, so that every database kysely speaks to keeps the same values. */
export type SignatureRow = Readonly<{
  id: string
  /** RFC 3339, as in {@link Signature}. */
  signed_at: string
  client: string
  spki_sha256: string
  /** Empty, like the path, for what the server could not read itself. */
  root: string
  relative_path: string
  filename: string
  size_bytes: number
  modified_at_ms: number
  sha256: string
  keyid: string
  algorithm: Signature['algorithm']
  covers: Signature['covers']
  signature: string
  format: Signature['format']
  source: Signature['source']
}>

/** One row of `signature_records`: a line of the signature file, `position` counted from 0 in the order of `lpp_name`. */
export type SignatureRecordRow = SignatureRecord & Readonly<{ signature_id: string; position: number }>

/** One row of `latest_signatures`: for each file the signature that was committed last. */
export type LatestSignatureRow = Readonly<{ root: string; relative_path: string; signature_id: string }>

/** The tables as kysely types them. */
export type CatalogueTables = Readonly<{
  signatures: SignatureRow
  signature_records: SignatureRecordRow
  latest_signatures: LatestSignatureRow
}>

/** The row of `signatures` for an entry. `replayed` is not kept: only a signature that was just made is ever recorded. */
export function toSignatureRow({ signature, client, spkiSha256, file }: CatalogueEntry): SignatureRow {
  return {
    id: signature.id,
    signed_at: signature.signedAt,
    client,
    spki_sha256: spkiSha256,
    root: file?.root ?? '',
    relative_path: file?.relativePath ?? '',
    filename: signature.filename,
    size_bytes: signature.sizeBytes,
    modified_at_ms: wholeMs(file?.modifiedAtMs ?? 0),
    sha256: signature.sha256,
    keyid: signature.keyid,
    algorithm: signature.algorithm,
    covers: signature.covers,
    signature: signature.signature,
    format: signature.format,
    source: signature.source,
  }
}

/** The rows of `signature_records` for an entry. */
export function toRecordRows({ signature: { id, records } }: CatalogueEntry): SignatureRecordRow[] {
  return records.map(({ keyid, package: name, timestamp, fileset, ftype, vrmf, signature }, position) =>
    ({ signature_id: id, position, keyid, package: name, timestamp, fileset, ftype, vrmf, signature }))
}

/** The signature that the rows hold; `records` must be in the order of `position`. */
export function toSignature(row: SignatureRow, records: readonly SignatureRecordRow[]): Signature {
  return {
    id: row.id,
    filename: row.filename,
    format: row.format,
    source: row.source,
    sha256: row.sha256,
    sizeBytes: row.size_bytes,
    keyid: row.keyid,
    algorithm: row.algorithm,
    covers: row.covers,
    signature: row.signature,
    signedAt: row.signed_at,
    replayed: false,
    records: records.map(({ keyid, package: name, timestamp, fileset, ftype, vrmf, signature }) =>
      ({ keyid, package: name, timestamp, fileset, ftype, vrmf, signature })),
  }
}

/** A modification time as the catalogue compares it: file systems give fractions that a column of integers cannot keep. */
export function wholeMs(timeMs: number): number {
  return Math.floor(timeMs)
}
