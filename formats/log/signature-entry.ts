import type { SignatureRecord } from '../signature/file.ts'
import type { EntryRecord, SignatureEntry } from './entry.ts'

/** A signature as the log needs it; that of the server's API is one. `signedAt` is when it was made, `signature` its bytes in base64. */
export type LoggedSignature = Readonly<
  Pick<SignatureEntry, 'id' | 'filename' | 'sha256' | 'sizeBytes' | 'keyid' | 'algorithm' | 'covers' | 'source' | 'format' | 'signature'> & { signedAt: string; records: readonly Omit<SignatureRecord, 'keyid'>[] }
>

/** For whom a signature was made (name, and SHA-256 of the public key), and the id of the one that it replaces, if it does. */
export type SignatureParties = Readonly<Pick<SignatureEntry, 'client' | 'spki' | 'replaces'>>

/**
 * Returns the entry that the log has for a signature, with its records in full. A record repeats its signature only where that is another one.
 * @see docs/formats/log.md#entries
 */
export function signatureEntry(made: LoggedSignature, { client, spki, replaces }: SignatureParties): Extract<SignatureEntry, { records: unknown }> {
  const { id, filename, sha256, sizeBytes, keyid, algorithm, covers, source, format, signedAt, signature, records } = made
  return {
    kind: 'signature', at: signedAt, client, spki, id, filename, sha256, sizeBytes, keyid, algorithm, covers, source, format, signature,
    ...(replaces === undefined ? {} : { replaces }),
    records: records.map(({ package: name, fileset, vrmf, ftype, timestamp, signature: own }): EntryRecord => ({ package: name, fileset, vrmf, ftype, timestamp, ...(own === signature ? {} : { signature: own }) })),
  }
}
