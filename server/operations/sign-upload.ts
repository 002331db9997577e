import type { Keyring } from '../keys/key.ts'
import { parseFilename } from '../roots/filename.ts'
import type { Receiver, Sending } from '../uploads/receive.ts'
import type { Caller } from './caller.ts'
import { keyWarnings } from './key-notes.ts'
import { outcomeOf, runOfOne, type SignRun } from './outcome.ts'
import { signContent } from './sign-content.ts'
import { inspectSignable, type SignFileDeps } from './sign-file.ts'
import { chooseSigningKey } from './signing-key.ts'

export type SignUploadDeps = SignFileDeps & Readonly<{ keyring: Keyring; receiver: Receiver }>

/** An upload as it arrives. */
export type Upload = Sending & Readonly<{ filename: string; keyid?: string }>

/**
 * Begins to sign a file that is being sent: received whole into a file without a name, then inspected and signed like any other.
 * @throws SigningError `FILE_NAME_REFUSED`, and what {@link chooseSigningKey} throws; what is wrong with the file is the outcome
 */
export function signUpload(deps: SignUploadDeps, caller: Caller, upload: Upload, signal: AbortSignal): SignRun {
  const filename = parseFilename(upload.filename)
  const context = { caller, key: chooseSigningKey(caller, deps, upload.keyid), signal }
  const outcome = async () =>
    await outcomeOf(filename, async () =>
      await deps.receiver.receive(upload, signal, async ({ handle, fileBytes, sha256 }) => {
        const { signable, format } = await inspectSignable(deps.inspector, { file: { handle, fileBytes }, filename, sha256, signal })
        return await signContent(deps, context, { signable, format, source: 'upload' })
      }),
    )
  return runOfOne(filename, filename, { warnings: keyWarnings(context.key, deps.clock()), outcome })
}
