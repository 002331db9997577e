import type { SignDigestRequest, SignRequest } from '../schemas/sign.ts'
import type { Caller } from './caller.ts'
import { CONTENT_NOT_SEEN, outcomeOf, runOfOne, type BatchRun, type SignRun } from './outcome.ts'
import { signBatch, type SignBatchDeps } from './sign-batch.ts'
import { signAgain } from './sign-again.ts'
import { anewOf } from './sign-content.ts'
import { checkDigestAllowed, signDigest } from './sign-digest.ts'
import { signPath, type SignPathDeps } from './sign-path.ts'
import { overlapWarnings } from './sign-overlap.ts'
import { chooseSigningKey, keysAlong } from './signing-key.ts'
import { signUpload, type SignUploadDeps, type Upload } from './sign-upload.ts'

export type SignDeps = SignPathDeps & SignUploadDeps & SignBatchDeps

/** What a request wants signed: a path, a digest or many of them, what was signed before, or the file that is being sent. */
export type SignInput = SignRequest | Readonly<{ upload: Upload }>

/** Begins to sign, in the way that the request asks for. @throws SigningError as {@link signPath}, {@link signUpload}, {@link signBatch} */
export async function sign(deps: SignDeps, caller: Caller, input: SignInput, signal: AbortSignal): Promise<SignRun | BatchRun> {
  if ('upload' in input) return signUpload(deps, caller, input.upload, signal)
  if ('id' in input) return await signAgain(deps, caller, input, signal)
  if ('items' in input) return await signBatch(deps, caller, input, signal)
  return 'digest' in input ? signOneDigest(deps, caller, input, signal) : await signPath(deps, caller, input, signal)
}

function signOneDigest(deps: SignDeps, caller: Caller, { keyid, force, resign, ...item }: SignDigestRequest, signal: AbortSignal): SignRun {
  checkDigestAllowed(caller)
  const key = chooseSigningKey(caller, deps, keyid)
  const context = { caller, key, along: keysAlong(caller, deps, key), anew: anewOf(caller, { force, resign }), signal }
  const outcome = async () => await deps.incidents.file(context, await outcomeOf(item.filename, async (learn) => await signDigest(deps, item, { ...context, learn })))
  return runOfOne(item.filename, item.filename, { warnings: [...overlapWarnings(context, deps.clock()), CONTENT_NOT_SEEN], outcome })
}
