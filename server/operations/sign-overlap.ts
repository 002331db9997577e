import { SigningError, type ErrorCode } from '../errors.ts'
import type { OpenedKey } from '../keys/key.ts'
import type { Signature } from '../schemas/signature.ts'
import type { Warning } from '../schemas/sign.ts'
import { keyWarnings } from './key-notes.ts'
import { signContent, type Content, type SignContentDeps, type SignContext } from './sign-content.ts'

/** What a key can never sign: where its partner can, the partner signs alone. */
const NOT_FOR_THIS_KEY: ReadonlySet<ErrorCode> = new Set(['KEY_NOT_SUITABLE', 'DIGEST_NOT_SIGNABLE', 'FILE_TOO_LARGE'])

/**
 * Signs one content with the key that was asked for and, in an overlap, with those that sign along: their signatures are its `also`. Each is a
 * signature like any other, with an id, an entry in the log and a replay of its own. When one of them cannot be made, there is no answer that
 * would look whole; what was made is in the catalogue, and the next attempt finds it there.
 * @throws SigningError as {@link signContent}
 */
export async function signInOverlap(deps: SignContentDeps, context: SignContext, content: Content): Promise<Signature> {
  const signature = await signContent(deps, context, content)
  const also: Signature[] = []
  for (const key of context.along) {
    const another = await signAlong(deps, { ...context, key }, content)
    if (another !== undefined) also.push(another)
  }
  return also.length === 0 ? signature : { ...signature, also }
}

async function signAlong(deps: SignContentDeps, context: SignContext, content: Content): Promise<Signature | undefined> {
  try {
    return await signContent(deps, context, content)
  } catch (error) {
    if (!(error instanceof SigningError)) throw error
    if (NOT_FOR_THIS_KEY.has(error.code)) return undefined
    throw new SigningError(error.code, `${error.message} (with key ${context.key.keyid}, which signs along in an overlap)`, { ...error.facts, cause: error })
  }
}

/** What a person should know of every signature that these keys make now. */
export function overlapWarnings({ key, along }: Readonly<{ key: OpenedKey; along: readonly OpenedKey[] }>, now: Date): readonly Warning[] {
  return [key, ...along].flatMap((each) => keyWarnings(each, now))
}
