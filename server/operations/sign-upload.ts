import type { Keyring } from '../keys/key.ts'
import { parseFilename } from '../roots/filename.ts'
import type { Signature } from '../schemas/signature.ts'
import type { Received, Receiver, Sending } from '../uploads/receive.ts'
import type { Caller } from './caller.ts'
import { outcomeOf, runOfOne, type Outcome, type SignRun } from './outcome.ts'
import { anewOf, type SignContext } from './sign-content.ts'
import { inspectSignable, type SignFileDeps } from './sign-file.ts'
import { inTurn } from './in-turn.ts'
import { overlapWarnings, signInOverlap } from './sign-overlap.ts'
import { chooseSigningKey, keysAlong } from './signing-key.ts'

export type SignUploadDeps = SignFileDeps & Readonly<{ keyring: Keyring; receiver: Receiver }>

/** An upload as it arrives. */
export type Upload = Sending & Readonly<{ filename: string; keyid?: string; force?: boolean; resign?: boolean }>

/**
 * Begins to sign a file that is being sent: received whole into a file without a name, then inspected and signed like any other.
 * @throws SigningError `FILE_NAME_REFUSED`, `RESIGN_NOT_ALLOWED`, and what {@link chooseSigningKey} throws; what is wrong with the file is the outcome
 */
export function signUpload(deps: SignUploadDeps, caller: Caller, upload: Upload, signal: AbortSignal): SignRun {
  const { filename, runOf, signReceived } = admitUpload(deps, caller, upload, signal)
  return runOf(async () => await outcomeOf(filename, async (learn) => await deps.receiver.receive(upload, signal, async (received) => await signReceived(received, learn))))
}

/** An upload that may be sent and has not arrived: how to sign what will, and the run of its one outcome. */
export type AdmittedUpload = Readonly<{
  filename: string
  runOf: (outcome: () => Promise<Outcome>) => SignRun
  signReceived: (received: Received, learn: SignContext['learn']) => Promise<Signature>
}>

/**
 * Decides on an upload before anything of it is received.
 * @throws SigningError `FILE_NAME_REFUSED`, `RESIGN_NOT_ALLOWED`, and what {@link chooseSigningKey} throws
 */
export function admitUpload(deps: SignUploadDeps, caller: Caller, upload: Upload, signal: AbortSignal): AdmittedUpload {
  const filename = parseFilename(upload.filename)
  const key = chooseSigningKey(caller, deps, upload.keyid)
  const context = { caller, key, along: keysAlong(caller, deps, key), anew: anewOf(caller, upload), patient: true, signal }
  return {
    filename,
    runOf: (outcome) => runOfOne(filename, filename, { warnings: overlapWarnings(context, deps.clock()), outcome: async () => await deps.incidents.file(context, await outcome()) }),
    signReceived: async ({ handle, fileBytes, sha256 }, learn) => {
      learn?.({ sha256: sha256.toString('hex') })
      return await inTurn(deps, context, async () => {
        const { signable, format } = await inspectSignable(deps.inspector, { file: { fd: handle.fd, fileBytes }, filename, sha256, signal })
        return await signInOverlap(deps, { ...context, learn }, { signable, format, source: 'upload' })
      })
    },
  }
}
