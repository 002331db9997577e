/** The parameters of an item that are numbers or text. */
type Parameters = Readonly<Record<string, number | string>>

const FIELD_CHARACTERS_MAX = 4_096
const TEXT = '"(?:[\\x20-\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\["\\\\])*"'
const PARAMETER = `; *([a-z*][a-z0-9_.*-]*)(?:=(?:(-?\\d{1,15})|(${TEXT})|:[A-Za-z0-9+/=]*:))?`

/**
 * Returns the items of a RateLimit or RateLimit-Policy field by name: `"requests";r=9;t=60, "bytes";r=5;t=60`. Empty for a field that is not
 * there, or not a list of strings with parameters: as a whole it is not heeded then.
 * @see RFC 9651, section 3.1
 */
export function parseLimits(field: string | undefined): ReadonlyMap<string, Parameters> {
  const items = new Map<string, Parameters>()
  if (field === undefined || field.length > FIELD_CHARACTERS_MAX) return items
  const item = new RegExp(`(${TEXT})((?:${PARAMETER.replaceAll(/\((?!\?)/g, '(?:')})*)[ \\t]*(,[ \\t]*(?!$)|$)`, 'y')
  for (let at = 0; at < field.length; at = item.lastIndex) {
    const [, name = '', parameters = ''] = item.exec(field) ?? []
    if (name === '') return new Map()
    items.set(unquoted(name), parametersOf(parameters))
  }
  return items
}

function parametersOf(text: string): Parameters {
  const parameters: Record<string, number | string> = {}
  for (const [, key = '', number, quoted] of text.matchAll(new RegExp(PARAMETER, 'g'))) {
    if (number !== undefined) parameters[key] = Number(number)
    else if (quoted !== undefined) parameters[key] = unquoted(quoted)
  }
  return parameters
}

function unquoted(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(["\\])/g, '$1')
}
