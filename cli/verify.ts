import { basename, resolve } from 'node:path'
import type { DescribedFile, GivenSignature, OfflineVerification, SignatureFile, Verification } from '../sdk/index.ts'
import { examineFile, givenSignature, isRecordOf, LocalFileError } from '../sdk/local.ts'
import type { ExitStatus } from './exit-status.ts'
import { failureOf } from './failure.ts'
import type { Invocation } from './invocation.ts'
import type { Session } from './session.ts'
import { verificationOutput, type Verified } from './verification-text.ts'
import { readSignature, statusOf, verifyFiles } from './verify-offline.ts'

/**
 * Has the server say whether signatures are valid: over a file that it can read, over local files that are sent, or over their digests.
 * @throws UsageError for a signature that cannot be used, or a pattern that matches nothing; ProblemError when the server refuses the
 * request as a whole; ConnectionError
 */
export async function verifyCommand(session: Session, invocation: Invocation): Promise<ExitStatus> {
  const { client, io: { signal } } = session
  const { own } = invocation
  const signature = await readSignature(session, invocation)
  const given = signature === undefined ? undefined : givenSignature(signature)
  if (own['upload'] === true) return await verifyFiles(session, invocation, async ({ name, path }) => ({ name, verification: await client.verifyUpload({ file: path, signature: given }, { signal }) }))
  // What is at the end of a file shows only where the file is, so the block is looked for on this side.
  if (own['digest'] === true || own['dsblkchk'] === true) {
    return await verifyFiles(session, invocation, async ({ name, path }) => ({ name, verification: await verifyDigest(session, { path, signature, blockOnly: own['dsblkchk'] === true }) }))
  }
  return await verifyPath(session, invocation, given)
}

async function verifyPath(session: Session, { files }: Invocation, signature: GivenSignature | undefined): Promise<ExitStatus> {
  const { client, io } = session
  const path = resolve(io.cwd, files[0]!)
  const name = basename(path)
  const verified = await client.verify({ path, ...(signature === undefined ? {} : { signature }) }, { signal: io.signal }).then((verification): Verified => ({ name, verification }), (error: unknown): Verified => {
    const problem = failureOf(error)
    if (problem === undefined) throw error
    return { name, problem }
  })
  const shown = verificationOutput(session, true)
  await shown.add(verified)
  await shown.end()
  return statusOf([verified])
}

type DigestRequest = Readonly<{ path: string; signature: SignatureFile | undefined; blockOnly: boolean }>

/** Sends the digest of a local file and its signature: the one that was given, else the block at its end, else none, and the catalogue is meant. */
async function verifyDigest({ client, io: { signal } }: Session, { path, signature, blockOnly }: DigestRequest): Promise<Verification | OfflineVerification> {
  const found = await examine(path, signal)
  if ('valid' in found) return found
  const own: SignatureFile | undefined = found.dsb === undefined ? undefined : { form: 'dsb', bytes: found.dsb.bytes }
  const wanted = signature ?? own
  if (wanted === undefined && blockOnly) return { valid: false, reason: 'NO_SIGNATURE' }
  const verification = await client.verify({ digest: found.digest, ...(wanted === undefined ? {} : { signature: givenSignature(wanted) }) }, { signal })
  // The server saw no package, so whose record it is can be told here alone.
  const stray = wanted === undefined ? undefined : verification.records?.find((record) => !isRecordOf(record, found))
  return stray === undefined ? verification : { valid: false, reason: 'RECORD_MISMATCH', keyid: stray.keyid }
}

async function examine(path: string, signal: AbortSignal): Promise<DescribedFile | OfflineVerification> {
  return await examineFile(path, { signal }).catch((error: unknown): OfflineVerification => {
    if (error instanceof LocalFileError && (error.code === 'DSB_MALFORMED' || error.code === 'DSB_STACKED')) return { valid: false, reason: error.code }
    throw error
  })
}
