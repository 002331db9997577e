import { relative, resolve } from 'node:path'
import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import pino, { type Logger } from 'pino'
import { startBanner } from './banner.ts'
import { ConfigError } from './config/fault.ts'
import { loadConfig } from './config/load.ts'
import { SigningError } from './errors.ts'
import { logOptions } from './http/log.ts'
import { addKeyCommands } from './key-commands/commands.ts'
import { KeyCommandFault } from './key-commands/fault.ts'
import { KeyFaults } from './keys/key-faults.ts'
import { startServer, type RunningServer } from './process.ts'
import { letHeapGrow } from './small-heap.ts'

const { version } = createRequire(import.meta.url)('#package.json') as { version: string }

/** What the operator's command needs of the process. */
export type CommandIo = Readonly<{ print: (text: string) => void; complain: (text: string) => void; cwd: string }>

const PROCESS_IO: CommandIo = {
  print: (text) => void process.stdout.write(text),
  complain: (text) => void process.stderr.write(text),
  cwd: workingFolder(process.env),
}

/** Returns the folder that a path on the command line is meant from: under npm run, whose own is the package's, the one the person stands in. */
export function workingFolder(environment: Readonly<Record<string, string | undefined>>): string {
  return environment['INIT_CWD'] ?? process.cwd()
}

/** Runs the `signing-server` command and resolves with its exit status: 0, 1 for what could not be started or done, 2 for wrong usage. */
export async function runCommand(args: readonly string[], io: CommandIo = PROCESS_IO): Promise<number> {
  const program = new Command('signing-server')
    .description('Signs AIX installp packages for build machines that must not hold the key.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: io.print, writeErr: io.complain })
    .showHelpAfterError('(see signing-server --help)')
  let status = 0
  program
    .command('start')
    .description('start the server; without --config with a development configuration that is made in ./var and ./certs/dev')
    .option('--config <file>', 'configuration file (docs/configuration.md)')
    .addHelpText('after', '\nExamples:\n  signing-server start --config /etc/signing-server.yaml\n  signing-server start            # try it out on this machine\n')
    .action(async (options: { config?: string }) => {
      status = await start(options.config, io)
    })
  program
    .command('check-config')
    .description('check a configuration file and every file it names, and start nothing')
    .requiredOption('--config <file>', 'configuration file')
    .addHelpText('after', '\nExample:\n  signing-server check-config --config /etc/signing-server.yaml\n')
    .action(async (options: { config: string }) => {
      status = await checkConfig(options.config, io)
    })
  addKeyCommands(program, io)
  try {
    await program.parseAsync([...args], { from: 'user' })
    return status
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    return complain(error, io)
  }
}

async function checkConfig(file: string, { print, cwd }: CommandIo): Promise<number> {
  const config = await loadConfig(resolve(cwd, file))
  print(`${relative(cwd, config.file)}: good (${config.clients.length} clients, ${config.keys.length} keys, ${config.roots.length} roots)\n`)
  return 0
}

async function start(file: string | undefined, io: CommandIo): Promise<number> {
  const development = file === undefined ? await (await import('./development/set-up.ts')).setUpDevelopment(process.cwd()) : undefined
  for (const line of development?.notes ?? []) io.print(`${line}\n`)
  const started = Promise.withResolvers<RunningServer>()
  // From now on: whoever sends it does not know how far the start is, and by itself it would end the process.
  const onHangup = (): void => void started.promise.then(async (server) => await server.reload('SIGHUP'))
  process.on('SIGHUP', onHangup)
  try {
    const config = await loadConfig(development?.config ?? resolve(io.cwd, file as string))
    const log = pino(logOptions(config.log.level), pino.destination({ fd: 2, sync: true }))
    const server = await startServer(config, log)
    letHeapGrow()
    started.resolve(server)
    io.print(startBanner({ config, listening: server.listening, development, cwd: io.cwd }))
    await untilStopped(server, log)
    return 0
  } finally {
    process.off('SIGHUP', onHangup)
  }
}

/** Resolves after a clean stop. A second signal ends the process at once, whatever still runs. */
async function untilStopped(server: RunningServer, log: Logger): Promise<void> {
  const { promise, resolve: stopped, reject } = Promise.withResolvers<void>()
  let signals = 0
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1
    log.info({ signal }, 'signal received')
    // 128 + SIGTERM or SIGINT, as a shell reports a process that a signal ended.
    if (signals > 1) process.exit(signal === 'SIGINT' ? 130 : 143)
    server.close().then(stopped, reject)
  }
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
  await promise.finally(() => process.off('SIGTERM', onSignal).off('SIGINT', onSignal))
}

function complain(error: unknown, { complain: write }: CommandIo): number {
  if (error instanceof KeyCommandFault) {
    write(`signing-server: ${error.message}\n`)
    return error.usage ? 2 : 1
  }
  if (error instanceof ConfigError) write(`the configuration has ${error.faults.length === 1 ? 'a fault' : `${error.faults.length} faults`}:\n${error.message}\n`)
  else if (error instanceof KeyFaults) write(`a key cannot be opened:\n${error.faults.join('\n')}\n`)
  else if (error instanceof SigningError) write(`signing-server: ${error.code}: ${error.message}\n`)
  else write(`signing-server: ${startFault(error)}\n`)
  return 1
}

/** Returns what an operator can do about a server that did not start, as a sentence. */
export function startFault(error: unknown): string {
  const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number }
  if (code === 'EADDRINUSE') return `port ${port} on ${address} is taken; stop what listens there or choose another port under \`listen\` or \`admin\``
  if (code === 'EACCES' && port !== undefined) return `port ${port} needs a privilege; choose one above 1023 under \`listen\` or \`admin\``
  return error instanceof Error ? error.message : String(error)
}
