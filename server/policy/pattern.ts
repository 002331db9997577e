/**
 * Whether a name fits a pattern as a whole: `*` stands for any run of characters, an empty one and dots too; everything else for itself, and
 * case counts. Takes time in proportion to the lengths, whatever the pattern: each piece is looked for once, as far left as it goes.
 */
export function fitsPattern(pattern: string, name: string): boolean {
  const [head = '', ...pieces] = pattern.split('*')
  const tail = pieces.pop()
  if (tail === undefined) return name === pattern
  if (!name.startsWith(head)) return false
  let at = head.length
  for (const piece of pieces) {
    const found = name.indexOf(piece, at)
    if (found === -1) return false
    at = found + piece.length
  }
  return name.length - tail.length >= at && name.endsWith(tail)
}
