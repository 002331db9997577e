import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { Unavailable } from './measurement.ts'

/** How a process ended: its status, or the signal that ended it, and what it printed. */
export type Ended = Readonly<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>

/** A clean environment: what the person's shell sets for Node has no place in what is measured. */
export function cleanEnvironment(): Readonly<NodeJS.ProcessEnv> {
  const { PATH, HOME, LANG, TMPDIR } = process.env
  return { PATH, HOME, LANG, TMPDIR }
}

/**
 * Runs a program to its end, `input` on its standard input. Resolves with what it printed.
 * @throws Unavailable when there is no such program; Error with the end of what it complained about, unless it ended with status 0
 */
export async function run(program: string, args: readonly string[], { input = '', ...options }: SpawnOptions & Readonly<{ input?: string }> = {}): Promise<Ended> {
  const child = spawn(program, args, { env: cleanEnvironment(), ...options, stdio: ['pipe', 'pipe', 'pipe'] })
  const printed = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (printed.stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (printed.stderr += text))
  // A program that does not read its input to the end says why by its status.
  child.stdin?.on('error', () => {}).end(input)
  const closed = once(child, 'close').catch((cause: unknown) => {
    throw (cause as NodeJS.ErrnoException).code === 'ENOENT' ? new Unavailable(`${program} is not installed`, { cause }) : cause
  })
  const [code, signal] = (await closed) as [number | null, NodeJS.Signals | null]
  if (code !== 0) throw new Error(`${program} ${args[0] ?? ''} ended with ${code ?? String(signal)}: ${printed.stderr.trim().slice(-500)}`)
  return { code, signal, ...printed }
}

/** Ends a process by a signal, by SIGKILL when it has not ended after `patienceMs`; resolves when it has. */
export async function endChild(child: ChildProcess, { signal = 'SIGTERM', patienceMs = 20_000 }: Readonly<{ signal?: NodeJS.Signals; patienceMs?: number }> = {}): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  await ended
  clearTimeout(late)
}
