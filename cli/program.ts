import { createRequire } from 'node:module'
import { Argument, Command, Option } from 'commander'
import { flagName, MAIN_WORD, type CommandOperation, type CommandValue } from './command-table.ts'
import { COMMANDS } from './generated/commands.ts'
import { SETTINGS } from './settings.ts'
import { UsageError } from './usage-error.ts'

/** What a person asked for: the operation, its arguments and flags by member name, and the flags that are settings. */
export type Invocation = Readonly<{
  operation: CommandOperation
  members: Readonly<Record<string, string | number | boolean>>
  settings: Readonly<Record<string, unknown>>
  quiet: boolean
}>

/** Where commander writes, and how wide a line of help may be. */
export type ProgramIo = Readonly<{ out: (text: string) => void; err: (text: string) => void; columns: number }>

const { version } = createRequire(import.meta.url)('#package.json') as { version: string }

const DESCRIPTION = `Signs AIX installp packages with a key that lies on a signing server.

The path of a package file, or of a directory of them, is sent to the server, which
reads it on its own side (for instance an lpp_source over NFS). Without a path that is
the current directory. A path that is spelled like a command is written ./keys.`

const EXAMPLES = `
Examples:
  sign                                          sign every package of the current directory
  sign /export/nim/lpp_source/installp/ppc      sign every package of a directory
  sign --keyid 1001 PkgA.1.0.0.0.bff            sign one package with a certain key
  sign --output signature-file . > lpp.sig      write a signature file
  sign --output ndjson . | jq -r .event         follow a run as a program
  sign files                                    list the directories this client may use
  sign keys 1001                                show a public key

Settings come from flags, then SIGN_* of the environment, then
$XDG_CONFIG_HOME/signing-server/cli.yaml, then the defaults above.

Exit status: 0 all signed, 1 some file not signed, 2 usage, 3 no connection, 4 request refused.
`

/**
 * Returns the command line: the main command, and a command for each word of the generated table. `act` is called with what was asked
 * for. A fault of usage, and a text such as the help, end the parsing with a CommanderError or UsageError.
 */
export function createProgram(io: ProgramIo, act: (invocation: Invocation) => Promise<void>): Command {
  const program = new Command('sign').enablePositionalOptions().exitOverride()
  program.configureOutput({ writeOut: io.out, writeErr: io.err, outputError: (text, write) => write(text.replace(/^error: /, 'sign: ')), getOutHelpWidth: () => io.columns, getErrHelpWidth: () => io.columns })
  program.description(DESCRIPTION).version(version, '-V, --version', 'show the version').helpOption('-h, --help', 'show this help').addHelpText('after', EXAMPLES)
  program.showHelpAfterError('hint: `sign --help` shows how it is used').helpCommand('help [command]', 'show the help of a command')
  const words = new Set<string>(COMMANDS.map(({ word }) => word))
  for (const word of words) {
    const operations = COMMANDS.filter((operation) => operation.word === word)
    const command = word === MAIN_WORD ? program : program.command(word).summary(operations.map(({ summary }) => summary.toLowerCase()).join(', or '))
    define(command, operations)
    command.action(async (...given: unknown[]) => {
      const args = given.slice(0, -2).filter((arg) => typeof arg === 'string')
      await act(invocationOf(operations, args, command === program ? program.opts() : { ...program.opts(), ...command.opts() }))
    })
  }
  return program
}

function define(command: Command, operations: readonly CommandOperation[]): void {
  if (command.parent !== null) command.description(operations.map(({ description }) => description).join('\n')).helpOption('-h, --help', 'show this help')
  const longest = operations.toSorted((a, b) => b.arguments.length - a.arguments.length)[0]!
  // The main command has a path of its own when it is given none; every other word asks for what each of its operations needs.
  longest.arguments.forEach(({ name, description }, place) => {
    const required = command.parent !== null && operations.every((operation) => operation.arguments[place]?.required === true)
    command.addArgument(new Argument(required ? `<${name}>` : `[${name}]`, command.parent === null ? 'package file or directory; without it the current directory' : description))
  })
  for (const flag of operations.flatMap(({ flags }) => flags)) command.addOption(flagOption(flag))
  for (const { name, placeholder, env, fallback, description } of SETTINGS) {
    if (name === 'keyid') continue
    const option = new Option(`--${name} <${placeholder}>`, `${description} (${env}${fallback === undefined ? '' : `; default ${fallback}`})`)
    command.addOption(option)
  }
  command.addOption(new Option('--quiet', 'no progress and no notes on stderr, failures alone'))
}

function flagOption({ name, type, description }: CommandValue): Option {
  const { env, placeholder = type === 'integer' ? 'number' : 'text' } = SETTINGS.find((setting) => setting.name === name) ?? {}
  const spelled = type === 'boolean' ? flagName(name) : `${flagName(name)} <${placeholder}>`
  const [first = ''] = description.split(/(?<=\.)\s|[;:]/)
  return new Option(spelled, `${first.charAt(0).toLowerCase()}${first.slice(1).replace(/\.$/, '')}${env === undefined ? '' : ` (${env})`}`)
}

function invocationOf(operations: readonly CommandOperation[], args: readonly string[], flags: Readonly<Record<string, unknown>>): Invocation {
  // Commander saw to it that one of them takes so many.
  const operation = operations.find(({ arguments: values }) => args.length <= values.length && values.slice(args.length).every(({ required }) => !required)) ?? operations[0]!
  // An unset variable in a script must not sign whatever lies in the current directory.
  if (args.includes('')) throw new UsageError(['an argument is empty'])
  const members = Object.fromEntries(args.map((value, place) => [operation.arguments[place]!.name, value] as const))
  const settings: Record<string, unknown> = {}
  const values: Record<string, string | number | boolean> = members
  for (const [name, given] of Object.entries(flags)) {
    const flag = operation.flags.find((candidate) => candidate.name === name)
    if (flag !== undefined) values[name] = flagValue(flag, given)
    else if (name !== 'quiet' && !SETTINGS.some((setting) => setting.name === name && name !== 'keyid')) {
      throw new UsageError([`${flagName(name)} does not go with \`sign ${operation.word}\``])
    }
    if (SETTINGS.some((setting) => setting.name === name)) settings[name] = given
  }
  return { operation, members: values, settings, quiet: flags['quiet'] === true }
}

function flagValue({ name, type }: CommandValue, given: unknown): string | number | boolean {
  if (type !== 'integer') return given as string | boolean
  if (typeof given === 'string' && /^\d{1,9}$/.test(given)) return Number(given)
  throw new UsageError([`${flagName(name)}: expected a number, got '${String(given)}'`])
}
