import { flagName, MAIN_WORD, type CommandOperation, type CommandValue } from './command-table.ts'
import { OUTPUT_IS_FILE, OWN_FLAGS } from './own-commands.ts'
import { SETTINGS } from './settings.ts'
import { UsageError } from './usage-error.ts'

/** A flag or an argument as a value of a request. */
export type Value = string | number | boolean

/**
 * What a person asked for: the operation; its arguments and flags by member name; every argument as it was typed; the flags that no
 * operation has; the flags that are settings.
 */
export type Invocation = Readonly<{
  operation: CommandOperation
  members: Readonly<Record<string, Value>>
  files: readonly string[]
  own: Readonly<Record<string, Value>>
  settings: Readonly<Record<string, unknown>>
  quiet: boolean
}>

type Flags = Readonly<Record<string, unknown>>

/**
 * Returns what arguments and flags mean, given the operations of one word.
 * @throws UsageError for a flag that does not go with the word, a value that is none of its kind, or an empty argument
 */
export function invocationOf(operations: readonly CommandOperation[], args: readonly string[], flags: Flags): Invocation {
  // An unset variable in a script must not sign whatever lies in the current directory.
  if (args.includes('')) throw new UsageError(['an argument is empty'])
  const operation = choose(operations, args, flags)
  const missing = operation.flags.find(({ name, required }) => required && flags[name] === undefined)
  if (missing !== undefined) throw new UsageError([`${flagName(missing.name)} is missing${missing.choices === undefined ? '' : `: ${missing.choices.join(', ')}`}`])
  const members: Record<string, Value> = Object.fromEntries(operation.arguments.slice(0, args.length).map(({ name }, place) => [name, args[place]!]))
  const own: Record<string, Value> = {}
  const settings: Record<string, unknown> = {}
  for (const [name, given] of Object.entries(flags)) {
    const ofOperation = operation.flags.find((flag) => flag.name === name)
    const ofWord = OWN_FLAGS[operation.word]?.find((flag) => flag.name === name)
    if (ofOperation !== undefined) members[name] = flagValue(ofOperation, given)
    else if (ofWord !== undefined) own[name] = flagValue(ofWord, given)
    else if (name !== 'quiet' && !isSetting(operation, name)) throw new UsageError([`${flagName(name)} does not go with \`sign${operation.word === MAIN_WORD ? '' : ` ${operation.word}`}\``])
    if (isSetting(operation, name) || name === 'keyid') settings[name] = given
  }
  return { operation, members, files: args, own, settings, quiet: flags['quiet'] === true }
}

/** Of the operations that take so many arguments, the one that knows the flags. */
function choose(operations: readonly CommandOperation[], args: readonly string[], flags: Flags): CommandOperation {
  const fitting = operations.filter(({ arguments: values }) => args.length <= values.length && values.slice(args.length).every(({ required }) => !required))
  // Of those that also have all the flags they need, the one with the most: `--form` makes another operation of `sign keys 1001`.
  const complete = fitting.filter((operation) => operation.flags.every(({ name, required }) => !required || flags[name] !== undefined))
  return complete.toSorted((a, b) => b.flags.length - a.flags.length)[0] ?? fitting[0] ?? operations[0]!
}

/** `--keyid` belongs to the operations that take it; where `--output` names a file, it is no setting. */
function isSetting({ word }: CommandOperation, name: string): boolean {
  return name !== 'keyid' && !(name === 'output' && OUTPUT_IS_FILE.has(word)) && SETTINGS.some((setting) => setting.name === name)
}

function flagValue({ name, type, choices }: CommandValue, given: unknown): Value {
  if (typeof given === 'string' && choices?.includes(given) === false) throw new UsageError([`${flagName(name)}: expected one of ${choices.join(', ')}, got '${given}'`])
  if (given === '') throw new UsageError([`${flagName(name)}: is empty`])
  if (type !== 'integer') return given as string | boolean
  if (typeof given === 'string' && /^\d{1,9}$/.test(given)) return Number(given)
  throw new UsageError([`${flagName(name)}: expected a number, got '${String(given)}'`])
}

/** Whether a command asks a server; the others read files of this machine alone. */
export function needsServer({ operation, own }: Invocation): boolean {
  return operation.operation !== '' && own['offline'] !== true
}
