/**
 * Returns the entries of Node's text form of a subject alternative name extension, `TYPE:value, TYPE:value`, as `TYPE:value`.
 * Node writes a value with special characters (commas, quotes, NUL and other control bytes) as a JSON string, so that no value
 * can pretend to be two entries (CVE-2021-44532); such a value is decoded. An extension that does not read to the end names nobody.
 * @see https://nodejs.org/api/crypto.html#x509subjectaltname
 */
export function parseSubjectAltName(text: string | undefined): readonly string[] {
  if (text === undefined) return []
  const names: string[] = []
  let rest = text
  while (rest !== '') {
    const entry = /^([A-Za-z0-9 ]+):(?:("(?:[^"\\]|\\.)*")|([^",]*))(?:, |$)/.exec(rest)
    if (entry === null) return []
    const [whole, type, quoted, plain] = entry
    const value = quoted === undefined ? plain : decode(quoted)
    if (value === undefined) return []
    names.push(`${type}:${value}`)
    rest = rest.slice(whole.length)
  }
  return names
}

function decode(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string
  } catch {
    return undefined
  }
}
