/** How much a client wants what one element of a field names: `name` in lower case without parameters, `weight` from 0 to 1. */
type Wish = Readonly<{ name: string; weight: number }>

/**
 * Returns the media type to answer with: of those on offer the one that the client wants most (RFC 9110, section 12.5.1), and among equals
 * the one it names more exactly, then earlier. Parameters of a media range other than its weight are passed over, as nothing here has any.
 * Without a field, or where nothing fits, the first: a client that named the wrong type is better served by an answer than by a refusal.
 */
export function chooseMediaType<T extends string>(accept: string | undefined, offered: readonly [T, ...T[]]): T {
  return choose(accept, offered, (name) => [name, `${name.slice(0, name.indexOf('/'))}/*`, '*/*']) ?? offered[0]
}

/** Whether to compress an answer by gzip: not unless the client asks for it (RFC 9110, section 12.5.3). */
export function wantsGzip(acceptEncoding: string | undefined): boolean {
  return choose(acceptEncoding, ['gzip', 'identity'], (name) => [name, '*']) === 'gzip'
}

/** `rangesOf` gives the names that a field may have for something, the most exact first; only that one counts. */
function choose<T extends string>(field: string | undefined, offered: readonly T[], rangesOf: (name: T) => readonly string[]): T | undefined {
  const wishes = wishesOf(field ?? '')
  const candidates = offered.flatMap((name) => {
    const ranges = rangesOf(name)
    const range = ranges.findIndex((candidate) => wishes.some((wish) => wish.name === candidate))
    const place = wishes.findIndex((wish) => wish.name === ranges[range])
    const weight = wishes[place]?.weight ?? 0
    return weight === 0 ? [] : [{ name, weight, range, place }]
  })
  return candidates.toSorted((a, b) => b.weight - a.weight || a.range - b.range || a.place - b.place)[0]?.name
}

const WEIGHT = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/

/** An element with a weight that is none is passed over. */
function wishesOf(field: string): readonly Wish[] {
  // What stands in quotes may have commas, and means nothing to us. Without an end it reaches to the end, so this never looks twice.
  const plain = field.toLowerCase().replaceAll(/"(?:[^"\\]|\\.)*"?/g, '')
  return plain.split(',').flatMap((element) => {
    const [name = '', ...parameters] = element.split(';').map((part) => part.trim())
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    if (weight === undefined) return [{ name, weight: 1 }]
    const [, value] = WEIGHT.exec(weight) ?? []
    return value === undefined ? [] : [{ name, weight: Number(value) }]
  })
}
