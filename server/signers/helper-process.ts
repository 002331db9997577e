import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SigningError } from '../errors.ts'
import { killGroup } from './kill-group.ts'
import type { CommandRun, HelperAnswer, HelperRequest, RunResult } from './spawn-protocol.ts'

/** One life of the helper process. When it ends, everything that was asked of it rejects with `SIGNER_FAILED`. */
export type HelperProcess = Readonly<{
  alive(): boolean
  /** @throws SigningError `SIGNER_FAILED` when the helper ends, or does not answer within the time limit and `marginMs` */
  run(run: CommandRun, signal?: AbortSignal): Promise<RunResult>
  /** @throws SigningError `SIGNER_FAILED` when the helper does not answer within `marginMs` */
  ping(): Promise<void>
  /** Ends the helper and with it everything that runs; resolves when it is gone. What was asked rejects with `SHUTTING_DOWN`. */
  close(): Promise<void>
}>

type Pending = Readonly<{ settle: (result?: RunResult) => void; reject: (error: Error) => void }>

/** How much the helper may complain on its standard error, for the log. */
const COMPLAINT_CHARS = 2048

// `.ts` in a checkout, `.js` where it was built: the helper is always what this file is.
const HELPER = fileURLToPath(new URL(`./spawn-helper${extname(import.meta.url)}`, import.meta.url))

/** Starts a helper process with an empty environment. A helper that cannot be started is one that ends at once. */
export function startHelperProcess({ marginMs }: Readonly<{ marginMs: number }>): HelperProcess {
  // Detached: a signal to the server's process group, SIGKILL too, leaves the helper to end what runs.
  const child = fork(HELPER, [], { env: {}, execArgv: [], detached: true, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  const pending = new Map<number, Pending>()
  const pids = new Map<number, number>()
  const complaint = collectComplaint(child)
  let lastId = 0
  let state: 'alive' | 'closing' | 'ended' = 'alive'

  const ended = new Promise<void>((resolve) => {
    const onEnd = (cause: unknown): void => {
      const reason = state === 'closing' ? shuttingDown() : helperEnded({ cause, complaint: complaint() })
      state = 'ended'
      for (const pid of pids.values()) killGroup(pid)
      for (const { reject } of pending.values()) reject(reason)
      resolve()
    }
    // `close`, not `exit`: the channel was read to its end, so the pid of every run is known.
    child.once('close', (status, signal) => onEnd(`status ${status}, signal ${signal}`))
    child.once('error', onEnd)
  })
  // It exits when it loses the channel, and when it is told to; it is not waited for long.
  const killWhenOverdue = (): void => {
    const overdue = setTimeout(() => child.kill('SIGKILL'), marginMs)
    child.once('close', () => clearTimeout(overdue))
  }
  child.once('disconnect', killWhenOverdue)
  child.on('message', (answer: HelperAnswer) => {
    if (answer.kind === 'started') pids.set(answer.id, answer.pid)
    else pending.get(answer.id)?.settle(answer.kind === 'ended' ? answer.result : undefined)
    // Its group was killed when it ended: from now on the number may be somebody else's.
    if (answer.kind === 'ended') pids.delete(answer.id)
  })

  // A helper that hangs is killed, and that settles whatever waits for it.
  const ask = (request: (id: number) => HelperRequest, limitMs: number): { id: number; answer: Promise<RunResult | undefined> } => {
    lastId += 1
    const id = lastId
    const overdue = setTimeout(() => child.kill('SIGKILL'), limitMs)
    const answer = new Promise<RunResult | undefined>((settle, reject) => pending.set(id, { settle, reject })).finally(() => {
      clearTimeout(overdue)
      pending.delete(id)
    })
    send(child, request(id))
    return { id, answer }
  }

  return {
    alive: () => state === 'alive' && child.connected,
    async run(run, signal) {
      const { id, answer } = ask((id) => ({ kind: 'run', id, run }), run.timeoutMs + marginMs)
      const cancel = (): void => send(child, { kind: 'cancel', id })
      signal?.addEventListener('abort', cancel, { once: true })
      try {
        return (await answer) as RunResult
      } finally {
        signal?.removeEventListener('abort', cancel)
      }
    },
    async ping() {
      await ask((id) => ({ kind: 'ping', id }), marginMs).answer
    },
    async close() {
      if (state === 'alive') {
        state = 'closing'
        // Not `disconnect()`: after that, Node never emits `close`.
        send(child, { kind: 'close' })
        killWhenOverdue()
      }
      await ended
    },
  }
}

function send(child: ChildProcess, request: HelperRequest): void {
  // A failed send means that the channel is gone, and then `close` follows and settles everything.
  child.send(request, () => {})
}

function collectComplaint(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-COMPLAINT_CHARS)
  })
  return () => text
}

function helperEnded(facts: Readonly<{ cause: unknown; complaint: string }>): SigningError {
  return new SigningError('SIGNER_FAILED', 'the process that runs the signing command ended unexpectedly', facts)
}

function shuttingDown(): SigningError {
  return new SigningError('SHUTTING_DOWN', 'the server is shutting down')
}
