import { SigningError } from '../errors.ts'
import { startHelperProcess } from './helper-process.ts'
import type { HelperProcess } from './helper-process.ts'
import type { CommandRun, RunResult } from './spawn-protocol.ts'

/** Runs commands in the helper process. */
export type Spawner = Readonly<{
  /**
   * Runs a command and resolves with how it ended: a command that fails, hangs or prints too much is a result, not an error. An aborted
   * signal kills its process group; the run then resolves as `aborted`, after the kill.
   * @throws SigningError `SIGNER_FAILED` when the helper process is lost meanwhile, `SIGNER_NOT_AVAILABLE` when it does not stay up,
   * `SHUTTING_DOWN` once closed
   */
  run(run: CommandRun, signal?: AbortSignal): Promise<RunResult>
  /** Resolves when the helper process answers, starting it where needed. @throws SigningError as `run` */
  probe(): Promise<void>
  /** Ends the helper and every process group it started. */
  close(): Promise<void>
}>

/** Starts of the helper within {@link STARTS_WINDOW_MS}; more would be a machine that only starts helpers. */
const STARTS_MAX = 3
const STARTS_WINDOW_MS = 1000

/**
 * Returns a spawner. Its helper process is started by the first use and again by the next use after it was lost, at most
 * {@link STARTS_MAX} times a second. The helper may be late by `marginMs` before it is taken for dead.
 */
export function createSpawner({ marginMs = 5000 }: Readonly<{ marginMs?: number }> = {}): Spawner {
  let helper: HelperProcess | undefined
  let closed = false
  let starts: number[] = []

  const living = (): HelperProcess => {
    if (closed) throw new SigningError('SHUTTING_DOWN', 'the server is shutting down')
    if (helper?.alive() === true) return helper
    const now = performance.now()
    starts = starts.filter((start) => now - start < STARTS_WINDOW_MS)
    if (starts.length >= STARTS_MAX) {
      throw new SigningError('SIGNER_NOT_AVAILABLE', 'the process that runs the signing command does not stay up', { starts: starts.length })
    }
    starts.push(now)
    helper = startHelperProcess({ marginMs })
    return helper
  }

  return {
    async run(run, signal) {
      if (signal?.aborted === true) return { kind: 'aborted', stdout: '', stderr: '' }
      return living().run(run, signal)
    },
    async probe() {
      await living().ping()
    },
    async close() {
      closed = true
      await helper?.close()
    },
  }
}
