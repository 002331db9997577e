/** One value that a person gives a command: an argument by its place, or a flag. `name` is the member of the request. */
export type CommandValue = Readonly<{
  name: string
  type: 'string' | 'integer' | 'boolean'
  required: boolean
  description: string
  /** The values there are, where not every text is one. */
  choices?: readonly string[]
  /** What stands for the value in the help. */
  placeholder?: string
}>

/**
 * One operation of the OpenAPI document as a command: `word` is what is typed after `sign`, such as `keys` or `log audit`, `operation` the
 * method of the SDK.
 * Operations of one word are told apart by the number of arguments and by their flags: `sign keys` lists, `sign keys 1001` gets one,
 * `sign keys 1001 --form public.pem` gets it as a file. `operation` is empty for what needs no server.
 */
export type CommandOperation = Readonly<{
  operation: string
  word: string
  summary: string
  description: string
  arguments: readonly CommandValue[]
  flags: readonly CommandValue[]
}>

/** The word of the main command, which may be left out. */
export const MAIN_WORD = 'sign'

/** Returns how a flag is spelled on the command line: `pageSize` → `--page-size`. */
export function flagName(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}
