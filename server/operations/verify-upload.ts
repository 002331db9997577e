import { parseFilename } from '../roots/filename.ts'
import type { GivenSignature, Verification } from '../schemas/verify.ts'
import type { Receiver, Sending } from '../uploads/receive.ts'
import type { Caller } from './caller.ts'
import { verifyOpened, type VerifyDeps } from './verify.ts'

export type VerifyUploadDeps = VerifyDeps & Readonly<{ receiver: Receiver }>

/** A file that is being sent, and the signature over it where it is not in the file. */
export type VerifiedUpload = Sending & Readonly<{ filename: string; given?: GivenSignature }>

/**
 * Verifies a file that is being sent, like one that lies on the server.
 * @throws SigningError `FILE_NAME_REFUSED`, and what the receiver and {@link verifyOpened} throw
 */
export async function verifyUpload(deps: VerifyUploadDeps, caller: Caller, upload: VerifiedUpload, signal: AbortSignal): Promise<Verification> {
  parseFilename(upload.filename)
  return await deps.receiver.receive(upload, signal, async ({ handle, fileBytes, sha256 }) => {
    return await verifyOpened(deps, caller, { file: { fd: handle.fd, fileBytes }, sha256, given: upload.given, signal })
  })
}
