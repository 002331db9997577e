import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

/** A program of the system that runs beside a test. */
export type Daemon = Readonly<{
  process: ChildProcess
  /** What it printed so far, on both outputs. */
  printed(): string
  /** Resolves when it prints something that matches; rejects with what it printed when it ends first, or after `limitMs`. */
  said(pattern: RegExp, limitMs?: number): Promise<void>
  /** Sends a signal and resolves when the process is gone. */
  end(signal: NodeJS.Signals): Promise<void>
}>

/** How to run it: `folder` is removed should the test die; `uid` and `gid` where it must not be root; `quit` ends it at once. */
export type DaemonOptions = Readonly<{ folder: string; uid?: number; gid?: number; quit?: NodeJS.Signals; environment?: Readonly<Record<string, string>> }>

const GUARDIAN = fileURLToPath(new URL('guardian-process.ts', import.meta.url))

/** Starts a program that ends with the test, whatever happens, even when the test process is killed. */
export function startDaemon(t: Test, [program, ...args]: readonly [string, ...string[]], { folder, quit = 'SIGQUIT', environment, ...user }: DaemonOptions): Daemon {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder, env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', ...environment }, ...user })
  const closed = once(child, 'close')
  const guardian = spawn(process.execPath, [GUARDIAN, String(child.pid), folder], { stdio: ['pipe', 'ignore', 'inherit'] })
  guardian.unref()
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    await closed
    guardian.kill('SIGKILL')
  }
  t.teardown(async () => await end(quit))
  let text = ''
  for (const output of [child.stdout, child.stderr]) output.setEncoding('utf8').on('data', (part: string) => (text += part))
  return { process: child, printed: () => text, said: async (pattern, limitMs = 20_000) => await waitForText({ child, closed, limitMs }, () => text, pattern), end }
}

type Wait = Readonly<{ child: ChildProcess; closed: Promise<unknown>; limitMs: number }>

async function waitForText({ child, closed, limitMs }: Wait, text: () => string, pattern: RegExp): Promise<void> {
  const late = AbortSignal.timeout(limitMs)
  let ended = false
  const end = closed.then(() => (ended = true))
  const printed = async (): Promise<void> => {
    const arrivals = [child.stdout, child.stderr].map(async (output) => await once(output as NonNullable<typeof output>, 'data', { signal: late }))
    await Promise.race(arrivals).catch(() => {})
  }
  while (!pattern.test(text())) {
    if (ended || late.aborted) throw new Error(`${child.spawnfile} ${ended ? 'ended' : `took ${limitMs} ms`} before it said ${String(pattern)}:\n${text()}`)
    await Promise.race([end, printed()])
  }
}

/** A port of the loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Whether there is such a program. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
