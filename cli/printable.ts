// Control characters (C0, DEL, C1) move cursors and forge lines; the separators U+2028 and U+2029 break lines, the bidirectional marks turn text
// around (CVE-2021-42574), and a lone surrogate is no character at all.
const UNPRINTABLE = /[\p{Control}\p{Surrogate}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/**
 * Returns text that can go to a terminal as one line: control characters and the like are spelled `\u001b`. Text without them, which
 * is nearly all, stays as it is. Inside a JSON string the spelling means the very character it replaces.
 */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
