import { CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED, CKS_RO_USER_FUNCTIONS, CKU_USER, isAlreadyLoggedIn, isPinRefused, nameOf } from './pkcs11-cryptoki.ts'
import type { Cryptoki, Handle } from './pkcs11-cryptoki.ts'
import { readToken } from './pkcs11-objects.ts'
import { readPin } from './pkcs11-pin.ts'
import type { TokenAnswer, TokenFailure, TokenOpening } from './pkcs11-protocol.ts'

/** Why a token did not sign. `fault` is one sentence for the log. */
export class TokenError extends Error {
  override readonly name = 'TokenError'
  readonly failure: TokenFailure

  constructor(reason: TokenFailure['reason'], fault: string, options: { cause?: unknown } = {}) {
    super(fault, options)
    this.failure = { reason, fault }
  }
}

/** Told of each login before it is tried, and of each PIN that was refused. */
export type Notify = (answer: Extract<TokenAnswer, { kind: 'login' | 'pinRefused' }>) => void

/**
 * Returns what logs the process in, once there is a session, unless it is logged in.
 *
 * A PIN that the token refuses is never tried again: not by a later signature, and not by the process that follows this one, which is
 * told the mark of its file (`refusedPin`). When the file changes, that PIN is tried, once. The last try before the token locks itself
 * is left to a person, so that no number of restarts can lock it.
 * @throws TokenError `pin` (from what is returned), or what the library throws
 */
export function createLogin(cryptoki: Cryptoki, { slot, opening, notify }: Readonly<{ slot: Handle; opening: TokenOpening; notify: Notify }>): (session: Handle) => Promise<void> {
  const { pinFile } = opening
  let refused = opening.refusedPin

  return async (session) => {
    if (cryptoki.C_GetSessionInfo(session).state === CKS_RO_USER_FUNCTIONS) return
    const { pin, mark } = await readPin(pinFile).catch((cause: unknown) => {
      throw new TokenError('pin', nameOf(cause), { cause })
    })
    if (mark === refused) throw new TokenError('pin', `the token refused the PIN in ${pinFile}; it is not tried again until that file changes`)
    const fault = lockFault(readToken(cryptoki, slot).flags)
    if (fault !== undefined) throw new TokenError('pin', fault)
    // From here to the mark below nothing waits: no second login can slip in between.
    notify({ kind: 'login' })
    try {
      cryptoki.C_Login(session, CKU_USER, pin)
    } catch (cause) {
      if (isAlreadyLoggedIn(cause)) return
      if (!isPinRefused(cause)) throw cause
      refused = mark
      notify({ kind: 'pinRefused', mark })
      throw new TokenError('pin', `the token refused the PIN in ${pinFile} (${nameOf(cause)}); it is not tried again until that file changes`, { cause })
    }
  }
}

function lockFault(flags: number): string | undefined {
  if ((flags & CKF_USER_PIN_LOCKED) !== 0) return 'the token is locked after too many wrong PINs (CKF_USER_PIN_LOCKED); its security officer can set a new PIN'
  if ((flags & CKF_USER_PIN_FINAL_TRY) === 0) return undefined
  return 'the token takes one more wrong PIN before it locks itself (CKF_USER_PIN_FINAL_TRY): log in once with a tool of its vendor, which resets the count'
}
