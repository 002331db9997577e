import { printable } from './printable.ts'

/**
 * Returns an answer as text for a person. A list of flat entries is a table with one line each and the names of the members above;
 * entries with PEM, which has several lines, are blocks `name: value` instead, a blank line between them. Lists are joined with `, `,
 * what is null or an empty list is `-`, and a map of entries has a line for each, indented.
 */
export function answerText(answer: Readonly<Record<string, unknown>>): string {
  const list = listIn(answer)
  if (list === undefined || list.length === 0) return list === undefined ? block(answer) : ''
  const columns = [...new Set(list.flatMap((entry) => Object.keys(entry)))]
  const cells = list.map((entry) => columns.map((column) => cell(entry[column])))
  return cells.flat().some(isPem) ? list.map(block).join('\n') : table([columns, ...cells])
}

type Entry = Readonly<Record<string, unknown>>

/** Returns the list of entries that an answer is about; undefined for an answer about one thing. */
export function listIn(answer: Readonly<Record<string, unknown>>): readonly Entry[] | undefined {
  return Object.values(answer).find((value): value is readonly Entry[] => Array.isArray(value) && value.every(isEntry))
}

function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null
}

function cell(value: unknown): string {
  const text = Array.isArray(value) ? value.join(', ') : (value ?? '')
  if (text === '') return '-'
  return typeof text === 'string' ? text : JSON.stringify(text)
}

function block(entry: Entry): string {
  return Object.entries(entry).map(([name, value]) => `${name}:${isMap(value) ? mapValue(value) : blockValue(cell(value))}\n`).join('')
}

function isMap(value: unknown): value is Readonly<Record<string, Entry>> {
  return isEntry(value) && !Array.isArray(value) && Object.values(value).length > 0 && Object.values(value).every((inner) => isEntry(inner) && !Array.isArray(inner))
}

function mapValue(map: Readonly<Record<string, Entry>>): string {
  return Object.entries(map).map(([name, entry]) => `\n  ${printable(name)}: ${printable(cell(Object.values(entry)))}`).join('')
}

function blockValue(text: string): string {
  return isPem(text) ? text.trimEnd().split('\n').map((line) => `\n  ${printable(line)}`).join('') : ` ${printable(text)}`
}

/** The one text whose line ends are meant; those in a file name are not. */
function isPem(text: string): boolean {
  return text.startsWith('-----BEGIN ')
}

/** Columns as wide as their widest cell; the first row is the heading. */
function table(rows: readonly (readonly string[])[]): string {
  const safe = rows.map((row) => row.map(printable))
  const widths = safe[0]!.map((_, column) => safe.reduce((widest, row) => Math.max(widest, row[column]!.length), 0))
  return safe.map((row) => `${row.map((text, column) => text.padEnd(widths[column]!)).join('  ').trimEnd()}\n`).join('')
}
