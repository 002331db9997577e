/** What an entry can be made of: no fraction, no null, nothing that JSON would spell in more than one way. */
export type CanonicalValue = string | number | readonly CanonicalValue[] | Readonly<{ [member: string]: CanonicalValue }>

/**
 * Formats a value as canonical JSON (RFC 8785): one line, no white space, members in the order of their names, strings escaped no more than
 * they must be. Numbers are whole.
 * @throws TypeError for a value that has no such form
 */
export function formatCanonicalJson(value: CanonicalValue): string {
  if (typeof value === 'string' || Number.isSafeInteger(value)) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(formatCanonicalJson).join(',')}]`
  if (typeof value !== 'object') throw new TypeError('the value has no canonical JSON form')
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${formatCanonicalJson(member)}`).join(',')}}`
}
