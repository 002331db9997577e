/**
 * Returns the file name of a Content-Disposition field: `filename*` in UTF-8 where there is one, else `filename`. Undefined where there
 * is none, and for a name that is no base name: what a server calls a file must not say where it is written.
 * @see RFC 6266, section 4.3; RFC 8187, section 3.2
 */
export function parseDisposition(field: string | undefined): string | undefined {
  const [, extended] = /;[ \t]*filename\*=UTF-8'[^']*'([A-Za-z0-9!#$&+.^_`|~%-]+)/i.exec(field ?? '') ?? []
  const [, quoted] = /;[ \t]*filename="([^"\\]*)"/i.exec(field ?? '') ?? []
  const name = extended === undefined ? quoted : decoded(extended)
  const isBaseName = name !== undefined && !/^\.{0,2}$|[/\\\p{Control}]/u.test(name)
  return isBaseName ? name : undefined
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
