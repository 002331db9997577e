import { homedir } from 'node:os'
import { dirname, isAbsolute, resolve } from 'node:path'
import { CommanderError } from 'commander'
import type { SignRequest } from '../sdk/index.ts'
import { callCommand, checkForm } from './call.ts'
import { MAIN_WORD } from './command-table.ts'
import { loadCredentials } from './credentials.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import { explainConnection, explainFailure, explainStop, explainUsage } from './explain.ts'
import { createProgram, type Invocation } from './program.ts'
import type { Session } from './session.ts'
import { formatAddress, resolveSettings, type Settings } from './settings.ts'
import { signCommand } from './sign.ts'
import { createTerminal, type Io, type Stop, type Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'

const COLUMNS = 100

/** Runs the command line with these arguments and returns the exit status; everything it says goes to `io`. */
export async function run(args: readonly string[], io: Io): Promise<ExitStatus> {
  let status: ExitStatus = EXIT.done
  const program = createProgram(
    { out: (text) => void io.stdout.write(text), err: (text) => void io.stderr.write(text), columns: Math.min(COLUMNS, io.stdout.columns ?? COLUMNS) },
    async (invocation) => {
      status = await perform(invocation, { ...io, cwd: callersDirectory(io) })
    },
  )
  try {
    await program.parseAsync([...args], { from: 'user' })
    return status
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
    if (error instanceof UsageError) return explainUsage(createTerminal(io, false), error)
    throw error
  }
}

async function perform(invocation: Invocation, io: Io): Promise<ExitStatus> {
  const terminal = createTerminal(io, invocation.quiet)
  const settings = await resolveSettings(invocation.settings, io)
  checkForm(invocation.operation, settings.output)
  const credentials = await loadCredentials(settings, io.platform)
  // Only now: it brings undici, which `--help` need not wait for.
  const sdk = await import('../sdk/index.ts')
  const address = formatAddress(settings)
  let connected = false
  const onConnect = () => {
    if (!connected) terminal.note(`connected to ${address}`)
    connected = true
  }
  let client: Session['client'] | undefined
  try {
    client = sdk.createClient({ baseUrl: `https://${address}`, ...credentials, timeoutMs: settings.timeoutMs, onConnect })
    return await command({ client, sdk, settings, terminal, io }, invocation)
  } catch (error) {
    return explain(error, { sdk, settings, terminal, io })
  } finally {
    await client?.close()
    if (connected) terminal.note('connection ended')
  }
}

async function command(session: Session, { operation, members }: Invocation): Promise<ExitStatus> {
  const { settings, io: { cwd } } = session
  const path = typeof members['path'] === 'string' ? { path: resolve(cwd, members['path']) } : {}
  if (operation.word !== MAIN_WORD) return await callCommand(session, operation, { ...members, ...path })
  const keyid = settings.keyid === undefined ? {} : { keyid: settings.keyid }
  return await signCommand(session, { path: cwd, ...members, ...path, ...keyid } satisfies SignRequest)
}

/**
 * Returns where the person stands. Under `npm run` the working directory is the project's, and INIT_CWD is the person's; in a script
 * of npm that changed its directory since, INIT_CWD says nothing.
 */
function callersDirectory({ env, cwd }: Pick<Io, 'env' | 'cwd'>): string {
  const { INIT_CWD: initial, npm_package_json: manifest } = env
  if (initial === undefined || !isAbsolute(initial)) return cwd
  return manifest === undefined || dirname(manifest) === cwd ? initial : cwd
}

function explain(error: unknown, { sdk, settings, terminal, io }: Omit<Session, 'client'>): ExitStatus {
  if (io.signal.aborted) return explainStop(terminal, io.signal.reason as Stop)
  if (error instanceof sdk.ConnectionError) return explainConnection(terminal, error, settings)
  if (!(error instanceof sdk.ProblemError)) throw error
  explainFailure(terminal, 'sign', error)
  return EXIT.refused
}

/**
 * Runs the command line of this process: Ctrl-C ends the run after what was signed so far is printed, a second one ends the process
 * at once; a closed stdout ends it quietly.
 */
export async function runProcess(): Promise<void> {
  const stop = new AbortController()
  const abort = (kind: Stop['kind']) => stop.abort({ kind } satisfies Stop)
  process.once('SIGINT', () => abort('interrupted'))
  process.stdout.on('error', () => abort('output-closed'))
  // Without stderr there is nobody to tell; the work goes on.
  process.stderr.on('error', () => undefined)
  const { stdout, stderr, env, platform } = process
  process.exitCode = await run(process.argv.slice(2), { stdout, stderr, env, platform, cwd: process.cwd(), home: homedir(), signal: stop.signal, now: () => performance.now() })
}
