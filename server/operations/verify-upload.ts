import { parseFilename } from '../roots/filename.ts'
import type { GivenSignature, Verification } from '../schemas/verify.ts'
import type { Receiver, Sending } from '../uploads/receive.ts'
import type { Caller } from './caller.ts'
import { verifyOpened, type VerifyDeps } from './verify.ts'

export type VerifyUploadDeps = VerifyDeps & Readonly<{ receiver: Receiver }>

/**
 * Verifies a file that is being sent, like one that lies on the server.
 * @throws SigningError `FILE_NAME_REFUSED`, and what the receiver and {@link verifyOpened} throw
 */
export async function verifyUpload(deps: VerifyUploadDeps, caller: Caller, upload: Sending & Readonly<{ filename: string; given?: GivenSignature }>, signal: AbortSignal): Promise<Verification> {
  const filename = parseFilename(upload.filename)
  const { handle, fileBytes, sha256 } = await deps.receiver.receive(upload, signal)
  try {
    return await verifyOpened(deps, caller, { file: { handle, fileBytes }, filename, sha256, given: upload.given, signal })
  } finally {
    await handle.close()
  }
}
