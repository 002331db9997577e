import { createRequire } from 'node:module'
import { Argument, Command, Option } from 'commander'
import { flagName, MAIN_WORD, type CommandOperation, type CommandValue } from './command-table.ts'
import { lowerFirst } from './explain.ts'
import { examplesText } from './examples.ts'
import { COMMANDS } from './generated/commands.ts'
import { invocationOf, type Invocation } from './invocation.ts'
import { ARGUMENT_HELP, COMMAND_HELP, FLAG_HELP, OUTPUT_IS_FILE, OWN_COMMANDS, OWN_FLAGS, VARIADIC } from './own-commands.ts'
import { SETTINGS } from './settings.ts'
import { UsageError } from './usage-error.ts'

/** Where commander writes, and how wide a line of help may be. */
export type ProgramIo = Readonly<{ out: (text: string) => void; err: (text: string) => void; columns: number }>

const { version } = createRequire(import.meta.url)('#package.json') as { version: string }

const DESCRIPTION = `Signs AIX installp packages with a key that lies on a signing server.

The path of a package file, or of a directory of them, is sent to the server, which
reads it on its own side (for instance an lpp_source over NFS). Without a path that is
the current directory. With --upload or --digest the files lie on this machine. A path
that is spelled like a command is written ./keys.`

const EXAMPLES = `
Examples:
  sign                                          sign every package of the current directory
  sign /export/nim/lpp_source/installp/ppc      sign every package of a directory
  sign --keyid 1001 PkgA.1.0.0.0.bff            sign one package with a certain key
  sign --output signature-file . > lpp.sig      write a signature file
  sign --output ndjson . | jq -r .event         follow a run as a program
  sign --upload dist/*.bff                      send files of this machine
  sign --upload --attach --in-place A.bff       and append the signature to the package
  sign verify --offline --key pub.pem A.bff     check it with nothing but the public key
  sign inspect A.bff                            show what a file is
  sign files                                    list the directories this client may use
  sign keys 1001                                show a public key
  sign signatures --package PkgA                show what was signed before
  sign report --keyid 1001 --out report.ndjson  write down all that a key signed, with proofs
  sign resign --from report.ndjson --keyid 1002 sign all of that again with another key
  sign log audit                                check that nobody rewrote the history

Settings come from flags, then SIGN_* of the environment, then
$XDG_CONFIG_HOME/signing-server/cli.yaml, then the defaults above.

Exit status: 0 all signed or valid, 1 some file not, 2 usage, 3 no connection, 4 request refused.
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
  const table: readonly CommandOperation[] = [...COMMANDS, ...OWN_COMMANDS]
  for (const word of new Set(table.map((entry) => entry.word))) {
    const operations = table.filter((operation) => operation.word === word)
    const command = word === MAIN_WORD ? program : commandOf(program, word).summary(operations.map(({ summary }) => summary.toLowerCase()).join(', or '))
    define(command, operations)
    if (command !== program) command.addHelpText('after', examplesText(word))
    command.action(async (...given: unknown[]) => {
      const args = given.slice(0, -2).flat().filter((arg) => typeof arg === 'string')
      if (OUTPUT_IS_FILE.has(word) && program.opts()['output'] !== undefined) throw new UsageError([`--output of \`sign ${word}\` names a file and stands behind the word`])
      await act(invocationOf(operations, args, command === program ? program.opts() : { ...program.opts(), ...command.opts() }))
    })
  }
  return program
}

/** Returns the command of a word; one in two parts stands below the command of its first part. */
function commandOf(program: Command, word: string): Command {
  const [first = '', second] = word.split(' ')
  if (second === undefined) return program.command(first)
  const group = program.commands.find((command) => command.name() === first) ?? program.command(first).summary(GROUPS[first]!).description(`${GROUPS[first]}.`).helpOption('-h, --help', 'show this help').helpCommand(false)
  return group.command(second)
}

/** What the commands below a first part have in common. */
const GROUPS: Readonly<Record<string, string>> = { log: 'the tamper-evident log: its state, its key, audits and proofs' }

function define(command: Command, operations: readonly CommandOperation[]): void {
  if (command.parent !== null) command.description(COMMAND_HELP[operations[0]!.word] ?? operations.map(({ description }) => description).join('\n')).helpOption('-h, --help', 'show this help')
  const longest = operations.toSorted((a, b) => b.arguments.length - a.arguments.length)[0]!
  // The main command has a path of its own when it is given none; every other word asks for what each of its operations needs.
  longest.arguments.forEach(({ name, description }, place) => {
    const required = command.parent !== null && operations.every((operation) => operation.arguments[place]?.required === true)
    const spelled = VARIADIC.has(longest.word) ? `${name}...` : name
    command.addArgument(new Argument(required ? `<${spelled}>` : `[${spelled}]`, ARGUMENT_HELP[longest.word] ?? description))
  })
  for (const flag of operations.flatMap(({ flags }) => flags)) command.addOption(flagOption(longest.word, flag, FLAG_HELP[longest.word]?.[flag.name] ?? flag.choices?.join(', ') ?? firstSentence(flag.description)))
  for (const flag of OWN_FLAGS[longest.word] ?? []) command.addOption(flagOption(longest.word, flag, flag.description))
  for (const { name, placeholder, env, fallback, description } of SETTINGS) {
    const isOther = name === 'keyid' || (name === 'output' && OUTPUT_IS_FILE.has(longest.word))
    // What needs no server has no use for the rest.
    if (isOther || (longest.operation === '' && name !== 'output')) continue
    const option = new Option(`--${name} <${placeholder}>`, `${description} (${env}${fallback === undefined ? '' : `; default ${fallback}`})`)
    command.addOption(option)
  }
  command.addOption(new Option('--quiet', 'no progress and no notes on stderr, failures alone'))
}

function flagOption(word: string, { name, type, placeholder }: CommandValue, description: string): Option {
  const setting = placeholder === undefined ? SETTINGS.find((candidate) => candidate.name === name) : undefined
  const value = placeholder ?? setting?.placeholder ?? (type === 'integer' ? 'number' : 'text')
  return new Option(type === 'boolean' ? flagName(name) : `${flagName(name)} <${value}>`, `${description}${setting === undefined || word !== MAIN_WORD ? '' : ` (${setting.env})`}`)
}

/** The first sentence of what the document says, as a line of help. */
function firstSentence(description: string): string {
  const [first = ''] = description.split(/(?<=\.)\s|[;:]/)
  return lowerFirst(first.replace(/\.$/, ''))
}
