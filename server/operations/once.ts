import { SigningError } from '../errors.ts'
import type { Answers, Asked } from '../store/store.ts'
import type { Caller } from './caller.ts'
import { fingerprintOf } from './fingerprint.ts'
import { keepAnswer } from './keep-answer.ts'
import { outcomeOf, type BatchRun, type SignRun } from './outcome.ts'
import { repeatAnswer } from './repeat-answer.ts'
import { sign, type SignDeps, type SignInput } from './sign.ts'
import { admitUpload, type Upload } from './sign-upload.ts'

/** `isFinal` says of an error whether the same request would fail with it again; only such an answer is kept. */
export type OnceDeps = SignDeps & Readonly<{ store: Answers; isFinal: (error: unknown) => boolean }>

/** One attempt at a request: the Idempotency-Key that all attempts share, and the request id (UUID) of this one. */
export type Attempt = Readonly<{ key: string; requestId: string }>

/**
 * An answer. `requestId` is that of the attempt that made it, which the problems in it name; `repeated` when that was an earlier one.
 * A `problem` is always repeated: a new one is thrown.
 */
export type Answered = Readonly<{ requestId: string }> &
  (Readonly<{ kind: 'run'; run: SignRun | BatchRun; repeated: boolean }> | Readonly<{ kind: 'problem'; error: SigningError }>)

/**
 * Signs what a request asks for, once: the same request with the same key gets the answer that the first one got. The answer is kept
 * durably before the last of its outcomes is handed on; when that fails, the outcomes end with an error. A request is given up, so that
 * it can be tried again at once, when nobody reads its answer to the end and when it fails with an error that is not final.
 * @throws SigningError `REQUEST_IN_PROGRESS` with the fact `retryAfterMs`, `IDEMPOTENCY_KEY_REUSED`, `KEY_REVOKED`, `STORE_FAILED`, and as {@link sign}
 */
export async function signOnce(deps: OnceDeps, caller: Caller, { input, attempt }: Readonly<{ input: SignInput; attempt: Attempt }>, signal: AbortSignal): Promise<Answered> {
  const askedFor = (content?: Buffer): Asked => ({ ...attempt, client: caller.client.name, fingerprint: fingerprintOf(input, content) })
  if ('upload' in input) return await uploadOnce(deps, caller, { upload: input.upload, askedFor, requestId: attempt.requestId }, signal)
  return await once(deps, askedFor(), async () => await sign(deps, caller, input, signal), signal)
}

type Uploading = Readonly<{ upload: Upload; askedFor: (content: Buffer) => Asked; requestId: string }>

/** What is sent is part of the request, so it must be there before the key can be asked about. */
async function uploadOnce(deps: OnceDeps, caller: Caller, { upload, askedFor, requestId }: Uploading, signal: AbortSignal): Promise<Answered> {
  const { filename, runOf, signReceived } = admitUpload(deps, caller, upload, signal)
  const started = performance.now()
  try {
    return await deps.receiver.receive(upload, signal, async (received) => {
      const make = async () => {
        const outcome = await outcomeOf(filename, async (learn) => await signReceived(received, learn))
        return runOf(async () => outcome)
      }
      return await once(deps, askedFor(received.sha256), make, signal)
    })
  } catch (error) {
    return { kind: 'run', run: runOf(async () => ({ name: filename, durationMs: performance.now() - started, kind: 'failed', error })), requestId, repeated: false }
  }
}

async function once(deps: OnceDeps, asked: Asked, make: () => Promise<SignRun | BatchRun>, signal: AbortSignal): Promise<Answered> {
  const asking = await deps.store.ask(asked)
  switch (asking.kind) {
    case 'begun':
      return { kind: 'run', run: await keepAnswer(deps, asked, make, signal), requestId: asked.requestId, repeated: false }
    case 'finished':
      return await repeatAnswer(deps, asked, asking)
    case 'running':
      throw new SigningError('REQUEST_IN_PROGRESS', 'the first request with this Idempotency-Key still runs', { retryAfterMs: asking.retryAfterMs })
    case 'other':
      throw new SigningError('IDEMPOTENCY_KEY_REUSED', 'this Idempotency-Key was used for another request')
  }
}
