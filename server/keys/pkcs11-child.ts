import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TokenAnswer, TokenRequest } from './pkcs11-protocol.ts'

// `.ts` in a checkout, `.js` where it was built: the process is always what this file is.
const PROCESS = fileURLToPath(new URL(`./pkcs11-process${extname(import.meta.url)}`, import.meta.url))

/** How long a process that was told to end may take for it. */
const CLOSE_MS = 2_000

/** What happens in the life of one process. `ended` is the last thing, once, with the reason: `status 0, signal null`. */
export type TokenProcessEvents = Readonly<{ answered(answer: TokenAnswer): void; ended(reason: string): void }>

/** One life of the process of a token. */
export type TokenProcess = Readonly<{
  pid: number | undefined
  send(request: TokenRequest): void
  /** Ends it at once. */
  kill(): void
  /** Lets it end its sessions, and kills it when that takes long; resolves when it is gone. */
  close(): Promise<void>
}>

/**
 * Starts a process for a token. Its environment is `environment` alone. It has as many threads as the token has sessions, for each
 * signature holds one. What the library prints is thrown away: some print what they are given, the PIN too.
 */
export function startTokenProcess({ environment, sessions }: Readonly<{ environment: Readonly<Record<string, string>>; sessions: number }>, events: TokenProcessEvents): TokenProcess {
  const env = { ...environment, UV_THREADPOOL_SIZE: String(Math.max(4, sessions)) }
  // Detached: what a terminal sends to the server's process group is not for it. Standard input is its life line.
  const child = fork(PROCESS, [], { env, execArgv: [], detached: true, stdio: ['pipe', 'ignore', 'ignore', 'ipc'] })
  const gone = whenGone(child, events)
  const send = (request: TokenRequest): void => {
    // A failed send means that the process is gone; that follows, and settles everything.
    child.send(request, () => {})
  }
  const kill = (): void => void child.kill('SIGKILL')
  child.on('message', (answer: TokenAnswer) => events.answered(answer))
  child.stdin?.on('error', () => {})
  return {
    pid: child.pid,
    send,
    kill,
    close: async () => {
      send({ kind: 'close' })
      const overdue = setTimeout(kill, CLOSE_MS)
      await gone
      clearTimeout(overdue)
    },
  }
}

async function whenGone(child: ChildProcess, { ended }: TokenProcessEvents): Promise<void> {
  const reason = await new Promise<string>((resolve) => {
    // `close`, not `exit`: the channel was read to its end, so no answer is still on its way.
    child.once('close', (status, signal) => resolve(`status ${status}, signal ${signal}`))
    child.once('error', (error) => resolve(error.message))
  })
  ended(reason)
}
