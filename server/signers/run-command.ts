import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable } from 'node:stream'
import { killGroup } from './kill-group.ts'
import type { CommandRun, RunEnd, RunResult } from './spawn-protocol.ts'

/** How much of what a command prints is kept, of standard output and error each, from the end: that is where programs say why they failed. */
const PRINTED_BYTES_KEPT = 2048

/**
 * How long after its end, or after the kill, a run may keep us waiting: for the rest in its pipes, which somebody who left the process
 * group may hold open, and for a process that the system cannot end at once.
 */
const GRACE_MS = 250

/** A command that runs, or could not be started (`pid` absent). `cancel` kills its process group; the run then ends as `aborted`. */
export type StartedCommand = Readonly<{ pid?: number; cancel(): void }>

type Child = ChildProcessByStdio<null, Readable, Readable>

/**
 * Starts a command without a shell, as leader of its own process group and session, with nothing on its standard input; `onEnd` is called
 * once, later. When the command has exited, ran out of time, printed too much or was cancelled, its group is killed: what it left behind
 * in the background does not survive it, and cannot delay the answer by holding its pipes open.
 *
 * Memory is bounded: of what it prints, bytes are counted and only the last {@link PRINTED_BYTES_KEPT} are kept.
 */
export function startCommand(run: CommandRun, onEnd: (result: RunResult) => void): StartedCommand {
  const child = trySpawn(run)
  if ('reason' in child) {
    setImmediate(onEnd, { kind: 'notStarted', reason: child.reason, stdout: '', stderr: '' })
    return { cancel: () => {} }
  }
  return watch(child, run, onEnd)
}

function trySpawn({ command, cwd, environment }: CommandRun): Child | { reason: string } {
  const [program, ...parameters] = command as [string, ...string[]]
  try {
    return spawn(program, parameters, { cwd, env: environment, detached: true, shell: false, stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    // Most failures are an event; E2BIG and arguments that no program can be given are thrown.
    return { reason: codeOf(error) }
  }
}

function watch(child: Child, run: CommandRun, onEnd: (result: RunResult) => void): StartedCommand {
  const { pid } = child
  const stdout = keepTail(child.stdout)
  const stderr = keepTail(child.stderr)
  // Why it was killed, if it was; otherwise it ended by itself.
  let verdict: RunEnd | undefined
  let ownEnd: RunEnd | undefined
  let grace: NodeJS.Timeout | undefined

  // Called once: by the end of the pipes, or without it when that takes too long.
  const finish = (): void => {
    clearTimeout(grace)
    child.off('close', finish)
    child.stdout.destroy()
    child.stderr.destroy()
    onEnd({ ...((verdict ?? ownEnd) as RunEnd), stdout: stdout.text(), stderr: stderr.text() })
  }
  const end = (): void => {
    clearTimeout(limit)
    if (pid !== undefined) killGroup(pid)
    grace ??= setTimeout(finish, GRACE_MS)
  }
  const kill = (reason: RunEnd): void => {
    verdict ??= reason
    end()
  }
  const exit = (reason: RunEnd): void => {
    ownEnd = reason
    end()
  }
  const count = (): void => {
    // Also when it had exited before the last of it was read.
    if (stdout.bytes() + stderr.bytes() > run.outputBytes) kill({ kind: 'outputTooLarge' })
  }

  const limit = setTimeout(() => kill({ kind: 'timedOut' }), run.timeoutMs)
  child.stdout.on('data', count)
  child.stderr.on('data', count)
  child.once('error', (error) => exit({ kind: 'notStarted', reason: codeOf(error) }))
  child.once('exit', (status, signal) => exit(signal === null ? { kind: 'exited', status: status as number } : { kind: 'signalled', signal }))
  child.once('close', finish)
  return { ...(pid !== undefined && { pid }), cancel: () => kill({ kind: 'aborted' }) }
}

function keepTail(stream: Readable): { bytes(): number; text(): string } {
  let bytes = 0
  let tail = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    tail = Buffer.concat([tail, chunk.subarray(-PRINTED_BYTES_KEPT)]).subarray(-PRINTED_BYTES_KEPT)
  })
  // A pipe that fails is a pipe that ends: the exit of the command decides.
  stream.on('error', () => {})
  return { bytes: () => bytes, text: () => tail.toString('utf8') }
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code)
}
