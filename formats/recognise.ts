import { Buffer } from 'node:buffer'
import { BFF_MAGIC, BFF_MAGIC_UNSUPPORTED } from './installp/bff-steps.ts'
import { TOC_HEAD_BYTES, isTocHead } from './installp/toc.ts'

/**
 * A format that is told by its first bytes, without being read any further. `compress` is the output of compress(1): an interim fix
 * (`.epkg.Z`) is such a file, but the content alone does not say what was compressed. `other` is none of these.
 */
export type OtherFormat = 'rpm' | 'compress' | 'tar' | 'gzip' | 'zip' | 'xz' | 'other'

/** What a file is, going by its first bytes: something that starts like a package, a table of contents, or an {@link OtherFormat}. */
export type FileFormat = 'installp' | 'toc' | OtherFormat

/** How much of the start of a file {@link recogniseFormat} wants to see. */
export const FORMAT_HEAD_BYTES = TOC_HEAD_BYTES

type Mark = Readonly<{ format: Exclude<FileFormat, 'toc' | 'other'>; at: number; hex: string }>

// The marks at the start of a file exclude each other. The one further in comes last: there, another format may have any content.
const MARKS: readonly Mark[] = [
  // docs/formats/bff.md; file(1), Magdir/ibm6000.
  { format: 'installp', at: 0, hex: BFF_MAGIC },
  { format: 'installp', at: 0, hex: BFF_MAGIC_UNSUPPORTED },
  // The lead of a package: RPM's file format, and file(1), Magdir/rpm.
  { format: 'rpm', at: 0, hex: 'edabeedb' },
  // compress(1): file(1), Magdir/compress.
  { format: 'compress', at: 0, hex: '1f9d' },
  // RFC 1952, section 2.3.1: the identification, and 8 for deflate, the only method there is.
  { format: 'gzip', at: 0, hex: '1f8b08' },
  // APPNOTE.TXT of PKWARE, sections 4.3.7, 4.3.16 (an archive of nothing) and 8.5.3 (in parts).
  { format: 'zip', at: 0, hex: '504b0304' },
  { format: 'zip', at: 0, hex: '504b0506' },
  { format: 'zip', at: 0, hex: '504b0708' },
  // The .xz file format, section 2.1.1.1.
  { format: 'xz', at: 0, hex: 'fd377a585a00' },
  // POSIX.1, pax, "ustar Interchange Format": the magic field, which GNU tar ends with a blank and POSIX with a NUL.
  { format: 'tar', at: 257, hex: Buffer.from('ustar', 'latin1').toString('hex') },
]

/**
 * Returns the format of a file that starts with `head`: its first {@link FORMAT_HEAD_BYTES} bytes, or all of it when it is shorter. By
 * content only, whatever the file is called; `installp` says that it starts like a package, not that it is a sound one.
 * @see docs/formats/detached-signature.md#recognised-formats
 */
export function recogniseFormat(head: Uint8Array): FileFormat {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  // A text, so it starts like none of the marks, but could well have the one further in.
  if (isTocHead(bytes.subarray(0, FORMAT_HEAD_BYTES))) return 'toc'
  return MARKS.find(({ at, hex }) => bytes.toString('hex', at, at + hex.length / 2) === hex)?.format ?? 'other'
}
