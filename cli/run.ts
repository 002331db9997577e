import { homedir } from 'node:os'
import { dirname, isAbsolute } from 'node:path'
import { CommanderError } from 'commander'
import { dsblkchkStatus, EXIT, type ExitStatus } from './exit-status.ts'
import { explainUsage } from './explain.ts'
import { createProgram } from './program.ts'
import { createTerminal, type Io, type Stop } from './terminal.ts'
import { UsageError } from './usage-error.ts'

const COLUMNS = 100

/** Runs the command line with these arguments and returns the exit status; everything it says goes to `io`. */
export async function run(args: readonly string[], io: Io): Promise<ExitStatus> {
  let status: ExitStatus = EXIT.done
  const program = createProgram(
    { out: (text) => void io.stdout.write(text), err: (text) => void io.stderr.write(text), columns: Math.min(COLUMNS, io.stdout.columns || COLUMNS) },
    async (invocation) => {
      // Only now, as everything that `--help` need not wait for.
      const { perform } = await import('./perform.ts')
      status = await perform(invocation, { ...io, cwd: callersDirectory(io) })
    },
  )
  try {
    await program.parseAsync([...args], { from: 'user' })
    return status
  } catch (error) {
    // Where the parsing itself failed, nothing else says what the status means.
    const usage = args.includes('--dsblkchk') ? dsblkchkStatus(EXIT.usage) : EXIT.usage
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : usage
    if (!(error instanceof UsageError)) throw error
    explainUsage(createTerminal(io, false), error)
    return usage
  }
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
