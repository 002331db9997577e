import { FormatError, parseDsb, parseDscScript, parseSignatureFile, recoverDigest, verifySignature, type SignatureRecord } from '../../formats/index.ts'
import { fitsLength, signsMessages } from '../keys/algorithms.ts'
import type { OpenedKey } from '../keys/key.ts'
import type { DsbInfo, Examined } from '../packages/package-info.ts'
import type { GivenSignature, InvalidReason, Verification } from '../schemas/verify.ts'

/**
 * What a signature is said to be over: the digest of the signed bytes, and what was found in the file where there is one. `verifyMessage`
 * judges with a key that signs whole files; it is absent where there is a digest alone.
 */
export type Subject = Omit<Examined, 'sizeBytes'> & Readonly<{ verifyMessage?: (key: OpenedKey, signature: Buffer) => Promise<boolean> }>

/** Whether a signature is valid, by which key, and the records it came in. */
export type Judgement = Pick<Verification, 'valid' | 'reason' | 'keyid' | 'records'>

/**
 * Judges a signature that was handed in, in any form, with the keys that the caller may use.
 * @throws SigningError what `verifyMessage` of the subject throws
 */
export async function judgeGiven(subject: Subject, { form, value }: GivenSignature, keys: readonly OpenedKey[]): Promise<Judgement> {
  try {
    switch (form) {
      case 'record':
        return judgeRecords(subject, parseSignatureFile(value), keys)
      case 'dsc':
        return judgeRecords(subject, parseDscScript(value), keys)
      case 'sig':
        return await judgeRaw(subject, decodeBase64(value), keys)
      case 'dsb':
        return judgeBlock(subject, blockIn(decodeBase64(value)), keys)
    }
  } catch (error) {
    if (error instanceof FormatError) return invalid(error.code.startsWith('DSB_') ? 'DSB_MALFORMED' : 'SIGNATURE_MALFORMED')
    throw error
  }
}

/**
 * Judges the signature in a Digital Signature Block: a region that is padded with NULs, of which each key looks at as many bytes as its
 * signatures have. The key path of the block chooses nothing: whichever key verifies it is the one.
 */
export function judgeBlock(subject: Subject, { signature: region }: Pick<DsbInfo, 'signature'>, keys: readonly OpenedKey[]): Judgement {
  const fitting = keys.filter(({ algorithm, signatureBytes }) => !signsMessages(algorithm) && region.length >= signatureBytes && region.subarray(signatureBytes).every((byte) => byte === 0))
  return judgeTried(subject, fitting.map((key) => ({ key, signature: region.subarray(0, key.signatureBytes) })))
}

/**
 * Judges raw bytes: an RSA signature has the length of its key, neither less nor more. What fits none may be of a key that signs whole
 * files, and then the file itself is needed.
 * @throws SigningError what `verifyMessage` of the subject throws
 */
export async function judgeRaw(subject: Subject, signature: Buffer, keys: readonly OpenedKey[]): Promise<Judgement> {
  const byDigest = judgeDigest(subject, signature, keys)
  const others = keys.filter((key) => signsMessages(key.algorithm) && fitsLength(key, signature.length))
  if (byDigest.reason !== 'SIGNATURE_WRONG' || others.length === 0) return byDigest
  if (subject.verifyMessage === undefined) return invalid('CONTENT_NEEDED')
  for (const key of others) {
    if (await subject.verifyMessage(key, signature)) return { valid: true, keyid: key.keyid }
  }
  return byDigest
}

function judgeDigest(subject: Subject, signature: Buffer, keys: readonly OpenedKey[]): Judgement {
  return judgeTried(subject, keys.filter((key) => !signsMessages(key.algorithm) && fitsLength(key, signature.length)).map((key) => ({ key, signature })))
}

type Tried = Readonly<{ key: OpenedKey; signature: Buffer }>

function judgeTried({ sha256 }: Subject, tried: readonly Tried[]): Judgement {
  const valid = tried.find(({ key: { publicKey }, signature }) => verifySignature({ publicKey, sha256, signature }))
  if (valid !== undefined) return { valid: true, keyid: valid.key.keyid }
  const other = tried.find(({ key: { publicKey }, signature }) => recoverDigest(publicKey, signature) !== undefined)
  return other === undefined ? invalid('SIGNATURE_WRONG') : invalid('DIGEST_DIFFERS', other.key.keyid)
}

function blockIn(bytes: Buffer): Pick<DsbInfo, 'signature'> {
  return { signature: Buffer.from(parseDsb(bytes, { keyDirectory: false }).signature) }
}

/** Judges records: each must name a key that is known and a level of the package, and its own signature must verify. */
function judgeRecords(subject: Subject, records: readonly SignatureRecord[], keys: readonly OpenedKey[]): Judgement {
  for (const record of records) {
    const key = keys.find(({ keyid }) => keyid === record.keyid)
    if (key === undefined) return invalid('KEY_UNKNOWN', record.keyid)
    if (subject.installp !== undefined && !isOf(record, subject.installp)) return invalid('RECORD_MISMATCH', key.keyid)
    const judgement = judgeDigest(subject, Buffer.from(record.signature, 'base64'), [key])
    if (!judgement.valid) return { ...judgement, keyid: key.keyid }
  }
  // The parsers refuse a text without a record.
  return { valid: true, keyid: (records[0] as SignatureRecord).keyid, records: [...records] }
}

function isOf(record: SignatureRecord, { package: name, ftype, filesets }: NonNullable<Subject['installp']>): boolean {
  return record.package === name && record.ftype === ftype && filesets.some(({ fileset, vrmf }) => record.fileset === fileset && record.vrmf === vrmf)
}

/** Strict base64: standard alphabet, padded, nothing else. @throws FormatError `SIGNATURE_NOT_BASE64` */
function decodeBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new FormatError('SIGNATURE_NOT_BASE64', 'the signature is not standard base64 with padding')
  return bytes
}

function invalid(reason: InvalidReason, keyid?: string): Judgement {
  return { valid: false, reason, ...(keyid === undefined ? {} : { keyid }) }
}
