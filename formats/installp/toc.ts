import type { Buffer } from 'node:buffer'

/** How much of the start of a file {@link isTocHead} looks at. Two lines of a `.toc` with the longest names fit. */
export const TOC_HEAD_BYTES = 1024

// "0 <date> 2": a date stamp before all entries.
const STAMP_LINE = /^0 \d{1,20} \d$/
// The first line of an lpp_name with the name of the image file in front.
const ENTRY_LINE = /^\S{1,255} [34] [A-Z] [A-Z0-9]{1,3} [A-Za-z0-9._+-]{1,144} \{$/

/**
 * Returns whether a file that starts with `head` (its first {@link TOC_HEAD_BYTES} bytes, or all of it) is the table of contents that
 * `inutoc` writes for a directory of packages:
 *
 *     0 041299112026 2
 *     U843218.bff 4 R S bos.iocp {
 *
 * Cautious, for a table of contents is skipped and not signed: both lines must be there, whole and exact. A file of the first line alone
 * is the table of an empty directory.
 * @see docs/formats/lpp-name.md#toc
 */
export function isTocHead(head: Buffer): boolean {
  const [stamp, entry, ...rest] = head.toString('latin1').split('\n') as [string, ...string[]]
  if (!STAMP_LINE.test(stamp) || entry === undefined) return false
  if (entry === '' && rest.length === 0) return true
  return rest.length > 0 && ENTRY_LINE.test(entry)
}
