import { isSessionCount, type Handle } from './pkcs11-cryptoki.ts'

/** What opens and closes a session of one token. */
export type SessionMaker = Readonly<{ open(): Handle; close(session: Handle): void }>

/** Sessions of one token, at most a configured number of them open at once, each used by one caller at a time. */
export type SessionPool = Readonly<{
  /**
   * Resolves with what `work` makes in a session; waits in line for one while all are taken. A session in which `work` failed may be
   * dead or in the middle of something: it is closed, and replaced when somebody needs it or when it was the last.
   * @throws what `work` or the opening of a session throws
   */
  use<T>(work: (session: Handle) => T | Promise<T>): Promise<T>
  open(): number
  waiting(): number
}>

/** Returns a pool that opens a session when it is needed, and keeps it: with the last session the login would end. */
export function createSessionPool({ open, close }: SessionMaker, maximum: number): SessionPool {
  const idle: Handle[] = []
  const line: (() => void)[] = []
  let limit = maximum
  let total = 0

  const tryOpen = (): Handle | undefined => {
    if (total >= limit) return undefined
    try {
      const session = open()
      total += 1
      return session
    } catch (error) {
      // The token has room for fewer: the ones that are open have to do.
      if (!isSessionCount(error) || total === 0) throw error
      limit = total
      return undefined
    }
  }
  const take = async (): Promise<Handle> => {
    for (;;) {
      const session = idle.pop() ?? tryOpen()
      if (session !== undefined) return session
      await new Promise<void>((resolve) => line.push(resolve))
    }
  }
  const replace = (session: Handle): void => {
    try {
      // Before the old one is closed, for the login would end with the last session.
      const fresh = total === 1 ? tryOpen() : undefined
      if (fresh !== undefined) idle.push(fresh)
      close(session)
    } catch {
      // It is gone already, or the whole token is; whoever needs a session next is told.
    } finally {
      total -= 1
    }
  }

  return {
    async use(work) {
      // Whoever waits is before whoever comes.
      if (line.length > 0) await new Promise<void>((resolve) => line.push(resolve))
      try {
        const session = await take()
        try {
          const result = await work(session)
          idle.push(session)
          return result
        } catch (error) {
          replace(session)
          throw error
        }
      } finally {
        line.shift()?.()
      }
    },
    open: () => total,
    waiting: () => line.length,
  }
}
