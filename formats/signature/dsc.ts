import { Buffer } from 'node:buffer'
import { FormatError } from '../error.ts'
import { parseVrmf } from '../installp/vrmf.ts'
import { SIGNATURE_FILE_RECORDS_MAX, checkSignatureRecord } from './file.ts'
import type { SignatureFileOptions, SignatureRecord } from './file.ts'

const CLASS_LINE = 'dsc_inventory:'
const BLANK = /^[ \t]*$/
// No string of a row holds a quote or a backslash, so neither needs to be understood.
const TEXT = '"([^"\\\\]*)"'
const SHORT = '(0|[1-9]\\d{0,4})'

// The columns of the class in its order, behind the header that the object data manager keeps for itself.
const COLUMNS = [
  column('pkg_name', TEXT), column('lpp_name', TEXT), column('ver', SHORT), column('rel', SHORT), column('mod', SHORT), column('fix', SHORT),
  column('ftype', TEXT), column('signature', TEXT), column('timestamp', TEXT), column('key', TEXT),
]
type Row = [string, string, string, string, string, string, string, string, string, string]

/**
 * Formats rows of the signature catalogue, `dsc_inventory`, as stanzas for `odmadd`: one per record, a blank line between them.
 *
 *     dsc_inventory:
 *         pkg_name = "PkgA"
 *         lpp_name = "PkgA.rte"
 *         ver = 1
 *         …
 *         key = "1001"
 *
 * (With a tab in front of each column.) A text without comments: nobody says that `odmadd` knows any. The row of a level that is there
 * already has to be deleted first; {@link formatDscScript} does both.
 * @throws FormatError `DSC_EMPTY`, `DSC_TOO_LONG`, `DSC_DUPLICATE` for one fileset level twice, and as `formatSignatureRecord` for a
 * field that its column cannot hold
 * @see docs/formats/dsc.md
 */
export function formatDscStanzas(records: readonly SignatureRecord[]): string {
  return checkRecords(records).map(stanza).join('\n')
}

/**
 * Parses stanzas of `dsc_inventory`, as {@link formatDscStanzas} and `odmget` print them. The stanzas that were formatted here print back
 * byte for byte; blank lines between stanzas, and another number of blanks or tabs around a column's name, are accepted and not kept.
 * The columns are all there, in the order of the class, each value on one line. CRLF is refused: `odmadd` would take it for data.
 * @throws FormatError `DSC_MALFORMED`, `DSC_EMPTY`, `DSC_TOO_LONG`, `DSC_DUPLICATE`, and as `parseSignatureFile` for a field
 * @see docs/formats/dsc.md
 */
export function parseDscStanzas(source: string | Uint8Array, options: SignatureFileOptions = {}): SignatureRecord[] {
  const { signatureBytes, maxRecords = SIGNATURE_FILE_RECORDS_MAX } = options
  const lines = textOf(source).split('\n')
  const records: SignatureRecord[] = []
  let at = 0
  while (at < lines.length) {
    if (BLANK.test(lines[at] as string)) {
      at += 1
    } else {
      checkCount(records.length + 1, maxRecords)
      records.push(checkSignatureRecord(readStanza(lines, at), signatureBytes))
      at += 1 + COLUMNS.length
    }
  }
  return checkRecords(records, maxRecords)
}

const HERE_OPEN = "\nodmadd <<'END_OF_STANZAS'\n"
const HERE_CLOSE = '\nEND_OF_STANZAS\n'

const SCRIPT_HEAD = `#!/bin/sh
# Puts signatures into the digital signature catalog of AIX (ODM class dsc_inventory), in place of those that are there for the same
# fileset levels. Run it as root on the machine that installs. It may be run again: the rows are the same afterwards.
#
# Known: the class, its columns, their order, types and widths.
# Assumed, because no public source says so and it was never tried on AIX:
#   - what is signed: the whole package file, RSASSA-PKCS1-v1_5 with SHA-256, one signature for all filesets of the package
#   - the syntax of the timestamp, and that it is not part of what is signed
#   - that key is written as a string, and names a certificate that dsc_key knows by the same id; this script does not put it there
#   - that odmdelete takes a string in single quotes, and exits 0 when there is no such row
set -e
ODMDIR=/usr/lib/objrepos
export ODMDIR
`

/**
 * Formats a shell script that replaces the rows of the given levels in `dsc_inventory`: an `odmdelete` for each record, then one
 * `odmadd` of the stanzas. What in it is an assumption stands in its comment lines. The fields of a record cannot hold a character that
 * means something to the shell where they stand.
 * @throws FormatError as {@link formatDscStanzas}
 * @see docs/formats/dsc.md#script
 */
export function formatDscScript(records: readonly SignatureRecord[]): string {
  const stanzas = formatDscStanzas(records)
  const deletes = records.map(({ fileset, vrmf }) => {
    const { version, release, modification, fix } = parseVrmf(vrmf)
    const level = `ver=${version} AND rel=${release} AND mod=${modification} AND fix=${fix}`
    return `odmdelete -o dsc_inventory -q "lpp_name='${fileset}' AND ${level}"\n`
  })
  return `${SCRIPT_HEAD}\n${deletes.join('')}${HERE_OPEN}${stanzas}${HERE_CLOSE.slice(1)}`
}

/**
 * Parses a script of {@link formatDscScript}, back to its records. Nothing is run or interpreted: apart from lines that start with `#`,
 * which may differ, the script must be the one that its stanzas give, byte for byte.
 * @throws FormatError as {@link parseDscStanzas}; `DSC_MALFORMED` for any other script
 */
export function parseDscScript(source: string | Uint8Array, options: SignatureFileOptions = {}): SignatureRecord[] {
  const text = textOf(source)
  const open = text.indexOf(HERE_OPEN)
  const close = text.indexOf(HERE_CLOSE, open)
  if (open === -1 || close === -1) throw new FormatError('DSC_MALFORMED', 'the script does not give stanzas to odmadd')
  const records = parseDscStanzas(text.slice(open + HERE_OPEN.length, close), options)
  if (withoutComments(formatDscScript(records)) === withoutComments(text)) return records
  throw new FormatError('DSC_MALFORMED', 'the script does something else than to replace the rows of its stanzas')
}

function column(name: string, value: string): Readonly<{ name: string; line: RegExp }> {
  return { name, line: new RegExp(`^[ \\t]+${name}[ \\t]*=[ \\t]*${value}$`) }
}

function stanza(record: SignatureRecord): string {
  const { version, release, modification, fix } = parseVrmf(record.vrmf)
  const row = [
    quoted(record.package), quoted(record.fileset), version, release, modification, fix,
    quoted(record.ftype), quoted(record.signature), quoted(record.timestamp), quoted(record.keyid),
  ]
  return [CLASS_LINE, ...COLUMNS.map(({ name }, index) => `\t${name} = ${row[index]}`), ''].join('\n')
}

function quoted(text: string): string {
  return `"${text}"`
}

function readStanza(lines: readonly string[], start: number): SignatureRecord {
  if (lines[start] !== CLASS_LINE) throw malformed(start + 1, `is not "${CLASS_LINE}"`)
  const row = COLUMNS.map(({ name, line }, index) => {
    const match = line.exec(lines[start + 1 + index] ?? '')
    if (match === null) throw malformed(start + 2 + index, `is not "${name} = <value>"`)
    return match[1]
  }) as Row
  const [name, fileset, version, release, modification, fix, ftype, signature, timestamp, keyid] = row
  return { keyid, package: name, timestamp, fileset, ftype, vrmf: [version, release, modification, fix].join('.'), signature }
}

function checkRecords(records: readonly SignatureRecord[], maxRecords = SIGNATURE_FILE_RECORDS_MAX): SignatureRecord[] {
  if (records.length === 0) throw new FormatError('DSC_EMPTY', 'there is no row for the catalogue')
  checkCount(records.length, maxRecords)
  const checked = records.map((record) => checkSignatureRecord(record))
  // The delete goes by fileset and level: of two rows for one, the first would be there only until the script is run again.
  const levels = new Set(checked.map(({ fileset, vrmf }) => `${fileset}:${vrmf}`))
  if (levels.size === checked.length) return checked
  throw new FormatError('DSC_DUPLICATE', 'two rows are for the same fileset level')
}

function checkCount(count: number, maxRecords: number): void {
  if (count > maxRecords) throw new FormatError('DSC_TOO_LONG', `there are more than ${maxRecords} rows for the catalogue`)
}

function withoutComments(script: string): string {
  return script.split('\n').filter((line) => !line.startsWith('#')).join('\n')
}

function malformed(lineNumber: number, fault: string): FormatError {
  return new FormatError('DSC_MALFORMED', `line ${lineNumber} of the stanzas ${fault}`)
}

function textOf(source: string | Uint8Array): string {
  return typeof source === 'string' ? source : Buffer.from(source).toString('latin1')
}
