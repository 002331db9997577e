import { createPublicKey, type KeyObject } from 'node:crypto'
import { FormatError, messageAlgorithm, parseDsb, parseDscScript, parseSignatureFile, recoverDigest, verifyMessage, verifySignature, type SignatureRecord } from '../formats/index.ts'
import { examineFile, type DescribedFile, type ReadOptions } from './describe-file.ts'
import type { InvalidReason, SignatureForm, Verification } from './generated/schema.ts'
import { LocalFileError } from './local-error.ts'
import { openRegular, readPart } from './read-file.ts'

/** A signature as a file has it: raw bytes for `sig` and `dsb`, text for `record` and `dsc`. */
export type SignatureFile = Readonly<{ form: SignatureForm; bytes: Uint8Array }>

/** What is verified, with which key; without `signature` the block at the end of the file is meant. */
export type OfflineRequest = ReadOptions & Readonly<{ file: string | DescribedFile; publicKeyPem: string | Buffer; signature?: SignatureFile | undefined }>

/** As the server answers it; who signed for whom and when only the server knows. */
export type OfflineVerification = Pick<Verification, 'valid' | 'reason' | 'records' | 'keyid'>

/**
 * Says whether a signature over a local file is valid for one public key, and if not, why, with the reasons of the server. No server
 * has a part in it. A key that a record names by its keyid is taken to be the key that was given. A damaged block is an answer, not an error.
 * A key that signs whole files (ECDSA P-256, Ed25519, ML-DSA-65) verifies raw signatures alone, over a file of at most 1 GiB that is
 * named by its path: it is read into memory.
 * @throws LocalFileError `FILE_…`; `KEY_UNUSABLE` for what is no public key of a known algorithm or certificate in PEM
 */
export async function verifyOffline({ file, publicKeyPem, signature, signal }: OfflineRequest): Promise<OfflineVerification> {
  const key = readPublicKey(publicKeyPem)
  if (signsMessages(key) && signature?.form === 'sig' && typeof file === 'string') return await judgeMessage(file, { publicKey: key, signature: signature.bytes, signal })
  try {
    const found = typeof file === 'string' ? await examineFile(file, { signal }) : file
    if (signature !== undefined) return judgeGiven(found, signature, key)
    return found.dsb === undefined ? invalid('NO_SIGNATURE') : judgeRegion(found, found.dsb.signature, key)
  } catch (error) {
    if (error instanceof LocalFileError && (error.code === 'DSB_MALFORMED' || error.code === 'DSB_STACKED')) return invalid(error.code)
    throw error
  }
}

function readPublicKey(pem: string | Buffer): KeyObject {
  // From a private key Node would make the public one; but a private key has no business here.
  if (pem.includes('PRIVATE KEY')) throw new LocalFileError('KEY_UNUSABLE', 'the key is a private one')
  try {
    const key = createPublicKey(pem)
    if (key.asymmetricKeyType === 'rsa' || signsMessages(key)) return key
  } catch (cause) {
    throw new LocalFileError('KEY_UNUSABLE', 'the key cannot be read as PEM', { cause })
  }
  throw new LocalFileError('KEY_UNUSABLE', 'the key is no RSA, ECDSA P-256, Ed25519 or ML-DSA-65 key')
}

const WHOLE_BYTES_MAX = 1024 ** 3

async function judgeMessage(path: string, { publicKey, signature, signal }: Readonly<{ publicKey: KeyObject; signature: Uint8Array; signal: AbortSignal | undefined }>): Promise<OfflineVerification> {
  return verifyMessage({ publicKey, message: await readWhole(path, signal), signature }) ? { valid: true } : invalid('SIGNATURE_WRONG')
}

async function readWhole(path: string, signal: AbortSignal | undefined): Promise<Buffer> {
  const { handle, stats } = await openRegular(path)
  try {
    if (stats.size > WHOLE_BYTES_MAX) throw new LocalFileError('FILE_TOO_LARGE', `the file has ${stats.size} bytes, and it is read into memory as a whole`)
    return await readPart(handle, { end: stats.size, signal })
  } finally {
    await handle.close()
  }
}

function judgeGiven(found: DescribedFile, { form, bytes }: SignatureFile, key: KeyObject): OfflineVerification {
  try {
    switch (form) {
      case 'record':
        return judgeRecords(found, parseSignatureFile(bytes), key)
      case 'dsc':
        return judgeRecords(found, parseDscScript(bytes), key)
      case 'sig':
        return signsMessages(key) ? invalid('CONTENT_NEEDED') : judgeRaw(found, bytes, key)
      case 'dsb':
        return judgeRegion(found, parseDsb(bytes, { keyDirectory: false }).signature, key)
    }
  } catch (error) {
    if (error instanceof FormatError) return invalid(error.code.startsWith('DSB_') ? 'DSB_MALFORMED' : 'SIGNATURE_MALFORMED')
    throw error
  }
}

/** Each record must name a level of the package, and its own signature must verify. */
function judgeRecords(found: DescribedFile, records: readonly SignatureRecord[], key: KeyObject): OfflineVerification {
  for (const record of records) {
    const { keyid } = record
    if (!isRecordOf(record, found)) return { ...invalid('RECORD_MISMATCH'), keyid }
    const judgement = judgeRaw(found, Buffer.from(record.signature, 'base64'), key)
    if (!judgement.valid) return { ...judgement, keyid }
  }
  // The parsers refuse a text without a record.
  return { valid: true, keyid: records[0]!.keyid, records: [...records] }
}

/** Returns whether a record is of a level of this package; of a file that is no sound package every record can be. */
export function isRecordOf(record: SignatureRecord, { package: name, ftype, filesets = [] }: DescribedFile): boolean {
  return name === undefined || (record.package === name && record.ftype === ftype && filesets.some(({ fileset, vrmf }) => record.fileset === fileset && record.vrmf === vrmf))
}

/** The signature in a block, which is padded with NULs: the key tells how long it is. */
function judgeRegion(found: DescribedFile, region: Uint8Array, key: KeyObject): OfflineVerification {
  if (signsMessages(key)) return invalid('SIGNATURE_WRONG')
  const signatureBytes = Math.ceil(key.asymmetricKeyDetails!.modulusLength! / 8)
  const isPadded = region.subarray(signatureBytes).every((byte) => byte === 0)
  return isPadded ? judgeRaw(found, region.subarray(0, signatureBytes), key) : invalid('SIGNATURE_WRONG')
}

/** Whether signatures of a key are over whole files, and never in a block or a record. */
function signsMessages(key: KeyObject): boolean {
  return messageAlgorithm(key) !== undefined
}

/** Raw bytes, neither more nor less than the key makes. */
function judgeRaw({ digest }: DescribedFile, signature: Uint8Array, publicKey: KeyObject): OfflineVerification {
  if (signsMessages(publicKey)) return invalid('SIGNATURE_WRONG')
  if (verifySignature({ publicKey, sha256: Buffer.from(digest.sha256, 'hex'), signature })) return { valid: true }
  return invalid(recoverDigest(publicKey, signature) === undefined ? 'SIGNATURE_WRONG' : 'DIGEST_DIFFERS')
}

function invalid(reason: InvalidReason): OfflineVerification {
  return { valid: false, reason }
}
