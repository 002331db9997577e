/** Where in the configuration something is: member names and array positions from the top. */
export type Place = readonly (string | number)[]

/** One thing that is wrong with a configuration. `line` counts from 1; 0 where there is none. */
export type ConfigFault = Readonly<{ place: Place; line: number; message: string }>

/** A configuration that is refused, with every fault that was found, and the files that it names for reading as far as it could be read. The message has one line per fault: `FILE:LINE: member: what is wrong`. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly ConfigFault[]
  readonly files: readonly string[]

  constructor(file: string, faults: readonly ConfigFault[], files: readonly string[] = []) {
    const lines = [...faults].sort((a, b) => a.line - b.line).map(({ place, line, message }) => `${file}:${line}: ${place.length === 0 ? '' : `${formatPlace(place)}: `}${message}`)
    super(lines.join('\n'))
    this.faults = faults
    this.files = files
  }
}

/** Returns a place as an operator writes it: `clients[0].match.san`; a name that is none in quotes, so that it stays on its line. */
export function formatPlace(place: Place): string {
  return place.map((part, index) => (typeof part === 'number' ? `[${part}]` : named(part, index === 0))).join('')
}

const NAME_LENGTH = 80

function named(part: string, first: boolean): string {
  if (!/^[A-Za-z_][\w-]{0,79}$/.test(part)) return `[${JSON.stringify(part.length > NAME_LENGTH ? `${part.slice(0, NAME_LENGTH)}…` : part)}]`
  return first ? part : `.${part}`
}
