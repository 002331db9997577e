import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { makePlace } from './place.ts'
import type { ConfigMembers, Place } from './place.ts'

/** One line of the server's log. */
export type LogLine = Readonly<Record<string, unknown> & { msg: string; level: string }>

/** How a process ended. */
export type Exit = Readonly<{ code: number | null; signal: NodeJS.Signals | null }>

/** A process of the server, whether it has come up or not. */
export type ServerProcess = Readonly<{
  process: ChildProcess
  exited: Promise<Exit>
  /** What was printed on standard output so far. */
  printed(): string
  /** The lines on standard error that are no log lines, so far. */
  complaints(): string
  /** The log so far. */
  logs(): readonly LogLine[]
  /** Resolves with the first `count` log lines that match, from the beginning of the log; rejects when the process ends or after `limitMs`. */
  logged(matches: (line: LogLine) => boolean, options?: Readonly<{ count?: number; limitMs?: number }>): Promise<readonly LogLine[]>
}>

/** A server that listens. */
export type TestServer = ServerProcess & Place & Readonly<{
  port: number
  browserPort: number
  /** `https://localhost:PORT` of the service port, of the browser port, and `http://127.0.0.1:PORT` of the administration port. */
  url: string
  browserUrl: string
  adminUrl: string
  /** Sends SIGTERM and resolves with how the server ended. */
  stop(): Promise<Exit>
}>

export type ServerOptions = Readonly<{
  /** Members of the configuration that differ from the defaults of {@link makePlace}, or what makes them for a place. */
  config?: ConfigMembers | ((place: Place) => ConfigMembers)
  /** A place that was made before, for a second server in it or to put something there first. */
  place?: Place
  /** Run as this user; for tests that run as root, to whom every file is readable. */
  uid?: number
  environment?: Readonly<Record<string, string>>
  /** Options of node itself. */
  nodeOptions?: readonly string[]
}>

const MAIN = fileURLToPath(new URL('../../server/main.ts', import.meta.url))
const START_MS = 20_000

/** Starts `server/main.ts` as a process of its own and waits until its three ports listen. It ends with the test, whatever happens. */
export async function startServer(t: Test, options: ServerOptions = {}): Promise<TestServer> {
  const place = options.place ?? (await makePlace(t))
  const config = place.configure(typeof options.config === 'function' ? options.config(place) : options.config)
  if (options.uid !== undefined) place.giveTo(options.uid)
  const server = runServer(t, ['start', '--config', config], options)
  const listening = await server.logged(({ msg }) => msg === 'listening', { count: 3, limitMs: START_MS })
  const portOf = (name: string): number => listening.find(({ listener }) => listener === name)?.['port'] as number
  return {
    ...server,
    ...place,
    port: portOf('service'),
    browserPort: portOf('browser'),
    url: `https://localhost:${portOf('service')}`,
    browserUrl: `https://localhost:${portOf('browser')}`,
    adminUrl: `http://127.0.0.1:${portOf('admin')}`,
    stop: async () => {
      server.process.kill('SIGTERM')
      return await server.exited
    },
  }
}

/** Runs `server/main.ts` with arguments. It ends with the test, whatever happens. */
export function runServer(t: Test, args: readonly string[], { uid, environment, nodeOptions = [] }: Pick<ServerOptions, 'uid' | 'environment' | 'nodeOptions'> = {}): ServerProcess {
  const env = { PATH: process.env['PATH'] ?? '', ...environment }
  // A clean environment: the loaders of the test runner, which it hands on to whatever node it sees started, have no place in a server whose
  // memory and speed are measured.
  const clean = ['-i', ...Object.entries(env).map(([name, value]) => `${name}=${value}`), process.execPath, ...nodeOptions, MAIN, ...args]
  const child = spawn('env', clean, { stdio: ['ignore', 'pipe', 'pipe'], ...(uid === undefined ? {} : { uid, gid: uid }) })
  const exited = once(child, 'close').then(([code, signal]): Exit => ({ code, signal }))
  endWithTest(t, child, exited)
  const output = readOutput(child)
  return { process: child, exited, ...output, logged: async (matches, wanted = {}) => await waitForLines(output, exited, { matches, count: 1, limitMs: 10_000, ...wanted }) }
}

function endWithTest(t: Test, child: ChildProcess, exited: Promise<Exit>): void {
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  t.teardown(async () => {
    kill()
    await exited
    process.off('exit', kill)
  })
}

type Output = Pick<ServerProcess, 'printed' | 'complaints' | 'logs'> & Readonly<{ arrivals: EventEmitter }>

function readOutput(child: ChildProcess): Output {
  const logs: LogLine[] = []
  const complaints: string[] = []
  const arrivals = new EventEmitter().setMaxListeners(0)
  let printed = ''
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (printed += text))
  // Not node:readline, which also ends a line at U+2028: that may stand in the name of a file.
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line.startsWith('{"level"')) logs.push(JSON.parse(line) as LogLine)
      else complaints.push(line)
    }
    arrivals.emit('line')
  })
  return { printed: () => printed, complaints: () => complaints.join('\n'), logs: () => logs, arrivals }
}

type Wanted = Readonly<{ matches: (line: LogLine) => boolean; count: number; limitMs: number }>

async function waitForLines({ logs, complaints, arrivals }: Output, exited: Promise<Exit>, { matches, count, limitMs }: Wanted): Promise<readonly LogLine[]> {
  const late = AbortSignal.timeout(limitMs)
  const found = () => logs().filter((line) => matches(line)).slice(0, count)
  const fault = (what: string) => new Error(`${what}, before the log had ${count} lines with ${String(matches)}\n${logs().slice(-20).map((line) => JSON.stringify(line)).join('\n')}\n${complaints()}`)
  let ended: Exit | undefined
  const end = exited.then((exit) => (ended = exit))
  while (found().length < count) {
    if (ended !== undefined) throw fault(`the server ended (${JSON.stringify(ended)})`)
    if (late.aborted) throw fault(`${limitMs} ms passed`)
    await Promise.race([end, once(arrivals, 'line', { signal: late }).catch(() => {})])
  }
  return found()
}
