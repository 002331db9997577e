import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import { checkFtype, checkName } from './name.ts'
import { normaliseVrmf } from './vrmf.ts'

/**
 * One fileset of an `lpp_name` file. `vrmf` is canonical text (`7.1.0.32`); `body` holds the raw lines between `[` and `]`, without
 * the brackets and line ends: requisites, sizes, supersede information, none of which is interpreted.
 */
export type LppNameFileset = Readonly<{
  fileset: string
  vrmf: string
  volume: string
  quiesce: string
  content: string
  language: string
  description: string
  body: readonly string[]
}>

/** An `lpp_name` file: the package and its filesets, in the order of the file. */
export type LppName = Readonly<{
  format: string
  platform: string
  type: string
  package: string
  filesets: readonly LppNameFileset[]
}>

const PACKAGE_LINE = /^([34])[ \t]+([A-Z])[ \t]+(\S+)[ \t]+(\S+)[ \t]+\{[ \t]*$/
const FILESET_LINE = /^(\S+)[ \t]+(\S+)[ \t]+(\d{1,4})[ \t]+([A-Za-z])[ \t]+([A-Za-z])[ \t]+([\x21-\x7e]+)(?:[ \t]+(.*))?$/s
const BLANK = /^[ \t]*$/

/**
 * Parses the `lpp_name` control file of an installp package:
 *
 *     4 R I PkgA {
 *     PkgA.rte 1.0.0.0 01 N U en_US My runtime fileset
 *     [
 *     *prereq bos.rte 7.2.0.0
 *     %
 *     ]
 *     }
 *
 * A line inside `[ ]` is never a fileset, however much it looks like one. Bytes are read as Latin-1, one character a byte, so that a
 * description in any code page survives unchanged. Runs of blanks between fields, and blank lines between filesets, are accepted and
 * not kept; anything but blank lines after the closing `}` is refused, for a second package in one image would make the answer to
 * "which package is this" depend on the reader.
 * @throws FormatError `LPP_NAME_MALFORMED`, `LPP_NAME_EMPTY`, `LPP_NAME_DUPLICATE`, `NAME_MALFORMED`, `FTYPE_MALFORMED`, `VRMF_MALFORMED`
 * @see docs/formats/lpp-name.md
 */
export function parseLppName(source: string | Uint8Array): LppName {
  const lines = (typeof source === 'string' ? source : latin1(source)).split('\n')
  const head = PACKAGE_LINE.exec(lines[0] as string)
  if (head === null) throw malformed(1, 'is not "<format> <platform> <type> <package> {"')
  const [format, platform, type, name] = head.slice(1) as [string, string, string, string]
  const filesets = parseFilesets(lines)
  checkDistinct(filesets)
  return { format, platform, type: checkFtype(type), package: checkName(name), filesets }
}

/**
 * Formats an `lpp_name` file, one blank between fields, LF at every line end. Its result parses back to the same value.
 * @throws FormatError as {@link parseLppName}, for a value that no `lpp_name` file could hold
 */
export function formatLppName(lppName: LppName): string {
  const { format, platform, type, package: name, filesets } = lppName
  const lines = [`${format} ${platform} ${type} ${name} {`, ...filesets.flatMap(filesetLines), '}', '']
  const text = lines.join('\n')
  // A line end or bracket hidden in a field would make another file of it; what does not read back as itself is not written.
  if (!isSame(parseLppName(text), lppName)) {
    throw new FormatError('LPP_NAME_MALFORMED', 'the value has a field that an lpp_name file cannot hold')
  }
  return text
}

function parseFilesets(lines: readonly string[]): LppNameFileset[] {
  const filesets: LppNameFileset[] = []
  let index = 1
  while (!isMark(lineAt(lines, index, '}'), '}')) {
    const line = lineAt(lines, index, '}')
    if (BLANK.test(line)) {
      index += 1
    } else {
      const body = readBody(lines, index + 1)
      filesets.push(parseFilesetLine(line, index + 1, body))
      index += body.length + 3
    }
  }
  const rest = lines.findIndex((line, at) => at > index && !BLANK.test(line))
  if (rest !== -1) throw malformed(rest + 1, 'stands after the closing "}"')
  if (filesets.length === 0) throw new FormatError('LPP_NAME_EMPTY', 'lpp_name names no fileset')
  return filesets
}

function parseFilesetLine(line: string, lineNumber: number, body: readonly string[]): LppNameFileset {
  const match = FILESET_LINE.exec(line)
  if (match === null) {
    throw malformed(lineNumber, 'is not "<fileset> <vrmf> <volume> <quiesce> <content> <language> <description>"')
  }
  const [fileset, vrmf, volume, quiesce, content, language] = match.slice(1) as [string, string, string, string, string, string]
  const description = match[7] ?? ''
  return { fileset: checkName(fileset), vrmf: normaliseVrmf(vrmf), volume, quiesce, content, language, description, body }
}

function readBody(lines: readonly string[], open: number): string[] {
  if (!isMark(lines[open] ?? '', '[')) throw malformed(open + 1, 'is not the "[" that follows a fileset')
  let index = open + 1
  while (!isMark(lineAt(lines, index, ']'), ']')) {
    if (isMark(lineAt(lines, index, ']'), '[')) throw malformed(index + 1, 'opens a "[" inside another')
    index += 1
  }
  return lines.slice(open + 1, index)
}

/** The line at `index`; a file that ends there misses its `close` mark. */
function lineAt(lines: readonly string[], index: number, close: string): string {
  const line = lines[index]
  if (line === undefined) throw malformed(index, `is the last, without a "${close}"`)
  return line
}

function filesetLines(fileset: LppNameFileset): string[] {
  const fields = [fileset.fileset, fileset.vrmf, fileset.volume, fileset.quiesce, fileset.content, fileset.language]
  if (fileset.description !== '') fields.push(fileset.description)
  return [fields.join(' '), '[', ...fileset.body, ']']
}

function checkDistinct(filesets: readonly LppNameFileset[]): void {
  const levels = new Set(filesets.map((fileset) => `${fileset.fileset}:${fileset.vrmf}`))
  if (levels.size === filesets.length) return
  throw new FormatError('LPP_NAME_DUPLICATE', 'lpp_name names one fileset level more than once')
}

function isSame(one: LppName, other: LppName): boolean {
  return one.format === other.format && one.platform === other.platform && one.type === other.type
    && one.package === other.package && one.filesets.length === other.filesets.length
    && one.filesets.every((fileset, index) => isSameFileset(fileset, other.filesets[index] as LppNameFileset))
}

function isSameFileset(one: LppNameFileset, other: LppNameFileset): boolean {
  const fields = ['fileset', 'vrmf', 'volume', 'quiesce', 'content', 'language', 'description'] as const
  return fields.every((field) => one[field] === other[field])
    && one.body.length === other.body.length && one.body.every((line, index) => line === other.body[index])
}

function isMark(line: string, mark: string): boolean {
  return line.startsWith(mark) && BLANK.test(line.slice(1))
}

function malformed(lineNumber: number, fault: string): FormatError {
  return new FormatError('LPP_NAME_MALFORMED', `line ${lineNumber} of lpp_name ${fault}`)
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
