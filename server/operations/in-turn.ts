import type { Turns } from '../threads/turns.ts'
import type { SignContext } from './sign-content.ts'

/** Whose turn it is: fair between the clients. */
export type InTurnDeps = Readonly<{ turns: Pick<Turns, 'take' | 'checkRoom'> }>

/**
 * Signs one thing, or searches, when it is its client's turn. Part of a directory, a batch, or something that was sent (`patient` in the context) waits as
 * long as it takes; a single request is refused when too many wait.
 * @throws SigningError `SERVER_BUSY` with the fact `retryAfterMs`, and what `work` throws
 */
export async function inTurn<T>({ turns }: InTurnDeps, { caller, patient, signal }: Pick<SignContext, 'caller' | 'patient' | 'signal'>, work: () => Promise<T>): Promise<T> {
  const release = await turns.take({ party: caller.client.name, signal, ...(patient === undefined ? {} : { patient }) })
  try {
    return await work()
  } finally {
    release()
  }
}
